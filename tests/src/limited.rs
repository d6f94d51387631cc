//! The command on this machine, for what needs no guest: within limits of time and memory, and watched.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binaries;
use crate::failure::{Context as _, Failure, Result};

/// Seconds that a call may take.
const SECONDS: &str = "10";
/// Address space that a call may use, in KiB: 512 MiB.
const ADDRESS_SPACE: &str = "524288";
/// What timeout(1) says when the time was over.
const TIMED_OUT: i32 = 124;

/// A call that has ended.
#[derive(Debug, Clone)]
pub struct Call {
    /// The exit status.
    pub status: i32,
    /// What it wrote to standard output.
    pub output: String,
    /// What it wrote to standard error.
    pub errors: String,
}

/// Calls `ovum` with these arguments, without a terminal, in `folder`. It may take 10 s and 512 MiB of address space.
///
/// # Errors
/// When it cannot be started, runs into a limit, or is ended by a signal.
pub fn ovum<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Result<Call> {
    let script = format!("ulimit -v {ADDRESS_SPACE} && exec timeout --kill-after=1 {SECONDS} \"$@\"");
    let mut command = Command::new("sh");
    command.current_dir(folder).args(["-c", &script, "sh"]).arg(binaries::ovum()?);
    command.args(arguments).stdin(std::process::Stdio::null());
    let shown = format!("{:?}", command.get_args().skip(4).collect::<Vec<_>>());
    let output = command.output().doing("running the command")?;
    let call = Call {
        status: output.status.code().unwrap_or(-1),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    match call.status {
        TIMED_OUT => Err(Failure::new(format!("{shown} took more than {SECONDS} s"))),
        status if !(0..128).contains(&status) => {
            Err(Failure::new(format!("{shown} was ended by a signal (status {status}):\n{}", call.errors)))
        }
        _ => Ok(call),
    }
}

impl Call {
    /// Whether it was refused as everything is that comes from outside: status 2, one line of cause that names `place`, one
    /// line of remedy, nothing else. `None` if so, else what is wrong.
    #[must_use]
    pub fn refusal_lacks(&self, place: &str) -> Option<String> {
        let lines: Vec<&str> = self.errors.lines().filter(|line| !is_warning(line)).collect();
        let wrong = if self.status != 2 {
            format!("status {}", self.status)
        } else if self.errors.contains("panicked") || self.errors.contains("RUST_BACKTRACE") {
            "it panicked".to_owned()
        } else if lines.len() != 2 {
            format!("{} lines in place of a cause and a remedy", lines.len())
        } else if !lines.first().is_some_and(|cause| cause.to_lowercase().contains(&place.to_lowercase())) {
            format!("the cause does not name {place:?}")
        } else if let Some(character) = unshowable(&self.errors) {
            format!("{character:?} in the message")
        } else {
            return None;
        };
        let shown: String = self.errors.chars().take(600).collect();
        Some(format!("{wrong}: {shown:?}"))
    }
}

fn is_warning(line: &str) -> bool {
    line.starts_with("warning:") || line.starts_with("ovum: warn:")
}

/// The first character in a text that a terminal would obey rather than show, or that turns the text around.
#[must_use]
pub fn unshowable(text: &str) -> Option<char> {
    let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().find(|c| c.is_control() && *c != '\n' || turns(*c))
}

/// All that is in a folder, with sizes.
///
/// # Errors
/// When it cannot be read.
pub fn listing(folder: &Path) -> Result<BTreeSet<(PathBuf, u64)>> {
    let mut all = BTreeSet::new();
    for entry in folder.read_dir().doing(format!("reading {}", folder.display()))? {
        let path = entry.doing("reading a folder")?.path();
        let about = path.symlink_metadata().doing(format!("looking at {}", path.display()))?;
        if about.is_dir() {
            all.extend(listing(&path)?);
        }
        all.insert((path, about.len()));
    }
    Ok(all)
}
