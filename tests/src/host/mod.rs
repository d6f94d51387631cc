//! Where a VMM can be run: one connection to an agent, which is a process on this machine or in the KVM lab.

mod carry;
mod connection;
mod files;
mod keeper;
mod process;

use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

pub use carry::{Carried, quoted};
pub use connection::{Connection, Place};
pub(crate) use keeper::Keeper;
pub use process::{Chunk, Input, Process};

use crate::binaries;
use crate::failure::{Context as _, Result};

/// A system that can run a VMM: this machine, or a lab. It ends when this is dropped.
pub struct Host {
    connection: Arc<Connection>,
    keeper: Keeper,
}

impl Host {
    pub(crate) fn new(connection: Connection, keeper: Keeper) -> Self {
        Self { connection: Arc::new(connection), keeper }
    }

    /// This machine, through an agent of its own.
    ///
    /// # Errors
    /// When the agent cannot be started.
    pub fn native() -> Result<Self> {
        let (ours, theirs) = UnixStream::pair().doing("making a pair of sockets")?;
        let mut command = Command::new(binaries::agent()?);
        command.stdin(OwnedFd::from(theirs));
        let keeper = Keeper::start(command)?;
        Ok(Self::new(Connection::open(ours, Place::Here, Duration::from_secs(20))?, keeper))
    }

    /// What the host itself printed last: of a lab, its kernel's console.
    #[must_use]
    pub fn log(&self) -> String {
        self.keeper.log()
    }
}

impl Deref for Host {
    type Target = Arc<Connection>;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}
