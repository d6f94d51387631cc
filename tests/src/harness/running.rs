//! A machine under way: its console, its input, its end.

use std::time::Duration;

use super::Folder;
use super::setting::Slot;
use crate::agent::protocol::End;
use crate::failure::{Failure, Result};
use crate::host::Process;

/// How long to wait for anything. The lab is slow, and other tests run beside this one.
const PATIENCE: Duration = Duration::from_secs(900);

/// A machine that was started. It is killed when this is dropped.
pub struct Running {
    process: Process,
    /// How much of the console was matched already.
    seen: usize,
    // Fields are dropped in this order: the process must have gone before its files and its slot do.
    _folder: Folder,
    _slot: Slot,
}

impl Running {
    pub(super) fn new(process: Process, folder: Folder, slot: Slot) -> Self {
        Self { process, seen: 0, _folder: folder, _slot: slot }
    }

    /// Waits for `text` on the console, behind what was expected before.
    ///
    /// # Errors
    /// When it does not come, or the machine ends without it; then with the console.
    pub fn expect(&mut self, text: &str) -> Result<&mut Self> {
        let from = self.seen;
        self.process.wait_until(PATIENCE, |process| process.text(false)[from..].contains(text))?;
        match self.console()[from..].find(text) {
            Some(at) => {
                self.seen = from + at + text.len();
                Ok(self)
            }
            None => Err(self.failure(&format!("the guest has not said {text:?}"))),
        }
    }

    /// Types on the console.
    ///
    /// # Errors
    /// When the host has gone.
    pub fn types(&mut self, text: &str) -> Result<&mut Self> {
        self.process.input().write(text.as_bytes())?;
        Ok(self)
    }

    /// Sends a signal to the VMM.
    ///
    /// # Errors
    /// When the host has gone.
    pub fn signal(&mut self, signal: i32) -> Result<&mut Self> {
        self.process.input().signal(signal)?;
        Ok(self)
    }

    /// Waits for the machine's end.
    ///
    /// # Errors
    /// When it does not come; then with the console.
    pub fn end(&mut self) -> Result<End> {
        self.process.wait(PATIENCE).map_err(|failure| self.failure(&failure.to_string()))
    }

    /// Waits for the machine's end and returns the command's exit status.
    ///
    /// # Errors
    /// When it does not come, or was a signal's; then with the console.
    pub fn exit_status(&mut self) -> Result<i32> {
        let end = self.end()?;
        end.status.ok_or_else(|| self.failure(&format!("ended by signal {:?}", end.signal)))
    }

    /// Waits for the machine's end, which must be the command's with `status`.
    ///
    /// # Errors
    /// When it is another; then with the console.
    pub fn ends_with(&mut self, status: i32) -> Result<()> {
        let found = self.exit_status()?;
        if found == status { Ok(()) } else { Err(self.failure(&format!("ended with {found}, not with {status}"))) }
    }

    /// All that came over the console so far.
    #[must_use]
    pub fn console(&self) -> String {
        self.process.text(false)
    }

    /// What the command wrote to standard error so far.
    #[must_use]
    pub fn errors(&self) -> String {
        self.process.text(true)
    }

    /// What stands between `start` and the next line's end.
    ///
    /// # Errors
    /// When the console holds no `start`.
    pub fn value(&self, start: &str) -> Result<String> {
        let console = self.console();
        let rest = console.split_once(start).ok_or_else(|| self.failure(&format!("there is no {start:?}")))?.1;
        Ok(rest.lines().next().unwrap_or_default().trim().to_owned())
    }

    fn failure(&self, what: &str) -> Failure {
        Failure::new(format!("{what}\n--- console\n{}\n--- standard error\n{}---", self.console(), self.errors()))
    }
}
