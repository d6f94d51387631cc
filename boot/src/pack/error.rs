//! Why a package could not be made, and what to do about it.

use std::fmt;
use std::io;

use ovum_disk::storage::Storage;
use ovum_disk::{Damage, OpenError, io_remedy};

/// A package that was not made.
#[derive(Debug)]
pub enum PackError {
    /// What was asked for cannot be.
    Recipe {
        /// One line.
        cause: String,
        /// One line.
        remedy: String,
    },
    /// Something that goes into the package cannot be read.
    Read {
        /// The file.
        what: String,
        /// What the host, or the image's format, says.
        error: io::Error,
    },
    /// The package cannot be written.
    Write {
        /// The file of the package.
        what: String,
        /// What the host says.
        error: io::Error,
    },
    /// The new file, or a disk in it, cannot be made.
    Disk(OpenError),
}

impl PackError {
    pub(super) fn recipe(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Recipe { cause: cause.into(), remedy: remedy.into() }
    }

    pub(super) fn write(to: &dyn Storage, error: io::Error) -> Self {
        Self::Write { what: to.name(), error }
    }

    /// Whether the host is to blame, and not what was asked for.
    #[must_use]
    pub fn is_the_hosts(&self) -> bool {
        match self {
            Self::Recipe { .. } => false,
            Self::Read { error, .. } => damage(error).is_none(),
            Self::Write { .. } => true,
            Self::Disk(error) => error.is_the_hosts(),
        }
    }

    /// One line: what the user can do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Recipe { remedy, .. } => remedy.clone(),
            Self::Read { error, .. } if damage(error).is_some() => {
                "check that the image was copied whole; ovum disk check says what else is wrong".into()
            }
            Self::Read { error, .. } | Self::Write { error, .. } => io_remedy(error).into(),
            Self::Disk(error) if matches!(error.kind(), ovum_disk::OpenErrorKind::Exists) => {
                "give a name that is free, or say --force to replace the package that is there".into()
            }
            Self::Disk(error) => error.remedy(),
        }
    }
}

/// What a format says is wrong with an image.
fn damage(error: &io::Error) -> Option<&Damage> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recipe { cause, .. } => f.write_str(cause),
            Self::Read { error, what } => match damage(error) {
                // It names the file itself.
                Some(damage) => write!(f, "cannot read {damage}"),
                None => write!(f, "cannot read {what}: {error}"),
            },
            Self::Write { what, error } => write!(f, "cannot write {what}: {error}"),
            Self::Disk(error) if matches!(error.kind(), ovum_disk::OpenErrorKind::Exists) => {
                write!(f, "{} exists already", error.path().display())
            }
            Self::Disk(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for PackError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Recipe { .. } => None,
            Self::Read { error, .. } | Self::Write { error, .. } => Some(error),
            Self::Disk(error) => Some(error),
        }
    }
}

impl From<OpenError> for PackError {
    fn from(error: OpenError) -> Self {
        Self::Disk(error)
    }
}
