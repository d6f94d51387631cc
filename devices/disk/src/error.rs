//! Why an image could not be opened.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::SECTOR;

/// An image that could not be opened: [`fmt::Display`] is one line of cause that names the path,
/// [`OpenError::remedy`] one line of what to do.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    kind: OpenErrorKind,
}

/// What was wrong with an image.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// There is no such file.
    Missing,
    /// The host does not let this user open it.
    NoPermission,
    /// The host's file system, or the device, cannot be written.
    ReadOnlyMedium,
    /// It is neither a regular file nor a block device; the text says what it is.
    NotADisk(&'static str),
    /// Somebody else has it open in a way that excludes this access.
    Locked,
    /// It is a block device that the host's kernel keeps for somebody: a mount, another device, a program.
    Busy,
    /// The file system that it lies on has no locks, so two VMs could not be kept apart.
    NoLocks(io::Error),
    /// It holds nothing.
    Empty,
    /// Its size in bytes is not a multiple of 512.
    OddSize(u64),
    /// The host failed in some other way.
    Io(io::Error),
}

impl OpenError {
    pub(crate) fn new(path: &Path, kind: OpenErrorKind) -> Self {
        Self { path: path.to_owned(), kind }
    }

    /// Sorts a failed system call on `path`.
    pub(crate) fn from_io(path: &Path, error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => OpenErrorKind::Missing,
            io::ErrorKind::PermissionDenied => OpenErrorKind::NoPermission,
            io::ErrorKind::ReadOnlyFilesystem => OpenErrorKind::ReadOnlyMedium,
            io::ErrorKind::IsADirectory => OpenErrorKind::NotADisk("a directory"),
            io::ErrorKind::NotADirectory => OpenErrorKind::Missing,
            io::ErrorKind::ResourceBusy => OpenErrorKind::Busy,
            _ => OpenErrorKind::Io(error),
        };
        Self::new(path, kind)
    }

    /// The image's path as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was wrong.
    #[must_use]
    pub fn kind(&self) -> &OpenErrorKind {
        &self.kind
    }

    /// One line: what the user can do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        let path = self.path.display();
        match &self.kind {
            OpenErrorKind::Missing => format!("check the path, or create an empty image with: truncate -s 2G {path}"),
            OpenErrorKind::NoPermission => {
                "give this user read and write permission on the file, or attach the disk read-only".into()
            }
            OpenErrorKind::ReadOnlyMedium => {
                "attach the disk read-only, or copy it to a place that can be written".into()
            }
            OpenErrorKind::NotADisk(_) => "name a disk image file or a block device".into(),
            OpenErrorKind::Locked => {
                "stop the VM that uses it, name it once, or attach it read-only everywhere (only one VM at a time writes)"
                    .into()
            }
            OpenErrorKind::Busy => {
                "unmount it, or stop what uses it (lsblk shows mounts and devices), or attach a copy of it".into()
            }
            OpenErrorKind::NoLocks(_) => "copy the image to a file system that has locks, such as a local one".into(),
            OpenErrorKind::Empty => format!("give it a size, for example: truncate -s 2G {path}"),
            OpenErrorKind::OddSize(size) => match size.checked_next_multiple_of(SECTOR) {
                Some(round) => format!("if it is a raw image, make it whole with: truncate -s {round} {path}"),
                None => "make its size a multiple of 512 bytes".into(),
            },
            OpenErrorKind::Io(_) => "check the host's storage and its kernel log".into(),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot open disk {}: ", self.path.display())?;
        match &self.kind {
            OpenErrorKind::Missing => f.write_str("there is no such file"),
            OpenErrorKind::NoPermission => f.write_str("permission denied"),
            OpenErrorKind::ReadOnlyMedium => f.write_str("it lies on a medium that cannot be written"),
            OpenErrorKind::NotADisk(what) => write!(f, "it is {what}, not a disk image"),
            OpenErrorKind::Locked => f.write_str("it is in use (by another VM, or given twice)"),
            OpenErrorKind::Busy => {
                f.write_str("it is in use by the host: mounted, part of another device, or held by a program")
            }
            OpenErrorKind::NoLocks(error) => write!(f, "its file system cannot lock it ({error})"),
            OpenErrorKind::Empty => f.write_str("it is empty"),
            OpenErrorKind::OddSize(size) => write!(f, "its size of {size} bytes is not a multiple of {SECTOR}"),
            OpenErrorKind::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            OpenErrorKind::Io(error) | OpenErrorKind::NoLocks(error) => Some(error),
            _ => None,
        }
    }
}
