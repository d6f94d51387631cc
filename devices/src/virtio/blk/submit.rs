//! Hands a block request to the disk's engine, or answers what needs no disk.

use ovum_disk::engine::{self, Engine, Haste};

use crate::Memory;
use crate::virtio::device::NeedsReset;
use crate::virtio::queue::Used;

use super::complete::Pending;
use super::request::{Operation, Request, Status};
use super::spec;

/// Where a request came from, and with which others.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// The number of its queue.
    pub queue: u16,
    /// The index of its chain's first descriptor.
    pub head: u16,
    /// Whether others come with it.
    pub haste: Haste,
}

/// Begins `request` on `disk`. `None` if it is under way, or over: then it is among the engine's completions, if not now,
/// then later. What needs no disk is answered here, and given back by the caller.
///
/// # Errors
/// As [`Answer::complete`].
///
/// [`Answer::complete`]: super::request::Answer::complete
pub fn submit(
    request: &Request<'_>,
    origin: Origin,
    disk: &mut Engine<Pending>,
    serial: &[u8; spec::ID_LEN],
    memory: &Memory,
) -> Result<Option<Used>, NeedsReset> {
    let Origin { queue, head, haste } = origin;
    let answered = |status, filled| {
        request.answer.complete(memory, status, filled).map(|written| Some(Used { queue, head, written }))
    };
    let operation = match &request.operation {
        Ok(operation) => operation,
        Err(status) => return answered(*status, 0),
    };
    let filled = if let Operation::Read { into, .. } = operation { into.len() } else { 0 };
    let pending = Pending { queue, head, answer: request.answer, name: operation.name(), filled };
    let operation = match operation {
        Operation::GetId { into } => return answered(Status::Ok, into.write(serial) as u64),
        Operation::Read { offset, into } => engine::Operation::Read { offset: *offset, into: into.as_slices() },
        Operation::Write { offset, from } => engine::Operation::Write { offset: *offset, from: from.as_slices() },
        Operation::Flush => engine::Operation::Flush,
        Operation::Discard(ranges) => engine::Operation::Discard(ranges),
        Operation::WriteZeroes(ranges) => engine::Operation::WriteZeroes(ranges),
    };
    disk.submit(pending, operation, memory, haste);
    Ok(None)
}
