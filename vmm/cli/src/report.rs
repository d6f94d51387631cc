//! What is printed at the end, and the exit status.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use ovum_vmm::{Blame, End, Explain, Report, Timeline};
use serde::Serialize;

/// The exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 0: the guest shut down or rebooted itself.
    Done,
    /// 2: wrong usage, configuration, kernel or disk image.
    WrongUsage,
    /// 3: the host cannot.
    HostCannot,
    /// 4: the guest crashed.
    GuestCrashed,
    /// 124: the time limit passed.
    TimeLimit,
    /// 128 and the signal's number, as a shell counts.
    Signal(i32),
}

impl Status {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::WrongUsage => 2,
            Self::HostCannot => 3,
            Self::GuestCrashed => 4,
            Self::TimeLimit => 124,
            Self::Signal(signal) => u8::try_from(signal).unwrap_or(0).saturating_add(128),
        }
    }

    /// The status that an error leads to.
    pub fn of_error(error: &dyn Explain) -> Self {
        match error.blame() {
            Blame::Request => Self::WrongUsage,
            Blame::Host => Self::HostCannot,
        }
    }

    /// The status that the end of a machine leads to. `signal` is the one that stopped it, where one did.
    pub fn of_end(end: &End, signal: Option<i32>) -> Self {
        match end {
            End::PowerOff | End::Reset => Self::Done,
            End::Panic | End::TripleFault | End::GuestFault(_) => Self::GuestCrashed,
            End::TimeLimit => Self::TimeLimit,
            // Ctrl-A x is to the machine what Ctrl-C is to a process.
            End::Stopped => Self::Signal(signal.unwrap_or(signal_hook::consts::SIGINT)),
            End::ConsoleLost(_) | End::HostFault(_) => Self::HostCannot,
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.code())
    }
}

/// Prints a cause and a remedy.
pub fn failure(cause: &str, remedy: &str, status: Status, json: bool) {
    #[derive(Serialize)]
    struct Failure<'a> {
        error: &'a str,
        remedy: &'a str,
        status: u8,
    }
    let text = if json {
        to_json(&Failure { error: cause, remedy, status: status.code() })
    } else {
        format!("ovum: error: {}\novum: remedy: {}\n", one_line(cause), one_line(remedy))
    };
    to_stderr(&text);
}

/// Prints how a machine ended, as far as there is something to say.
pub fn end(report: &Report, status: Status, timing: bool, json: bool) {
    #[derive(Serialize)]
    struct Summary<'a> {
        end: &'a End,
        status: u8,
        timeline: Vec<ovum_vmm::timeline::Moment>,
        exits: ovum_vmm::vcpu::ExitCounts,
    }
    let mut text = String::new();
    if json {
        let timeline = report.timeline.moments();
        text = to_json(&Summary { end: &report.end, status: status.code(), timeline, exits: report.exits });
    } else {
        if let Some(line) = sentence(&report.end) {
            let _ = writeln!(text, "ovum: {line}");
        }
        if timing {
            text += &timeline(&report.timeline);
        }
    }
    to_stderr(&text);
}

/// Prints how one of several machines ended, as far as there is something to say.
pub fn end_of(name: &str, end: &End) {
    if let Some(sentence) = sentence(end) {
        note(&format!("{name}: {sentence}"));
    }
}

/// Prints a line for a person.
pub fn note(text: &str) {
    to_stderr(&format!("ovum: {}\n", one_line(text)));
}

/// What a person is told, for an end that was not the guest's own wish.
fn sentence(end: &End) -> Option<String> {
    let plain = match end {
        End::PowerOff | End::Reset | End::ConsoleLost(_) | End::HostFault(_) => return None,
        End::Panic => "the guest's kernel panicked",
        End::TripleFault => "the guest crashed with a triple fault",
        End::GuestFault(how) => return Some(format!("the guest crashed: {how}")),
        End::TimeLimit => "the time limit passed, and the machine was ended",
        End::Stopped => "the machine was ended",
    };
    Some(plain.to_owned())
}

/// The boot, a line for each event: time since the process began, time since the event before, CPU time.
pub fn timeline(timeline: &Timeline) -> String {
    let mut text = String::from("       at ms     + ms   CPU ms\n");
    let mut before = 0;
    let ms = |us: u64| us as f64 / 1000.0;
    for moment in timeline.moments() {
        let since = moment.at_us.saturating_sub(before);
        let (at, since, cpu) = (ms(moment.at_us), ms(since), ms(moment.cpu_us));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{at:>12.2} {since:>8.2} {cpu:>8.2}  {}", moment.event.label());
        before = moment.at_us;
    }
    text
}

/// One line of JSON.
pub fn to_json(value: &impl Serialize) -> String {
    // Plain structures of strings and numbers cannot fail to be written.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

/// Writes to standard output, and says what became of it.
pub fn to_stdout(text: &str) -> Status {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Ok(()) => Status::Done,
        Err(error) => stdout_failed(&error),
    }
}

/// Says that standard output could not be written, unless its reader has read enough (`| head -1`): then the status is that
/// of a program that SIGPIPE ends.
pub fn stdout_failed(error: &io::Error) -> Status {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Status::Signal(signal_hook::consts::SIGPIPE);
    }
    let cause = format!("standard output could not be written: {error}");
    failure(&cause, "make room where it goes", Status::HostCannot, false);
    Status::HostCannot
}

/// `text` for a line of a terminal: names from an image may hold what terminals take for commands.
pub fn printable(text: &str) -> String {
    let escape = |c: char| if commands(c) { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// Whether a terminal does something else with `c` than to show it: control characters, and those that turn the direction
/// of writing, by which a line can seem to say something else than it does (Unicode, UAX 9).
fn commands(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes to standard error.
pub fn to_stderr(text: &str) {
    // Nobody is left to be told when this fails.
    let _ = io::stderr().write_all(text.as_bytes());
}

fn one_line(text: &str) -> String {
    printable(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_line_commands_the_terminal() {
        assert_eq!(one_line("disk a\u{1b}[31m\n b"), "disk a\\u{1b}[31m b");
        assert_eq!(printable("a\nb \u{e9} \u{9b}"), "a\\nb \u{e9} \\u{9b}");
        assert_eq!(printable("fdp.\u{202e}exe"), "fdp.\\u{202e}exe");
    }

    #[test]
    fn statuses_are_those_of_the_manual() {
        assert_eq!(Status::of_end(&End::Reset, None).code(), 0);
        assert_eq!(Status::of_end(&End::Panic, None).code(), 4);
        assert_eq!(Status::of_end(&End::TimeLimit, None).code(), 124);
        assert_eq!(Status::of_end(&End::Stopped, None).code(), 130);
        assert_eq!(Status::of_end(&End::Stopped, Some(15)).code(), 143);
    }
}
