//! Disk images as a flat range of bytes, read and written in place; knows no virtio.
//!
//! * [`Disk`]: what a device needs of a disk: read, write, flush, discard, all at byte offsets.
//! * [`open`]: from a path to an [`Image`], which is a [`Disk`].
//! * [`storage`]: where an image's bytes lie: a file, a part of one, something that unpacks them; and the folder that is the
//!   only place its other files come from.
//! * [`packing`]: images in compressed files and in files that were cut into chunks, read where they lie.
//! * [`image`]: a format is a [`Layout`](image::layout::Layout), a map from the disk's bytes to those of storages; an
//!   [`Image`] is a layout and what is below it, and does all that formats have in common.
//! * [`engine`]: requests in flight, for a device that must not wait for its disk.
//! * [`raw`], [`vmdk`], [`qcow2`], [`vhd`], [`vhdx`], [`vdi`]: the formats, each in a folder of its own.
//! * [`write`]: making a new image; [`mod@copy`]: from one to another.
//! * [`check`]: looking for what is wrong with an image.
//! * [`OpenError`]: why an image could not be opened, and what to do about it.
//!
//! Buffers are [`VolatileSlice`]s: guest memory is read and written in place, with no copy in between. Everything in a file
//! may have been made by an enemy: tables are read as they are needed ([`image::tables`]), never allocated by what a header
//! claims, and each number is checked where it is used.

mod buffers;
pub mod check;
pub mod copy;
pub mod engine;
mod error;
mod format;
#[cfg(any(test, feature = "test-support"))]
pub mod fuzz;
pub mod image;
mod lock;
mod open;
pub mod overlay;
pub mod packing;
mod plain;
pub mod qcow2;
pub mod raw;
mod resize;
pub mod storage;
mod sys;
mod topology;
pub mod vdi;
pub mod vhd;
pub mod vhdx;
pub mod vmdk;
pub mod write;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use vm_memory::VolatileSlice;

pub use error::{Damage, LayoutError, OpenError, OpenErrorKind, io_remedy};
pub use format::{Format, UnknownFormat};
pub use image::Image;
pub use open::{
    MAX_DEPTH, is_changed_in_place, open, open_above, open_storage, open_storage_above, open_with, settle_format,
};
pub use packing::{Options, Packing};
pub use plain::PlainRun;
pub use resize::resize;
pub use topology::Topology;

/// The unit in which every disk is measured, in bytes.
pub const SECTOR: u64 = 512;

/// A disk: `size` bytes that can be read and, if it is not read-only, written.
///
/// All offsets and lengths are in bytes. A range that ends past [`Disk::size`] is refused with
/// [`io::ErrorKind::InvalidInput`] and nothing is done; so is a change of a read-only disk, with
/// [`io::ErrorKind::ReadOnlyFilesystem`]. Calls may come from several threads at a time.
pub trait Disk: Send + Sync {
    /// The disk's length in bytes: a multiple of [`SECTOR`].
    fn size(&self) -> u64;

    /// The units in which the disk likes to be used.
    fn topology(&self) -> Topology {
        Topology::uniform(512)
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

    /// Where the bytes in `range` lie, if reading them there is all that [`Disk::read_at`] would do: runs that together are
    /// as long as the range. `None` where more has to be done, or the runs would be many.
    ///
    /// # Errors
    /// As [`Disk::read_at`].
    fn plain_read(&self, range: Range<u64>) -> io::Result<Option<Vec<PlainRun>>> {
        let _ = range;
        Ok(None)
    }

    /// As [`Disk::plain_read`], for [`Disk::write_at`]; each run is in a file.
    ///
    /// # Errors
    /// As [`Disk::write_at`].
    fn plain_write(&self, range: Range<u64>) -> io::Result<Option<Vec<PlainRun>>> {
        let _ = range;
        Ok(None)
    }

    /// The file whose `fdatasync` is all that [`Disk::flush`] does.
    fn plain_flush(&self) -> Option<Arc<File>> {
        None
    }
}

/// What is going to be done with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only read it; others may read it at the same time.
    ReadOnly,
    /// Read and write it; nobody else may have it open as a disk.
    ReadWrite,
}
