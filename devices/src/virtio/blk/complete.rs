//! Answers a block request that is over.

use ovum_disk::engine::Completion;

use crate::Memory;
use crate::virtio::device::NeedsReset;
use crate::virtio::queue::Used;
use crate::warnings::Warnings;

use super::request::{Answer, Status};

/// A request that was taken from its queue and is not answered yet. Nothing here is read from guest memory again.
#[derive(Debug)]
pub struct Pending {
    /// The number of its queue.
    pub queue: u16,
    /// The index of its chain's first descriptor.
    pub head: u16,
    /// Where to answer it.
    pub answer: Answer,
    /// What it is called in a log.
    pub name: &'static str,
    /// How many bytes of data it fills if it succeeds.
    pub filled: u64,
}

/// Answers what is over, and returns what to tell the driver.
///
/// # Errors
/// As [`Answer::complete`].
pub fn complete(over: Completion<Pending>, memory: &Memory, warnings: &Warnings) -> Result<Used, NeedsReset> {
    let Completion { token: Pending { queue, head, answer, name, filled }, result } = over;
    let (status, filled) = match result {
        Ok(()) => (Status::Ok, filled),
        Err(error) => {
            warnings.warn(format_args!("{name} failed: {error}"));
            (Status::IoError, 0)
        }
    };
    let written = answer.complete(memory, status, filled)?;
    Ok(Used { queue, head, written })
}
