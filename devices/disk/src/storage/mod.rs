//! Where an image's bytes lie: a file, a part of one, memory, or something that unpacks them on the way.
//!
//! A format sees a [`Storage`] and nothing of the host. What a storage cannot do (a compressed file cannot be written) it
//! refuses, request by request.

mod bytes;
pub(crate) mod bzip2;
pub(crate) mod chunks;
mod file;
mod folder;
pub(crate) mod gzip;
mod new_file;
mod part;
mod spill;
#[cfg(any(test, feature = "test-support"))]
pub mod testing;
pub(crate) mod unpack;

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use vm_memory::VolatileSlice;

use crate::OpenError;

pub use bytes::Bytes;
pub use bzip2::Bzip2;
pub use chunks::{Chunks, MAX_CHUNKS};
pub use file::FileStorage;
pub use folder::Folder;
pub use gzip::Gzip;
pub use new_file::NewFile;
pub use part::Part;
pub use spill::{MEMORY_LIMIT as SPILL_LIMIT, Spill};

/// A row of bytes that can be read and, if it is not read-only, written. Calls may come from several threads at a time.
///
/// All offsets and lengths are in bytes.
pub trait Storage: Send + Sync + fmt::Debug {
    /// What it is called in messages: a path, or a path and what in it.
    fn name(&self) -> String;

    /// How many bytes there are.
    fn size(&self) -> u64;

    /// Whether every change is refused.
    fn is_read_only(&self) -> bool;

    /// Fills all of `into`, one buffer after the other, from `offset` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] past the end, and whatever the host says. Buffers may be partly filled then.
    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()>;

    /// Writes all of `from`, one buffer after the other, from `offset` on; past the end, the storage grows.
    ///
    /// # Errors
    /// [`io::ErrorKind::ReadOnlyFilesystem`], and whatever the host says. Part of the range may be written then.
    fn write_at(&self, offset: u64, from: &[VolatileSlice<'_>]) -> io::Result<()> {
        let _ = (offset, from);
        Err(read_only())
    }

    /// Cuts the storage, or makes it longer by zeroes.
    ///
    /// # Errors
    /// As [`Storage::write_at`].
    fn set_size(&self, size: u64) -> io::Result<()> {
        let _ = size;
        Err(read_only())
    }

    /// Returns when every write that was completed before is on stable storage.
    ///
    /// # Errors
    /// When the host could not write something back; it may be lost.
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// Says that the bytes in `range` are of no use any more: a hint that may be ignored.
    ///
    /// # Errors
    /// When the host tried and failed.
    fn discard(&self, range: Range<u64>) -> io::Result<()> {
        let _ = range;
        Ok(())
    }

    /// Makes the bytes in `range`, which ends within the storage, read as zero; with `may_unmap` their space may be given
    /// back.
    ///
    /// # Errors
    /// As [`Storage::write_at`].
    fn write_zeroes(&self, range: Range<u64>, may_unmap: bool) -> io::Result<()> {
        let _ = (range, may_unmap);
        Err(read_only())
    }

    /// The first range at or after `offset` that may hold something else than zeroes; empty at the end if there is none.
    ///
    /// # Errors
    /// When the host failed.
    fn data_after(&self, offset: u64) -> io::Result<Range<u64>> {
        Ok(offset.min(self.size())..self.size())
    }

    /// The file in which these bytes lie one after the other, and the offset of the first one: for who wants to read and
    /// write them without this trait's help.
    fn plain(&self) -> Option<Plain<'_>> {
        None
    }
}

/// Bytes that lie in a file as they are.
#[derive(Debug, Clone, Copy)]
pub struct Plain<'s> {
    /// The file.
    pub file: &'s Arc<File>,
    /// Where the storage's first byte is.
    pub start: u64,
}

/// Where the other files of an image come from (extents, parents, backing files), and the only place they come from.
pub trait Neighbours: Send + Sync + fmt::Debug {
    /// Opens `name`, which an image gave, for reading.
    ///
    /// # Errors
    /// [`OpenError`] when it is missing, or outside of what the caller opened.
    fn open(&self, name: &str) -> Result<Neighbour, OpenError>;
}

/// A file beside an image.
#[derive(Debug)]
pub struct Neighbour {
    /// Its bytes.
    pub storage: Arc<dyn Storage>,
    /// Where its own neighbours are.
    pub neighbours: Arc<dyn Neighbours>,
}

/// For images that stand alone: there is nothing beside them.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

impl Neighbours for Alone {
    fn open(&self, name: &str) -> Result<Neighbour, OpenError> {
        Err(OpenError::outside(name))
    }
}

/// Reads bytes that the process keeps for itself.
///
/// # Errors
/// As [`Storage::read_at`].
pub fn read_bytes(storage: &dyn Storage, offset: u64, into: &mut [u8]) -> io::Result<()> {
    storage.read_at(offset, &[VolatileSlice::from(into)])
}

/// Reads `N` bytes.
///
/// # Errors
/// As [`Storage::read_at`].
pub fn read_array<const N: usize>(storage: &dyn Storage, offset: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    read_bytes(storage, offset, &mut bytes)?;
    Ok(bytes)
}

/// Writes bytes that the process made itself. They are copied once: such writes are small.
///
/// # Errors
/// As [`Storage::write_at`].
pub fn write_bytes(storage: &dyn Storage, offset: u64, from: &[u8]) -> io::Result<()> {
    storage.write_at(offset, &[VolatileSlice::from(from.to_vec().as_mut_slice())])
}

/// What a change of a storage that cannot be changed is answered with.
pub(crate) fn read_only() -> io::Error {
    io::ErrorKind::ReadOnlyFilesystem.into()
}
