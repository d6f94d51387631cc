//! Why an image could not be opened.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::packing::Packing;
use crate::storage::Storage;
use crate::{Format, SECTOR};

/// An image that could not be opened: [`fmt::Display`] is one line of cause that names the path,
/// [`OpenError::remedy`] one line of what to do.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    kind: OpenErrorKind,
}

/// A field of an image that cannot be: where it stands and what is wrong with it.
///
/// Also the inner error of an [`io::Error`] of kind [`io::ErrorKind::InvalidData`], where an image turns out to be damaged
/// only when it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file, or member of an archive.
    pub file: String,
    /// Where the field is in it, in bytes.
    pub offset: u64,
    /// The field, by the name that the format's specification gives it.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl Damage {
    /// `field` at `offset` in `storage` has a `problem`.
    pub fn new(storage: &dyn Storage, offset: u64, field: &'static str, problem: impl Into<String>) -> Self {
        Self { file: storage.name(), offset, field, problem: problem.into() }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} at byte {}: {}", self.file, self.field, self.offset, self.problem)
    }
}

impl std::error::Error for Damage {}

impl From<Damage> for io::Error {
    fn from(damage: Damage) -> Self {
        Self::new(io::ErrorKind::InvalidData, damage)
    }
}

/// Why a format cannot make sense of an image.
#[derive(Debug)]
pub enum LayoutError {
    /// A field that cannot be.
    Damaged(Damage),
    /// Something that the format allows and Ovum does not read.
    Unsupported {
        /// What it is.
        what: String,
        /// What the user can do.
        remedy: &'static str,
    },
    /// The host could not read.
    Io(io::Error),
    /// Another file of the image.
    Neighbour(Box<OpenError>),
}

impl From<Damage> for LayoutError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

impl From<io::Error> for LayoutError {
    fn from(error: io::Error) -> Self {
        // Tables are read by the same code while an image is opened and later.
        match error.downcast::<Damage>() {
            Ok(damage) => Self::Damaged(damage),
            Err(error) => Self::Io(error),
        }
    }
}

impl From<OpenError> for LayoutError {
    fn from(error: OpenError) -> Self {
        Self::Neighbour(Box::new(error))
    }
}

/// What was wrong with an image.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// There is no such file.
    Missing,
    /// The host does not let this user open it.
    NoPermission,
    /// The host does not let this user make a file in that folder.
    NoFolderPermission,
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
    /// Something has this name already.
    Exists,
    /// The folder that it should be made in is not there.
    NoFolder,
    /// It is a symbolic link, and an image named it: those are not followed.
    Link,
    /// An image names a file outside of the folder or package that was opened.
    Outside,
    /// The bytes are not those of the format that was declared.
    OtherFormat {
        /// What was declared.
        declared: Format,
        /// What the bytes say, where they say something.
        found: Option<Format>,
    },
    /// The bytes were not packed in the way that was declared.
    OtherPacking(Packing),
    /// Nobody said what the format is, and the bytes do not.
    Undeclared,
    /// A field of the image cannot be.
    Damaged(Damage),
    /// The image uses something that Ovum does not read or write.
    Unsupported {
        /// What it is.
        what: String,
        /// What the user can do.
        remedy: &'static str,
    },
    /// The image below it is not the one that it was made on.
    OtherParent {
        /// The parent's name.
        parent: String,
    },
    /// There is no image below it, and one was given.
    StandsAlone,
    /// The chain of parents comes back to itself, or is longer than any that is made on purpose.
    EndlessChain,
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
            io::ErrorKind::AlreadyExists => OpenErrorKind::Exists,
            io::ErrorKind::ResourceBusy => OpenErrorKind::Busy,
            _ => OpenErrorKind::Io(error),
        };
        Self::new(path, kind)
    }

    /// An image names `name`, which is not beside it.
    #[must_use]
    pub fn outside(name: &str) -> Self {
        Self::new(Path::new(name), OpenErrorKind::Outside)
    }

    /// What a format says of the image at `path`.
    #[must_use]
    pub fn from_layout(path: &Path, error: LayoutError) -> Self {
        let kind = match error {
            LayoutError::Damaged(damage) => OpenErrorKind::Damaged(damage),
            LayoutError::Unsupported { what, remedy } => OpenErrorKind::Unsupported { what, remedy },
            LayoutError::Io(error) => return Self::from_io(path, error),
            LayoutError::Neighbour(error) => return *error,
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

    /// What was wrong, for keeps.
    #[must_use]
    pub fn into_kind(self) -> OpenErrorKind {
        self.kind
    }

    /// The image at `path` holds nothing.
    #[must_use]
    pub fn empty(path: &Path) -> Self {
        Self::new(path, OpenErrorKind::Empty)
    }

    /// Whether the host is to blame, and not what was asked for.
    #[must_use]
    pub fn is_the_hosts(&self) -> bool {
        use OpenErrorKind::{Io, NoFolderPermission, NoLocks, NoPermission};
        matches!(self.kind, Io(_) | NoLocks(_) | NoPermission | NoFolderPermission)
    }

    /// One line: what the user can do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match &self.kind {
            OpenErrorKind::Missing => {
                "check the path, and that all files of the image are there; ovum disk create makes an empty image".into()
            }
            OpenErrorKind::NoPermission => {
                "give this user read and write permission on the file, or attach the disk read-only".into()
            }
            OpenErrorKind::NoFolderPermission => {
                "give this user write permission on the folder, or name a file in another one".into()
            }
            OpenErrorKind::ReadOnlyMedium => {
                "attach the disk read-only, or copy it to a place that can be written".into()
            }
            OpenErrorKind::NotADisk(_) => "name a disk image file or a block device".into(),
            OpenErrorKind::Locked => {
                "stop what uses it, name it once, or attach it read-only everywhere (only one program at a time writes)".into()
            }
            OpenErrorKind::Busy => {
                "unmount it, or stop what uses it (lsblk shows mounts and devices), or attach a copy of it".into()
            }
            OpenErrorKind::NoLocks(_) => "copy the image to a file system that has locks, such as a local one".into(),
            OpenErrorKind::Empty => "check that it was copied whole; ovum disk create makes an image of any size".into(),
            OpenErrorKind::OddSize(size) => match size.checked_next_multiple_of(SECTOR) {
                Some(round) => format!("if it is a raw image, make it whole with: truncate -s {round} {}", self.path.display()),
                None => "make its size a multiple of 512 bytes".into(),
            },
            OpenErrorKind::NoFolder => "make the folder first, or check the path".into(),
            OpenErrorKind::Exists => "give a name that is free: nothing is replaced".into(),
            OpenErrorKind::Link => "put the file itself in that place".into(),
            OpenErrorKind::Outside => {
                "if you trust where it comes from, name it yourself (ovum disk: with --base; ovum run: as the disk, with the \
                 image as its overlay), or put it into the folder of that image"
                    .into()
            }
            OpenErrorKind::OtherFormat { found: Some(found), .. } => {
                format!("if you trust where it comes from, say its format: {}", saying(*found))
            }
            OpenErrorKind::OtherFormat { found: None, .. } => "check that it was copied whole, or say its format".into(),
            OpenErrorKind::OtherPacking(_) => {
                "check that it was copied whole; if it is not packed, take that ending off its name".into()
            }
            OpenErrorKind::Undeclared => {
                if is_later_chunk(&self.path) {
                    return "name the first chunk, which ends in .000000000".into();
                }
                let raw = saying(Format::Raw);
                format!("if its bytes are the disk's bytes, say so: {raw} (formats: {})", Format::names())
            }
            OpenErrorKind::Damaged(_) => "check that it was copied whole; if it was, get it anew from its maker".into(),
            OpenErrorKind::Unsupported { remedy, .. } => (*remedy).into(),
            OpenErrorKind::OtherParent { .. } => {
                "get the parent that belongs to it: one that was changed after the image was made is of no use".into()
            }
            OpenErrorKind::StandsAlone => "use it by itself: without --base, or as the --disk".into(),
            OpenErrorKind::EndlessChain => "get it anew from its maker: there is no end to read from".into(),
            OpenErrorKind::Io(error) => io_remedy(error).into(),
        }
    }
}

