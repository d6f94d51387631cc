//! Disk images as a flat range of bytes; knows no virtio.
//!
//! * [`Disk`]: what a device needs of a disk: read, write, flush, discard, all at byte offsets.
//! * [`open`]: from a path and a declared format to a [`Disk`]. The format is never guessed: a guest may write any
//!   header it likes to the first sector of a raw disk.
//! * [`raw`]: regular files and block devices whose bytes are the disk's bytes.
//! * [`OpenError`]: why an image could not be opened, and what to do about it.
//!
//! Buffers are [`VolatileSlice`]s: guest memory is read and written in place, with no copy in between. A format that is
//! added gets a module of its own, a variant of [`Format`] and one line in [`open`].

mod error;
mod lock;
pub mod raw;
mod sys;

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use vm_memory::VolatileSlice;

pub use error::{OpenError, OpenErrorKind};

/// The unit in which every disk is measured, in bytes.
pub const SECTOR: u64 = 512;

/// A disk: `size` bytes that can be read and, if it is not read-only, written.
///
/// All offsets and lengths are in bytes. A range that ends past [`Disk::size`] is refused with
/// [`io::ErrorKind::InvalidInput`] and nothing is done; so is a change of a read-only disk, with
/// [`io::ErrorKind::ReadOnlyFilesystem`]. Calls may come from several threads at a time.
pub trait Disk: Send + Sync {
    /// The disk's length in bytes: a multiple of [`SECTOR`], and never zero.
    fn size(&self) -> u64;

    /// The smallest unit, in bytes, that the medium below writes without reading first.
    fn logical_block_size(&self) -> u32 {
        512
    }

    /// Whether every change is refused.
    fn is_read_only(&self) -> bool;

    /// Fills all of `into`, one buffer after the other, from `offset` on.
    ///
    /// # Errors
    /// When the host cannot read, or the file has become shorter than the disk. Buffers may be partly filled then.
    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()>;

    /// Writes all of `from`, one buffer after the other, from `offset` on.
    ///
    /// # Errors
    /// When the host cannot write (its file system is full, say). Part of the range may be written then.
    fn write_at(&self, offset: u64, from: &[VolatileSlice<'_>]) -> io::Result<()>;

    /// Returns when every write that was completed before is on stable storage.
    ///
    /// # Errors
    /// When the host could not write something back; it may be lost.
    fn flush(&self) -> io::Result<()>;

    /// Says that the bytes in `range` are of no use any more: a hint that may be ignored.
    ///
    /// # Errors
    /// When the host tried and failed.
    fn discard(&self, range: Range<u64>) -> io::Result<()>;

    /// Makes the bytes in `range` read as zero; with `may_unmap` their space may be given back.
    ///
    /// # Errors
    /// As [`Disk::write_at`].
    fn write_zeroes(&self, range: Range<u64>, may_unmap: bool) -> io::Result<()>;
}

/// How the bytes of an image file are to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The file's bytes are the disk's bytes.
    Raw,
}

/// What is going to be done with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only read it; others may read it at the same time.
    ReadOnly,
    /// Read and write it; nobody else may have it open as a disk.
    ReadWrite,
}

/// Opens the image at `path`, whose format is `format`.
///
/// Never waits: a file that another VM holds is an error at once.
///
/// # Errors
/// [`OpenError`] names the path, the cause and a remedy.
pub fn open(path: &Path, format: Format, access: Access) -> Result<Arc<dyn Disk>, OpenError> {
    match format {
        Format::Raw => Ok(Arc::new(raw::RawDisk::open(path, access)?)),
    }
}
