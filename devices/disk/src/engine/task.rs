//! What there is to do: as the caller says it, as it is kept while it waits, and how it is done by a blocking disk.

use std::io;
use std::ops::Range;

use vm_memory::{GuestMemoryMmap, VolatileSlice};

use super::guest::GuestBuffers;
use crate::Disk;
use crate::buffers::{Cursor, total};

/// The most data that is moved between two looks at whether to go on, in bytes.
pub(super) const PIECE: u64 = 4 << 20;

/// What to do with a disk; see the methods of [`Disk`] for what each means. Offsets and lengths are in bytes.
#[derive(Debug, Clone, Copy)]
pub enum Operation<'b> {
    /// Fill buffers.
    Read {
        /// From where on the disk.
        offset: u64,
        /// The buffers.
        into: &'b [VolatileSlice<'b>],
    },
    /// Write buffers.
    Write {
        /// To where on the disk.
        offset: u64,
        /// The buffers.
        from: &'b [VolatileSlice<'b>],
    },
    /// Bring what was written to stable storage.
    Flush,
    /// These bytes are of no use any more.
    Discard(&'b [Range<u64>]),
    /// These bytes shall read as zero; the flag allows to give their space back.
    WriteZeroes(&'b [(Range<u64>, bool)]),
}

impl Operation<'_> {
    /// Does all of it. Each change is on stable storage before this returns if `durable` says so. Looks now and then whether
    /// to `go_on`.
    ///
    /// # Errors
    /// As the disk says, or `go_on` does.
    pub(super) fn perform(&self, disk: &dyn Disk, durable: bool, go_on: impl Fn() -> io::Result<()>) -> io::Result<()> {
        match *self {
            Self::Read { offset, into } => {
                return in_pieces(offset, into, go_on, |offset, piece| disk.read_at(offset, piece));
            }
            Self::Flush => return disk.flush(),
            Self::Write { offset, from } => {
                in_pieces(offset, from, go_on, |offset, piece| disk.write_at(offset, piece))?;
            }
            Self::Discard(ranges) => {
                for range in ranges {
                    go_on()?;
                    disk.discard(range.clone())?;
                }
            }
            Self::WriteZeroes(ranges) => {
                for (range, may_unmap) in ranges {
                    go_on()?;
                    disk.write_zeroes(range.clone(), *may_unmap)?;
                }
            }
        }
        if durable { disk.flush() } else { Ok(()) }
    }
}

/// Moves `buffers` by `transfer`, which takes an offset on the disk and buffers of [`PIECE`] bytes at most. Nearly every
/// request is one piece.
fn in_pieces(
    mut offset: u64,
    buffers: &[VolatileSlice<'_>],
    go_on: impl Fn() -> io::Result<()>,
    transfer: impl Fn(u64, &[VolatileSlice<'_>]) -> io::Result<()>,
) -> io::Result<()> {
    let mut left = total(buffers);
    if left <= PIECE {
        return transfer(offset, buffers);
    }
    let mut cursor = Cursor::new(buffers);
    while left > 0 {
        go_on()?;
        let len = left.min(PIECE);
        transfer(offset, &cursor.take(len))?;
        offset += len;
        left -= len;
    }
    Ok(())
}

/// An operation that has all it needs for as long as it takes.
#[derive(Debug)]
pub(super) struct Task {
    pub kind: Kind,
    /// As in [`Operation::perform`].
    pub durable: bool,
}

/// As [`Operation`].
#[derive(Debug)]
pub(super) enum Kind {
    Read { offset: u64, into: GuestBuffers },
    Write { offset: u64, from: GuestBuffers },
    Flush,
    Discard(Vec<Range<u64>>),
    WriteZeroes(Vec<(Range<u64>, bool)>),
}

impl Task {
    /// Keeps `operation`, whose buffers are in `memory`.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if they are not.
    pub fn new(operation: Operation<'_>, durable: bool, memory: &GuestMemoryMmap<()>) -> io::Result<Self> {
        let kind = match operation {
            Operation::Read { offset, into } => Kind::Read { offset, into: GuestBuffers::new(memory, into)? },
            Operation::Write { offset, from } => Kind::Write { offset, from: GuestBuffers::new(memory, from)? },
            Operation::Flush => Kind::Flush,
            Operation::Discard(ranges) => Kind::Discard(ranges.to_vec()),
            Operation::WriteZeroes(ranges) => Kind::WriteZeroes(ranges.to_vec()),
        };
        Ok(Self { kind, durable })
    }

    /// As [`Operation::perform`].
    pub fn perform(&self, disk: &dyn Disk, go_on: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let perform = |operation: Operation<'_>| operation.perform(disk, self.durable, go_on);
        match &self.kind {
            Kind::Read { offset, into } => perform(Operation::Read { offset: *offset, into: &into.slices()? }),
            Kind::Write { offset, from } => perform(Operation::Write { offset: *offset, from: &from.slices()? }),
            Kind::Flush => perform(Operation::Flush),
            Kind::Discard(ranges) => perform(Operation::Discard(ranges)),
            Kind::WriteZeroes(ranges) => perform(Operation::WriteZeroes(ranges)),
        }
    }

    /// The buffers, if there are any.
    pub fn buffers(&self) -> Option<&GuestBuffers> {
        match &self.kind {
            Kind::Read { into: buffers, .. } | Kind::Write { from: buffers, .. } => Some(buffers),
            Kind::Flush | Kind::Discard(_) | Kind::WriteZeroes(_) => None,
        }
    }
}