/// How a user says that an image is of a format.
fn saying(format: Format) -> String {
    format!("format={format} with --disk, --format {format} with ovum disk")
}

/// Whether a file's name is that of a chunk; the first one is found before anybody asks.
fn is_later_chunk(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    ending.len() == 9 && ending.bytes().all(|digit| digit.is_ascii_digit())
}

/// What to do about a host that could not read or write.
#[must_use]
pub fn io_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room, or write to another file system",
        io::ErrorKind::FileTooLarge => "take a smaller size, or a file system that holds such files",
        _ => "check the host's storage and its kernel log",
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disk {}: ", self.path.display())?;
        match &self.kind {
            OpenErrorKind::Missing => f.write_str("there is no such file"),
            OpenErrorKind::NoPermission => f.write_str("permission denied"),
            OpenErrorKind::NoFolderPermission => f.write_str("permission denied to make it in its folder"),
            OpenErrorKind::ReadOnlyMedium => f.write_str("it lies on a medium that cannot be written"),
            OpenErrorKind::NotADisk(what) => write!(f, "it is {what}, not a disk image"),
            OpenErrorKind::Locked => f.write_str("it is in use (by another VM or program, or given twice)"),
            OpenErrorKind::Busy => {
                f.write_str("it is in use by the host: mounted, part of another device, or held by a program")
            }
            OpenErrorKind::NoLocks(error) => write!(f, "its file system cannot lock it ({error})"),
            OpenErrorKind::Empty => f.write_str("it is empty"),
            OpenErrorKind::OddSize(size) => write!(f, "its size of {size} bytes is not a multiple of {SECTOR}"),
            OpenErrorKind::NoFolder => f.write_str("the folder that it should be made in is not there"),
            OpenErrorKind::Exists => f.write_str("it exists already"),
            OpenErrorKind::Link => f.write_str("an image names it, and it is a symbolic link"),
            OpenErrorKind::Outside => {
                f.write_str("an image names it, and it is outside of the image's folder or package")
            }
            OpenErrorKind::OtherFormat { declared, found: Some(found) } => {
                write!(f, "it is declared to be {declared}, and its bytes are those of {found}")
            }
            OpenErrorKind::OtherFormat { declared, found: None } => {
                write!(f, "it is declared to be {declared}, and its bytes are not")
            }
            OpenErrorKind::OtherPacking(packing) => {
                write!(f, "it is declared to be packed with {packing}, and its bytes are not")
            }
            OpenErrorKind::Undeclared => f.write_str("nothing says what its format is"),
            OpenErrorKind::Damaged(damage) if Path::new(&damage.file) == self.path => {
                write!(f, "{} at byte {}: {}", damage.field, damage.offset, damage.problem)
            }
            OpenErrorKind::Damaged(damage) => write!(f, "{damage}"),
            OpenErrorKind::Unsupported { what, .. } => f.write_str(what),
            OpenErrorKind::OtherParent { parent } => {
                write!(f, "the image below it, {parent}, is not the one that it was made on")
            }
            OpenErrorKind::StandsAlone => f.write_str("it stands alone: nothing is below it"),
            OpenErrorKind::EndlessChain => f.write_str("the images below it have no end"),
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
