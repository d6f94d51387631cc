//! File systems of guests, read without mounting them.
//!
//! A disk's bytes are hostile: every number is checked where it is used, nothing is allocated by a size that the disk claims,
//! and every walk (directories, extents, trees, links) has a limit.

use std::fmt;
use std::sync::Arc;

use ovum_disk::storage::Storage;

/// A file system on a volume, only read. Paths are absolute, with `/` between names; links in them are followed, within this
/// file system only, up to [`MAX_LINKS`] of them.
pub trait FileSystem: Send + Sync + fmt::Debug {
    /// What it is, as blkid calls it: `ext4`, `vfat`, `xfs`, `btrfs`, `iso9660`.
    fn kind(&self) -> &'static str;

    /// Its UUID or serial number, in the form that `root=UUID=` has it.
    fn uuid(&self) -> Option<String>;

    /// Its label.
    fn label(&self) -> Option<String>;

    /// What is at `path`.
    ///
    /// # Errors
    /// [`FsError::Missing`]; [`FsError::Damaged`]; [`FsError::Io`].
    fn metadata(&self, path: &str) -> Result<Metadata, FsError>;

    /// The names in the directory at `path`, at most [`MAX_ENTRIES`], without `.` and `..`, in no particular order.
    ///
    /// # Errors
    /// As [`FileSystem::metadata`]; [`FsError::NotADirectory`].
    fn read_dir(&self, path: &str) -> Result<Vec<DirEntry>, FsError>;

    /// The file at `path`, to be read where it lies.
    ///
    /// # Errors
    /// As [`FileSystem::metadata`]; [`FsError::NotAFile`].
    fn open(&self, path: &str) -> Result<Arc<dyn Storage>, FsError>;
}

/// The most symbolic links that one path may lead through.
pub const MAX_LINKS: usize = 16;

/// The most names that are read of one directory.
pub const MAX_ENTRIES: usize = 65_536;

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// What it is, links followed.
    pub kind: FileKind,
    /// Its length in bytes.
    pub len: u64,
    /// When it was changed last, in seconds since 1970, where the file system knows.
    pub modified: i64,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Bytes.
    File,
    /// Names.
    Directory,
    /// Another path; only in directory listings.
    Link,
    /// A device, a pipe, a socket.
    Other,
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name; bytes that are no UTF-8 are replaced.
    pub name: String,
    /// What it stands for, links not followed.
    pub kind: FileKind,
}

/// Why something in a file system cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FsError {
    /// There is nothing of that name.
    #[error("{0} is not there")]
    Missing(String),
    /// It is no directory.
    #[error("{0} is no directory")]
    NotADirectory(String),
    /// It is no file.
    #[error("{0} is no file")]
    NotAFile(String),
    /// The file system says what cannot be, or needs what is not known.
    #[error("{what} at byte {offset:#x} of {volume}")]
    Damaged {
        /// The volume.
        volume: String,
        /// Where on it, in bytes.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// A limit was reached: links, names, depth.
    #[error("{0}")]
    Limit(String),
    /// The disk cannot be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
