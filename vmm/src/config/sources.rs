//! Where the bytes of a machine come from: files, members of packages, memory.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ovum_disk::storage::Storage;
use ovum_disk::{Format, Image};

/// A kernel or an initramfs.
#[derive(Debug, Clone)]
pub enum BootFile {
    /// A file.
    Path(PathBuf),
    /// Bytes that somebody has opened already: the member of a package.
    Storage(Arc<dyn Storage>),
}

impl BootFile {
    /// Its name in messages.
    pub fn name(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Storage(storage) => storage.name(),
        }
    }
}

impl From<PathBuf> for BootFile {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<&Path> for BootFile {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskConfig {
    /// Where its bytes come from.
    pub source: DiskSource,
    /// Where a guest's writes go.
    pub writes: Writes,
}

impl DiskConfig {
    /// The image at `path`, with everything else as by default.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::of(DiskSource::File { path: path.into(), format: None })
    }

    /// A disk from `source`, with everything else as by default.
    pub fn of(source: DiskSource) -> Self {
        Self { source, writes: Writes::ByFormat }
    }

    /// The same, whose image is of this format, whatever the ending of its name says. It means something for files only.
    #[must_use]
    pub fn with_format(mut self, declared: Format) -> Self {
        if let DiskSource::File { format, .. } = &mut self.source {
            *format = Some(declared);
        }
        self
    }
}

/// Where the bytes of a disk come from.
#[derive(Debug, Clone)]
pub enum DiskSource {
    /// An image file, or a block device.
    File {
        /// Its path.
        path: PathBuf,
        /// The format of the image, where the ending of its name does not declare it.
        format: Option<Format>,
    },
    /// An image that somebody has opened already, to be read only: the member of a package.
    Image {
        /// The image.
        image: Arc<Image>,
        /// By what name it is known in messages, and to overlays above it: the path of a file, where it lies in one as it
        /// is; else a path that leads to no file, `PACKAGE#MEMBER`.
        name: PathBuf,
    },
    /// Nothing but zeroes.
    Empty {
        /// Its size in bytes, a multiple of 512.
        size: u64,
        /// Its name in messages.
        name: String,
    },
    /// An image in memory, whose bytes are the disk's bytes.
    Bytes {
        /// The bytes.
        bytes: Arc<[u8]>,
        /// Its name in messages.
        name: String,
    },
}

impl fmt::Display for DiskSource {
    /// The name in messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path: name, .. } | Self::Image { name, .. } => write!(f, "{}", name.display()),
            Self::Empty { name, .. } | Self::Bytes { name, .. } => f.write_str(name),
        }
    }
}

impl PartialEq for DiskSource {
    /// An opened image is equal to itself alone.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File { path, format }, Self::File { path: other, format: format2 }) => {
                path == other && format == format2
            }
            (Self::Image { image, .. }, Self::Image { image: other, .. }) => Arc::ptr_eq(image, other),
            (Self::Empty { size, name }, Self::Empty { size: size2, name: name2 }) => size == size2 && name == name2,
            (Self::Bytes { bytes, name }, Self::Bytes { bytes: bytes2, name: name2 }) => {
                bytes == bytes2 && name == name2
            }
            _ => false,
        }
    }
}

impl Eq for DiskSource {}

/// Where a guest's writes to a disk go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writes {
    /// To the image, if it is a file of a format that is changed in place (raw, qcow2); bytes in memory are read only; all
    /// else is discarded.
    ByFormat,
    /// Nowhere: the guest may only read.
    Refused,
    /// To a layer above the image that is gone when the machine ends.
    Discarded,
    /// To this overlay above the image, which is made if it is not there.
    Overlay(PathBuf),
}
