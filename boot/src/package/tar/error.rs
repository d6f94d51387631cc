//! What can be wrong with a tar archive.

use std::io;

use thiserror::Error;

/// Something wrong with an archive: what, of which member, where.
#[derive(Debug)]
pub struct TarError {
    /// The member, where its name is known.
    pub member: Option<String>,
    /// The offset of its header in the archive, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub problem: TarProblem,
}

/// What is wrong with an archive.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TarProblem {
    /// The sum over the header is not the one that stands in it.
    #[error("the header's checksum is wrong")]
    Checksum,
    /// A number is not written in any of the ways that there are.
    #[error("the header's {0} is no number")]
    NoNumber(&'static str),
    /// It reaches past the end of the archive.
    #[error("it is to have {size} bytes from byte {start} on, and the archive ends at byte {end}")]
    Truncated {
        /// Where its bytes begin.
        start: u64,
        /// How many it claims.
        size: u64,
        /// The archive's size.
        end: u64,
    },
    /// The archive ends inside a header.
    #[error("the archive ends inside of a header, at byte {end}")]
    CutHeader {
        /// The archive's size.
        end: u64,
    },
    /// The archive ends between an extended header and the member that it belongs to.
    #[error("the archive ends behind an extended header, without the member that this is for")]
    NoMember,
    /// It is a hard or symbolic link.
    #[error("it is a {0} link")]
    Link(&'static str),
    /// It is a device or a pipe.
    #[error("it is a {0}")]
    Device(&'static str),
    /// Its bytes are stored without its holes, in one of the many ways to do so.
    #[error("it is stored as a sparse file")]
    Sparse,
    /// It is of a kind that no package needs.
    #[error("it is of the unknown kind {}", shown(*.0))]
    Kind(u8),
    /// It is no file, and there are bytes after its header: readers disagree about where the next header is.
    #[error("it is {kind}, and claims {size} bytes")]
    NotEmpty {
        /// What it is.
        kind: &'static str,
        /// The bytes that it claims.
        size: u64,
    },
    /// The name is not one that may stand in a package.
    #[error("its name {0}")]
    Name(&'static str),
    /// Something of this name came before.
    #[error("a member of this name came before, at byte {0}")]
    Duplicate(u64),
    /// A record of an extended header is not as it should be.
    #[error("its extended header {0}")]
    Pax(String),
    /// There is more of something than any package needs.
    #[error("there are more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The host could not read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// A type flag as people write it.
fn shown(flag: u8) -> String {
    format!("'{}'", flag.escape_ascii())
}

impl TarProblem {
    /// One line that says what to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Truncated { .. } | Self::CutHeader { .. } | Self::NoMember => {
                "get the package again: it was probably cut off while it was copied"
            }
            Self::Checksum | Self::NoNumber(_) | Self::Pax(_) => {
                "get the package again: it is damaged, or was not made by an archiver"
            }
            Self::Link(_) | Self::Device(_) | Self::Sparse | Self::Kind(_) | Self::NotEmpty { .. } => {
                "pack it anew with plain files only: tar --format=ustar --hard-dereference -h -cf NEW.ova X.ovf ..."
            }
            Self::Name(_) => "pack it anew, from inside of the folder that holds its files",
            Self::Duplicate(_) => "pack it anew, with each file once: readers disagree about which of the two counts",
            Self::TooMany { .. } => "unpack it with tar -xf, and give the folder",
            Self::Io(_) => "check the disk or the network share that the file lies on",
        }
    }
}
