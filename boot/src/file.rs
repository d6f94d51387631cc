//! Opening the files that a boot is made of, and saying plainly why one cannot be used.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use thiserror::Error;

/// Why a path does not lead to bytes that can be read at any offset.
#[derive(Debug, Error)]
pub enum FileProblem {
    /// Nothing is there.
    #[error("there is no such file")]
    Missing,
    /// The file or a folder on the way to it is closed to this user.
    #[error("permission to read it is denied")]
    NoPermission,
    /// It is a folder.
    #[error("it is a folder, not a file")]
    Folder,
    /// A pipe, a socket or a device.
    #[error("it is neither a file nor a link to one")]
    NotAFile,
    /// It holds no bytes.
    #[error("the file is empty")]
    Empty,
    /// The system failed in some other way.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl FileProblem {
    /// One line that says what to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Missing => "check the path; a relative one starts at the current folder",
            Self::NoPermission => "make the file readable for this user (chmod a+r), or run as a user who may read it",
            Self::Folder => "give the path of a file in that folder",
            Self::NotAFile => "save it to a file first and give the path of that",
            Self::Empty => "fetch or build the file again; it was probably cut off while it was written",
            Self::Io(_) => "check the disk or the network share that the file lies on",
        }
        .to_owned()
    }

    fn from_io(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::Missing,
            ErrorKind::PermissionDenied => Self::NoPermission,
            _ => Self::Io(error),
        }
    }
}

/// Opens a file that is not empty; gives it with its length in bytes.
///
/// Folders, pipes and devices are refused before they are opened, as opening a pipe would wait for its other end.
pub(crate) fn open(path: &Path) -> Result<(File, u64), FileProblem> {
    let kind = fs::metadata(path).map_err(FileProblem::from_io)?;
    if kind.is_dir() {
        return Err(FileProblem::Folder);
    }
    if !kind.is_file() {
        return Err(FileProblem::NotAFile);
    }
    let file = File::open(path).map_err(FileProblem::from_io)?;
    let length = file.metadata().map_err(FileProblem::from_io)?.len();
    if length == 0 {
        return Err(FileProblem::Empty);
    }
    Ok((file, length))
}
