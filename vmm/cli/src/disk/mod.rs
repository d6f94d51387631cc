//! `ovum disk`
//!
//! * [`args`]: what can be said.
//! * [`look`]: info, check, map.
//! * [`make`]: create, convert, resize.

pub mod args;
mod look;
mod make;

use std::process::ExitCode;

use args::DiskCommand;

use crate::report::{self, Status};

/// Does what `command` says.
pub fn run(command: &DiskCommand) -> ExitCode {
    let (result, json) = match command {
        DiskCommand::Info(args) => (look::info(args), args.json),
        DiskCommand::Check(args) => (look::check(args), args.json),
        DiskCommand::Map(args) => (look::map(args), args.json),
        DiskCommand::Create(args) => (make::create(args), false),
        DiskCommand::Convert(args) => (make::convert(args), args.json),
        DiskCommand::Resize(args) => (make::resize(args), false),
    };
    let status = result.unwrap_or_else(|failure| {
        report::failure(&failure.cause, &failure.remedy, failure.status, json);
        failure.status
    });
    Status::into(status)
}
