//! Why a disk command did not work.

use std::io;
use std::path::Path;

use ovum_disk::copy::CopyError;
use ovum_disk::{Damage, LayoutError, OpenError, OpenErrorKind};

use crate::report::Status;

/// One line of cause, one line of remedy, and the exit status.
#[derive(Debug)]
pub struct Failure {
    pub cause: String,
    pub remedy: String,
    pub status: Status,
}

impl Failure {
    /// Something that was asked for cannot be.
    pub fn usage(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { cause: cause.into(), remedy: remedy.into(), status: Status::WrongUsage }
    }

    /// Something went wrong with `path`, while `doing` something.
    pub fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        let damage = error.get_ref().is_some_and(|inner| inner.is::<Damage>());
        let remedy = match error.kind() {
            _ if damage => "check that the image was copied whole; ovum disk check says what else is wrong",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room, or write to another file system",
            _ => "check the host's storage and its kernel log",
        };
        let status = if damage { Status::WrongUsage } else { Status::HostCannot };
        Self { cause: format!("{doing} {}: {error}", path.display()), remedy: remedy.into(), status }
    }

    /// `from` could not be copied to `to`.
    pub fn copy(from: &Path, to: &Path, error: &CopyError) -> Self {
        match error {
            CopyError::Read(error) => Self::io("cannot read", from, error),
            CopyError::Write(error) => Self::io("cannot write", to, error),
        }
    }

    /// An image cannot be made at `path`.
    pub fn layout(path: &Path, error: LayoutError) -> Self {
        match error {
            LayoutError::Io(error) => Self::io("cannot write", path, &error),
            other => Self::from(OpenError::from_layout(path, other)),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let status = match error.kind() {
            OpenErrorKind::Io(_) | OpenErrorKind::NoLocks(_) => Status::HostCannot,
            _ => Status::WrongUsage,
        };
        Self { cause: error.to_string(), remedy: error.remedy(), status }
    }
}
