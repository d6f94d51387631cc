//! `ovum inspect`

use std::process::ExitCode;

use super::args::InspectArgs;
use super::{card, json, open};
use crate::failure::Failure;
use crate::report::{self, Status};

/// Shows what a package describes.
pub fn run(args: &InspectArgs) -> ExitCode {
    inspect(args)
        .unwrap_or_else(|failure| {
            report::failure(&failure.cause, &failure.remedy, failure.status, args.json);
            failure.status
        })
        .into()
}

fn inspect(args: &InspectArgs) -> Result<Status, Failure> {
    let open::Opened { appliance, .. } = open::open(&args.package, &args.choices)?;
    Ok(report::to_stdout(&if args.json {
        report::to_json(&json::Package::of(&appliance))
    } else {
        card::show(&args.package, &appliance)
    }))
}
