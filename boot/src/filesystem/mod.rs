//! File systems of guests, read without mounting them.
//!
//! A disk's bytes are hostile: every number is checked where it is used, nothing is allocated by a size that the disk claims,
//! and every walk (directories, extents, trees, links) has a limit.
//!
//! * [`open`] tells them apart by what they have at fixed places.
//! * `tree`: paths and links, the same for all. Below it, each format is a `Reader`, in a folder of its own: ext
//!   (ext2, ext3, ext4), fat, xfs, btrfs, iso9660.
//! * `volume`: metadata, through a small cache; `mapped`: a file's bytes, read where they lie.

mod btrfs;
mod calendar;
mod ext;
mod fat;
#[cfg(any(test, feature = "test-support"))]
pub(crate) mod fuzz;
mod iso9660;
mod mapped;
mod tree;
mod volume;
mod xfs;

use std::fmt;
use std::sync::Arc;

use ovum_disk::storage::Storage;

use volume::Volume;

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

    /// What is odd about it, for people: a journal that was not replayed, say.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// The same file system with another root. What [`open`] returns begins at the top, where boot loaders' paths begin too
    /// (`/@/boot/vmlinuz`); a kernel that is told nothing begins at the default subvolume, and one that is told
    /// `rootflags=subvol=@` at that one.
    ///
    /// # Errors
    /// [`FsError::Missing`] where there is no such subvolume, and in file systems that have none; as
    /// [`FileSystem::metadata`].
    fn subvolume(&self, which: Subvolume<'_>) -> Result<Arc<dyn FileSystem>, FsError> {
        Err(FsError::Missing(format!("{which}, in a file system without subvolumes,")))
    }
}

/// A root within a btrfs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subvolume<'a> {
    /// The one that is mounted when nobody says which.
    Default,
    /// By its path from the top: `subvol=@/home`.
    Path(&'a str),
    /// By its number: `subvolid=256`; 5 is the top.
    Id(u64),
}

impl fmt::Display for Subvolume<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default subvolume"),
            Self::Path(path) => write!(f, "subvolume {path}"),
            Self::Id(id) => write!(f, "subvolume {id}"),
        }
    }
}

/// Opens the file system on `volume`. `None` if it is none that is known: another kind, a swap area, a physical volume of
/// LVM, encrypted, or nothing.
///
/// # Errors
/// [`FsError::Damaged`] when it looks like one that is known, and cannot be read; [`FsError::Io`].
pub fn open(volume: Arc<dyn Storage>) -> Result<Option<Arc<dyn FileSystem>>, FsError> {
    let volume = Arc::new(Volume::new(volume));
    // The stronger a magic is, the earlier it is asked for: ext's has two bytes, FAT has none.
    for reader in [btrfs::open, xfs::open, iso9660::open, ext::open, fat::open] {
        if let Some(found) = reader(&volume)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
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

impl FsError {
    /// What to do about it, in one line.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Missing(_) | Self::NotADirectory(_) | Self::NotAFile(_) => {
                "look at the disk with `ovum inspect --boot`"
            }
            Self::Damaged { .. } | Self::Limit(_) => {
                "check the disk with its own file system's tools, or give the kernel with --kernel and --initrd"
            }
            Self::Io(_) => "check that the image is whole with `ovum disk check`",
        }
        .to_owned()
    }
}

/// What an inode's mode says (POSIX `S_IFMT`).
fn kind_of_mode(mode: u32) -> FileKind {
    match mode & 0o170_000 {
        0o100_000 => FileKind::File,
        0o040_000 => FileKind::Directory,
        0o120_000 => FileKind::Link,
        _ => FileKind::Other,
    }
}

/// Sixteen bytes in the form that `root=UUID=` has for most file systems.
fn uuid_text(bytes: [u8; 16]) -> Option<String> {
    if bytes == [0; 16] {
        return None;
    }
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&index) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    Some(text)
}

/// A label that ends at its first zero, or is filled up with spaces. `None` if there is nothing.
fn label_text(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).trim_end().to_owned();
    Some(text).filter(|text| !text.is_empty())
}
