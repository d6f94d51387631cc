//! Why a command did not work.

use std::io;
use std::path::Path;

use ovum_disk::copy::CopyError;
use ovum_disk::{Damage, LayoutError, OpenError};

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
        let cause = |what: &str| format!("{doing} {}: {what}", path.display());
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Damage>()) {
            Some(damage) => {
                let what = damage.to_string();
                // It names the file, too: once is enough.
                let what = what.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&what);
                Self::usage(
                    cause(what),
                    "check that the image was copied whole; ovum disk check says what else is wrong",
                )
            }
            None => {
                let remedy = ovum_disk::io_remedy(error).into();
                Self { cause: cause(&error.to_string()), remedy, status: Status::HostCannot }
            }
        }
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
        let status = if error.is_the_hosts() { Status::HostCannot } else { Status::WrongUsage };
        Self { cause: error.to_string(), remedy: error.remedy(), status }
    }
}
