//! One machine: its console is this process's, and its end is the exit status.

use std::os::unix::net::UnixStream;

use ovum_vmm::machine::RunError;
use ovum_vmm::{Machine, MachineConfig, Report, RunningMachine, Timeline};

use super::args::RunArgs;
use super::check::Pending;
use super::console::{self, OpenConsole};
use crate::failure::Failure;
use crate::keys::Keys;
use crate::report::{self, Status};
use crate::signals::Watch;
use crate::terminal::RawMode;

/// Builds the machine, runs it to its end, and says how that was. What is `unchecked` of its package is compared meanwhile.
pub fn run(
    config: &MachineConfig,
    args: &RunArgs,
    timeline: &Timeline,
    unchecked: Option<Pending>,
) -> Result<Status, Failure> {
    let OpenConsole { console, typed } = console::open(&args.console)?;
    let built = Machine::build(config, console, timeline).map_err(|error| Failure::of(&error))?;
    let running = built.start().map_err(|error| Failure::of(&error))?;
    let stop = running.stop_handle();
    let checking = unchecked.and_then(|unchecked| unchecked.start(move || stop.stop()));
    let ended = accompany(running, typed);
    if let Some(checking) = checking {
        // What is wrong with the package is the reason for its end.
        checking.conclude()?;
    }
    let (report, status) = ended.map_err(|error| Failure::of(&error))?;
    report::end(&report, status, args.timing, args.json);
    Ok(status)
}

/// Stays with a running machine: gives it what is typed, ends it at a signal. The terminal is as it was before when this
/// returns.
fn accompany(running: RunningMachine, typed: Option<UnixStream>) -> Result<(Report, Status), RunError> {
    let stop = running.stop_handle();
    let watch = Watch::start(move || stop.stop());
    let raw_mode = typed.is_some().then(RawMode::enter).transpose();
    if let Err(error) = &watch {
        log::warn!("signals end the machine untidily: {error}");
    }
    let raw_mode = raw_mode.unwrap_or_else(|error| {
        log::warn!("keys reach the guest only line by line: {error}");
        None
    });
    if let Some(typed) = typed {
        console::forward_input(typed, raw_mode.is_some().then(Keys::default), running.stop_handle());
    }
    let ended = running.wait();
    drop(raw_mode);
    let report = ended?;
    let signal = watch.ok().and_then(|watch| watch.caught());
    let status = Status::of_end(&report.end, signal);
    Ok((report, status))
}
