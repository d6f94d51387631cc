//! Several machines of a package: their consoles in one stream, a line for each that does not end well.

use ovum_vmm::End;
use ovum_vmm::appliance::Prepared;
use ovum_vmm::fleet::{Fleet, FleetEvent, FleetReport, Outcome};
use serde::Serialize;

use super::args::RunArgs;
use super::check::Pending;
use super::console;
use crate::failure::Failure;
use crate::report::{self, Status};
use crate::signals::Watch;

/// Builds all machines, runs them to their end, and says how that was.
pub fn run(prepared: &Prepared, args: &RunArgs, unchecked: Option<Pending>) -> Result<Status, Failure> {
    // Several guests cannot share a keyboard: what is typed reaches none.
    let output = console::open(&args.console)?.console.output;
    let fleet = Fleet::build(&prepared.members, prepared.order.clone(), output, args.timeout)
        .map_err(|error| Failure::of(&error))?;
    let (stop, stop_at_problem) = (fleet.handle(), fleet.handle());
    let checking = unchecked.and_then(|unchecked| unchecked.start(move || stop_at_problem.stop()));
    let watch = Watch::start(move || stop.stop());
    if let Err(error) = &watch {
        log::warn!("signals end the machines untidily: {error}");
    }
    let report = fleet.run(&mut |event| {
        if let (FleetEvent::Ended(name, outcome), false) = (event, args.json) {
            say(name, outcome);
        }
    });
    if let Some(checking) = checking {
        checking.conclude()?;
    }
    let signal = watch.ok().and_then(|watch| watch.caught());
    Ok(conclude(&report, signal, args))
}

/// What a person is told of a machine that did not end by its own wish.
fn say(name: &str, outcome: &Outcome) {
    match outcome {
        Outcome::Ended(report) => report::end_of(name, &report.end),
        Outcome::Failed(error) => report::note(&format!("{name}: {error}")),
        Outcome::NeverStarted => {}
    }
}

/// Prints how the machines ended, for a program or with their timelines, and returns the status for all.
fn conclude(report: &FleetReport, signal: Option<i32>, args: &RunArgs) -> Status {
    #[derive(Serialize)]
    struct Summary<'s> {
        machines: Vec<MachineSummary<'s>>,
        status: u8,
    }
    #[derive(Serialize)]
    struct MachineSummary<'s> {
        name: &'s str,
        end: Option<&'s End>,
        error: Option<String>,
        status: u8,
    }
    let statuses: Vec<Status> = report.members.iter().map(|(_, outcome)| status(outcome, signal)).collect();
    let all = statuses.iter().copied().min_by_key(|status| severity(*status)).unwrap_or(Status::Done);
    if args.json {
        let machine = |((name, outcome), status): (&'_ (String, Outcome), &Status)| {
            let (end, error) = match outcome {
                Outcome::Ended(report) => (Some(report.end.clone()), None),
                Outcome::Failed(error) => (None, Some(error.to_string())),
                Outcome::NeverStarted => (None, None),
            };
            (name.clone(), end, error, status.code())
        };
        let machines: Vec<_> = report.members.iter().zip(&statuses).map(machine).collect();
        let machines = machines
            .iter()
            .map(|(name, end, error, status)| MachineSummary {
                name,
                end: end.as_ref(),
                error: error.clone(),
                status: *status,
            })
            .collect();
        report::to_stderr(&report::to_json(&Summary { machines, status: all.code() }));
    } else if args.timing {
        for (name, outcome) in &report.members {
            if let Outcome::Ended(report) = outcome {
                report::to_stderr(&format!("{}:\n{}", report::printable(name), report::timeline(&report.timeline)));
            }
        }
    }
    all
}

fn status(outcome: &Outcome, signal: Option<i32>) -> Status {
    match outcome {
        Outcome::Ended(report) => Status::of_end(&report.end, signal),
        Outcome::Failed(error) => Status::of_error(error),
        Outcome::NeverStarted => Status::of_end(&End::Stopped, signal),
    }
}

/// Which of several statuses is that of all: the lowest.
fn severity(status: Status) -> u8 {
    match status {
        Status::WrongUsage => 0,
        Status::HostCannot => 1,
        Status::GuestCrashed => 2,
        Status::TimeLimit => 3,
        Status::Signal(_) => 4,
        Status::Done => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_end_is_that_of_all() {
        let worst = |statuses: &[Status]| statuses.iter().copied().min_by_key(|status| severity(*status)).unwrap();
        assert_eq!(worst(&[Status::Done, Status::Signal(2), Status::GuestCrashed]), Status::GuestCrashed);
        assert_eq!(worst(&[Status::TimeLimit, Status::HostCannot]), Status::HostCannot);
        assert_eq!(worst(&[Status::Done, Status::Done]), Status::Done);
    }
}
