//! What a format is, once its header has been read: a map from the disk's bytes to those of files.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::check::Findings;
use crate::storage::Storage;

/// What stands in a range of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Nothing: what the image below has shows through, or zeroes if there is none.
    Absent,
    /// Zeroes, whatever the image below has.
    Zero,
    /// The bytes in [`Layout::storages`]`[storage]` from `offset` on.
    Stored {
        /// Which storage.
        storage: usize,
        /// Where in it, in bytes.
        offset: u64,
    },
    /// Bytes of a block that is stored compressed.
    Packed(Packed),
}

/// A block (grain, cluster) that is stored compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// Where the block begins on the disk, in bytes: at or before the place that was asked for.
    pub start: u64,
    /// How many bytes it has once unpacked: at most [`MAX_BLOCK`].
    pub len: u32,
    /// Which of [`Layout::storages`] holds it.
    pub storage: usize,
    /// Where it is there, in bytes.
    pub offset: u64,
    /// How many bytes it has there at most.
    pub packed_len: u32,
}

/// The largest block that any format may compress, in bytes: qcow2's largest cluster.
pub const MAX_BLOCK: u32 = 2 << 20;

/// A piece, and for how many bytes it goes on: at least 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What stands there.
    pub piece: Piece,
    /// For how many bytes.
    pub len: u64,
}

/// An image file (or several that make one layer): where each byte of the disk is. Calls may come from several threads.
pub trait Layout: Send + Sync + fmt::Debug {
    /// The disk's length in bytes. Any number; the end may be inside of a sector.
    fn size(&self) -> u64;

    /// The files that hold the bytes.
    fn storages(&self) -> &[Arc<dyn Storage>];

    /// What stands at `offset`, which is on the disk, and for how many bytes, up to `limit` of them. Runs should be as long
    /// as can be said without reading another table.
    ///
    /// For [`Piece::Stored`], the layout has checked that the run lies within its storage, or is content with an error from
    /// there.
    ///
    /// # Errors
    /// [`Damage`](crate::Damage), as an [`io::Error`], where a table says what cannot be; and whatever the storage says.
    fn map(&self, offset: u64, limit: u64) -> io::Result<Run>;

    /// Reads and unpacks a block that [`Layout::map`] returned: exactly `packed.len` bytes.
    ///
    /// # Errors
    /// [`Damage`](crate::Damage), as an [`io::Error`], when it does not unpack to that; and whatever the storage says.
    fn unpack(&self, packed: &Packed) -> io::Result<Vec<u8>> {
        let _ = packed;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// By what an image above this one knows it again.
    fn stamp(&self) -> Option<Stamp> {
        None
    }

    /// The unit of allocation in bytes, if there is one: a copy that is aligned to it reads no block twice.
    fn block_size(&self) -> Option<u64> {
        None
    }

    /// What a user may want to know: names and values, such as ("variant", "streamOptimized").
    fn details(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Looks for what is wrong with the tables beyond what [`Layout::map`] of the whole disk finds (such as blocks that are
    /// used twice, or lie outside of their file: those are looked for in every format).
    ///
    /// # Errors
    /// When the storage cannot be read; what is wrong goes to `findings`.
    fn check(&self, findings: &mut Findings) -> io::Result<()> {
        let _ = findings;
        Ok(())
    }
}

/// By what an image knows its parent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// VMDK's content identifier, which changes with the content.
    ContentId(u32),
    /// The UUID that VHD, VHDX (its data write GUID) and VDI carry.
    Uuid([u8; 16]),
}

/// The image below an image, as the upper one names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// Names under which it may be found, best first.
    pub names: Vec<String>,
    /// Its format, where the image declares it; else its bytes must say it.
    pub format: Option<crate::Format>,
    /// What it must carry.
    pub stamp: Option<Stamp>,
}

impl Parent {
    /// Whether the file at `base` has one of its names: files are moved together, so folders may differ, and a link is as
    /// good as what it leads to.
    pub(crate) fn is_named(&self, base: &Path) -> bool {
        let is =
            |file: Option<&OsStr>| self.names.iter().any(|name| file.is_some() && Path::new(name).file_name() == file);
        is(base.file_name()) || base.canonicalize().is_ok_and(|base| is(base.file_name()))
    }
}

/// A layer that was read, and what it says of the one below.
#[derive(Debug)]
pub struct Layer {
    /// The map.
    pub layout: Arc<dyn Layout>,
    /// The image below.
    pub parent: Option<Parent>,
}
