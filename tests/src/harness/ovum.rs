//! The command by itself: started with any arguments, and judged by how it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use super::setting::setting;
use crate::agent::protocol::{Command, End};
use crate::failure::{Failure, Result};
use crate::host::Process;

/// A call of the command that is about to be made.
#[derive(Debug, Clone, Default)]
pub struct Ovum {
    command: Command,
}

/// A call that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// How it ended.
    pub end: End,
    /// What it wrote to standard output.
    pub output: String,
    /// What it wrote to standard error.
    pub errors: String,
}

impl Ovum {
    /// `ovum ARGUMENTS...`
    pub fn new<S: Into<String>>(arguments: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::default();
        command.arguments.push(String::new());
        command.arguments.extend(arguments.into_iter().map(Into::into));
        Self { command }
    }

    /// `ovum run --kernel STOCK ARGUMENTS...`
    ///
    /// # Errors
    /// When there is no stock kernel.
    pub fn run<S: Into<String>>(arguments: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut ovum = Self::new(["run", "--kernel", &setting()?.kernel_path]);
        ovum.command.arguments.extend(arguments.into_iter().map(Into::into));
        Ok(ovum)
    }

    /// Gives it a terminal.
    #[must_use]
    pub fn in_terminal(mut self) -> Self {
        self.command.terminal = true;
        self
    }

    /// Gives it a standard output that nobody reads.
    #[must_use]
    pub fn with_closed_output(mut self) -> Self {
        self.command.closed_output = true;
        self
    }

    /// Runs it as nobody, who may not use KVM.
    #[must_use]
    pub fn as_nobody(mut self) -> Self {
        self.command.user = Some(65_534);
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut self) -> Result<Process> {
        let setting = setting()?;
        self.command.arguments[0].clone_from(&setting.ovum);
        self.command.environment = BTreeMap::new();
        setting.host.spawn(self.command)
    }

    /// Starts it and waits until it has ended.
    ///
    /// # Errors
    /// When it does not end within two minutes.
    pub fn ends(self) -> Result<Ended> {
        let words = self.command.arguments.join(" ");
        let mut process = self.start()?;
        let end = process.wait(Duration::from_secs(120)).map_err(|failure| {
            Failure::new(format!("ovum{words}: {failure}\n{}{}", process.text(false), process.text(true)))
        })?;
        Ok(Ended { end, output: process.text(false), errors: process.text(true) })
    }

    /// Expects it to be refused: with this exit status, and on standard error one line of cause, which holds `cause`,
    /// and one line of remedy. Neither may look like a Rust value.
    ///
    /// # Errors
    /// When it is not so.
    pub fn is_refused(self, status: i32, cause: &str) -> Result<()> {
        let words = self.command.arguments.join(" ");
        let ended = self.ends()?;
        let lines: Vec<&str> = ended.errors.lines().collect();
        let fault = if ended.end.status != Some(status) {
            format!("ended with {:?}, signal {:?}, and not with {status}", ended.end.status, ended.end.signal)
        } else if lines.len() != 2 {
            format!("wrote {} lines to standard error, not a cause and a remedy", lines.len())
        } else if !lines[0].contains(cause) {
            format!("did not name its cause, {cause:?}")
        } else if ["Some(", "Err(", "Error {", "panicked", "Os {", "::"].iter().any(|sign| ended.errors.contains(sign))
        {
            "printed something only a programmer reads".to_owned()
        } else {
            return Ok(());
        };
        Err(Failure::new(format!("ovum{words}\n{fault}:\n{}", ended.errors)))
    }
}
