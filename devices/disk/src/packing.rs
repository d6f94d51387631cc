//! Images that lie in a compressed file, in one that was cut into chunks, or in both: how that is declared.
//!
//! As with formats, nothing is guessed: a guest may write gzip's magic to the front of its raw disk. The caller says how a
//! file is packed, or the ending of its name does (`disk.vmdk.gz`, `disk.img.bz2`; what is left of the name then declares
//! the format), and the bytes must confirm it. A file that the caller declared to be a raw image is not unpacked, whatever
//! it is called. A name that ends in `.000000000` is that of the first chunk of a file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use crate::storage::{Bzip2, Chunks, FileStorage, Folder, Gzip, Storage, bzip2, chunks, gzip, read_bytes};
use crate::{Access, Format, OpenError, OpenErrorKind, Topology};

/// The most that a file may unpack to where nobody declares its size, in bytes: to find it out takes minutes already.
pub const UNPACKED_LIMIT: u64 = 256 << 30;

/// How the bytes of an image are packed into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Packing {
    /// They are not.
    None,
    /// By gzip (RFC 1952).
    Gzip,
    /// By bzip2.
    Bzip2,
}

/// Name in messages and on the command line, ending of file names, first bytes.
const NAMES: [(Packing, &str, &str, &[u8]); 3] = [
    (Packing::None, "none", "", b""),
    (Packing::Gzip, "gzip", "gz", &gzip::MAGIC),
    (Packing::Bzip2, "bzip2", "bz2", &bzip2::MAGIC),
];

impl Packing {
    /// What the name of a file declares, and what is left of the name without that.
    #[must_use]
    pub fn of_name(path: &Path) -> (Self, PathBuf) {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        match NAMES.iter().find(|(_, _, of, _)| !of.is_empty() && *of == ending) {
            Some((packing, ..)) => (*packing, path.with_extension("")),
            None => (Self::None, path.to_owned()),
        }
    }

    /// The bytes that were packed into `storage` in this way. A `size` in bytes that somebody declared is trusted only as a
    /// limit; without it, all of the storage is unpacked once to see how long it is.
    ///
    /// # Errors
    /// [`OpenErrorKind::OtherPacking`] when the bytes do not confirm it; [`OpenErrorKind::Damaged`].
    pub fn unpack(self, storage: Arc<dyn Storage>, size: Option<u64>) -> Result<Arc<dyn Storage>, OpenError> {
        let name = storage.name();
        let path = Path::new(&name);
        let magic = NAMES.iter().find(|(packing, ..)| *packing == self).map_or(&b""[..], |(.., magic)| magic);
        let mut head = vec![0; magic.len()];
        if storage.size() < magic.len() as u64 {
            return Err(OpenError::new(path, OpenErrorKind::OtherPacking(self)));
        }
        read_bytes(storage.as_ref(), 0, &mut head).map_err(|error| OpenError::from_io(path, error))?;
        if head != magic {
            return Err(OpenError::new(path, OpenErrorKind::OtherPacking(self)));
        }
        let limit = size.unwrap_or(UNPACKED_LIMIT);
        let unpacked: Result<Arc<dyn Storage>, _> = match self {
            Self::None => return Ok(storage),
            Self::Gzip => Gzip::new(storage, size, limit).map(|gzip| Arc::new(gzip) as _),
            Self::Bzip2 => Bzip2::new(storage, size, limit).map(|bzip2| Arc::new(bzip2) as _),
        };
        unpacked.map_err(|error| OpenError::from_layout(path, error))
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|(packing, ..)| packing == self).map_or("", |(_, name, ..)| name))
    }
}

impl FromStr for Packing {
    type Err = UnknownPacking;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = NAMES.iter().find(|(_, name, ..)| *name == text).map(|(packing, ..)| *packing);
        found.ok_or_else(|| UnknownPacking(text.to_owned()))
    }
}

/// A packing that Ovum does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no packing {0:?}; there are {names}", names = NAMES.map(|(_, name, ..)| name).join(", "))]
pub struct UnknownPacking(String);

/// How an image is to be opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Its format; without it, its name declares it.
    pub format: Option<Format>,
    /// How it is packed; without it, its name declares it, unless the format is declared to be raw.
    pub packing: Option<Packing>,
    /// What is going to be done with it.
    pub access: Access,
    /// How many bytes it has once it is unpacked. Without it, a packed file is unpacked once to see that.
    pub unpacked_size: Option<u64>,
}

impl Options {
    /// Everything else is declared by the name.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self { format: None, packing: None, access, unpacked_size: None }
    }
}

/// A file, put together and unpacked.
pub(crate) struct Opened {
    /// The bytes of the image.
    pub storage: Arc<dyn Storage>,
    /// The name that declares the format: that of the file, without endings that say how it is packed.
    pub name: PathBuf,
    /// The units of the medium that it lies on.
    pub medium: Topology,
}

/// Whether the name of the file at `path`, whose format the caller declared or not, says that it is packed or in chunks.
pub(crate) fn is_packed(path: &Path, format: Option<Format>) -> bool {
    whole_of(path).is_some() || (format != Some(Format::Raw) && Packing::of_name(path).0 != Packing::None)
}

/// The name of the whole, if `path` is that of a first chunk.
fn whole_of(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| chunks::whole_name(name.to_str()?))
}

/// Opens the file at `path`.
pub(crate) fn open(path: &Path, options: &Options) -> Result<Opened, OpenError> {
    let whole = whole_of(path);
    let file = whole.map_or(path.to_owned(), |whole| path.with_file_name(whole));
    let (named, rest) = Packing::of_name(&file);
    let packing = match options.packing {
        Some(packing) => packing,
        // The caller says that the file's bytes are the disk's bytes.
        None if options.format == Some(Format::Raw) => Packing::None,
        None => named,
    };
    let name = if packing == named { rest } else { file };
    if options.access == Access::ReadWrite && (whole.is_some() || packing != Packing::None) {
        let what = match packing {
            Packing::None => "files that were cut into chunks are not written in place".to_owned(),
            packing => format!("files that were packed with {packing} are not written in place"),
        };
        let remedy = "attach it read-only, or with an overlay that takes the changes";
        return Err(OpenError::new(path, OpenErrorKind::Unsupported { what, remedy }));
    }
    let (storage, medium): (Arc<dyn Storage>, _) = match whole {
        Some(whole) => {
            let folder = Folder::open(path.parent().unwrap_or(Path::new("")))?;
            (Arc::new(Chunks::open(Arc::new(folder), whole, None, None)?), Topology::uniform(512))
        }
        None => {
            let file = FileStorage::open(path, options.access)?;
            let medium = file.topology();
            (Arc::new(file), medium)
        }
    };
    Ok(Opened { storage: packing.unpack(storage, options.unpacked_size)?, name, medium })
}
