//! Packages: an .ova, or an .ovf with its files beside it; read where they lie, never unpacked.
//!
//! * [`Package`]: opens one, and gives its files as [`Storage`]s.
//! * [`tar`]: where the members of an archive are.
//! * [`resemblance`]: what else a file may be, and what to do with it.
//! * [`PackageError`]: what is wrong, where, and what to do about it.
//!
//! Opening a package reads the headers of its members and the descriptor, whatever size it has. Nothing in it leads out of
//! it: not names, not links, not the files that a disk image in it names.

mod archive;
mod error;
pub(crate) mod name;
mod open;
pub mod resemblance;
pub mod tar;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ovum_disk::storage::{Chunks, Neighbours, Storage, read_bytes};
use ovum_disk::{LayoutError, OpenError, OpenErrorKind};

use archive::{ArchiveFolder, Below};
pub use error::{PackageError, PackageProblem};

use crate::ovf::appliance::FileReference;

/// The most bytes that a descriptor may have. The largest that were seen have a few hundred thousand.
pub const MAX_DESCRIPTOR: u64 = 16 << 20;
/// The most bytes that a manifest may have: a line for each of 100,000 chunks.
pub const MAX_MANIFEST: u64 = 16 << 20;
/// The most bytes that a file with a signature and certificates may have.
pub const MAX_CERTIFICATE: u64 = 1 << 20;

/// What a package is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An OVA: all files in one tar archive.
    Archive,
    /// An OVF descriptor with the other files beside it.
    Folder,
}

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path from the descriptor's folder.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

/// An open package. Nothing in it is believed but what the caller checks; see [`crate::integrity`].
#[derive(Debug)]
pub struct Package {
    path: PathBuf,
    contents: Contents,
    descriptor_name: String,
    descriptor: Vec<u8>,
}

#[derive(Debug)]
enum Contents {
    Archive(ArchiveFolder),
    Folder { neighbours: Arc<dyn Neighbours>, path: PathBuf },
}

impl Package {
    /// Opens the .ova, or the .ovf, at `path`, or the one in the folder at `path`. What it is its bytes say, not its name.
    ///
    /// # Errors
    /// [`PackageError`] with the place; also what the file is instead, where that can be seen.
    pub fn open(path: &Path) -> Result<Self, PackageError> {
        open::open(path)
    }

    /// Opens the .ova whose bytes are `storage`; it is called `path` in messages, and nothing is looked for there.
    ///
    /// # Errors
    /// As [`Package::open`].
    pub fn from_archive(path: &Path, storage: Arc<dyn Storage>) -> Result<Self, PackageError> {
        open::archive(path, storage)
    }

    /// The path that it was opened by; for a folder, that of the file in it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.contents {
            Contents::Archive(_) => Kind::Archive,
            Contents::Folder { .. } => Kind::Folder,
        }
    }

    /// The descriptor's file name.
    #[must_use]
    pub fn descriptor_name(&self) -> &str {
        &self.descriptor_name
    }

    /// The descriptor, at most [`MAX_DESCRIPTOR`] bytes.
    #[must_use]
    pub fn descriptor(&self) -> &[u8] {
        &self.descriptor
    }

    /// The file that `href` means, as it lies in the package: under that name, or under the same one with or without
    /// percent-encoding.
    ///
    /// # Errors
    /// When it is missing, or would lie elsewhere.
    pub fn storage(&self, href: &str) -> Result<Arc<dyn Storage>, PackageError> {
        self.by_any_name(href, |name| Ok(self.neighbours().open(name)?.storage))
    }

    /// The file of a reference, with its chunks put together and of the size that the descriptor states, but not unpacked.
    ///
    /// # Errors
    /// As [`Package::storage`]; also when the size differs.
    pub fn file(&self, file: &FileReference) -> Result<Arc<dyn Storage>, PackageError> {
        let href = &file.href;
        let storage = match file.chunk_size {
            None => self.storage(href)?,
            Some(_) => match self.by_any_name(href, |name| self.chunks(name, file)) {
                // Some declare a size of chunks, and cut nothing because the file is smaller.
                Err(missing) if matches!(missing.problem(), PackageProblem::NoSuchFile(_)) => {
                    self.storage(href).map_err(|_| missing)?
                }
                result => result?,
            },
        };
        match file.size {
            Some(declared) if declared != storage.size() => {
                let found = storage.size();
                Err(self.error(PackageProblem::OtherSize { href: href.clone(), declared, found }))
            }
            _ => Ok(storage),
        }
    }

    /// What a disk image beside the descriptor may name as its parent or its extents: only files of this package.
    #[must_use]
    pub fn neighbours(&self) -> Arc<dyn Neighbours> {
        match &self.contents {
            Contents::Archive(folder) => Arc::new(folder.clone()),
            Contents::Folder { neighbours, .. } => Arc::clone(neighbours),
        }
    }

    /// The same for the image that `href` means, which may lie in a folder of the package.
    #[must_use]
    pub fn neighbours_of(&self, href: &str) -> Arc<dyn Neighbours> {
        match name::split(href) {
            ("", _) => self.neighbours(),
            (here, _) => Arc::new(Below::new(self.neighbours(), here)),
        }
    }

    /// The manifest that belongs to the descriptor, with its name: `NAME.mf` beside `NAME.ovf` (DSP0243 1.1.0, 5.1).
    ///
    /// # Errors
    /// When it cannot be read, or has more than [`MAX_MANIFEST`] bytes.
    pub fn manifest(&self) -> Result<Option<(String, Vec<u8>)>, PackageError> {
        self.companion("mf", MAX_MANIFEST)
    }

    /// The signature that belongs to the descriptor, with its name: `NAME.cert` beside `NAME.ovf` (DSP0243 1.1.0, 5.1).
    ///
    /// # Errors
    /// When it cannot be read, or has more than [`MAX_CERTIFICATE`] bytes.
    pub fn certificate(&self) -> Result<Option<(String, Vec<u8>)>, PackageError> {
        self.companion("cert", MAX_CERTIFICATE)
    }

    /// The files that are there: the members of an archive by name, or what lies in the descriptor's folder itself.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn members(&self) -> Result<Vec<Member>, PackageError> {
        match &self.contents {
            Contents::Archive(folder) => {
                Ok(folder.members().map(|(name, size)| Member { name: name.to_owned(), size }).collect())
            }
            Contents::Folder { path, .. } => open::files_in(path),
        }
    }

    fn error(&self, problem: PackageProblem) -> PackageError {
        PackageError::new(&self.path, problem)
    }

    /// What `open` gives for the first of the names under which `href` may be meant.
    fn by_any_name(
        &self,
        href: &str,
        open: impl Fn(&str) -> Result<Arc<dyn Storage>, OpenError>,
    ) -> Result<Arc<dyn Storage>, PackageError> {
        if let Some(scheme) = name::scheme(href) {
            let (href, scheme) = (href.to_owned(), scheme.to_ascii_lowercase());
            return Err(self.error(PackageProblem::Remote { href, scheme }));
        }
        for name in name::candidates(href) {
            // A folder's own check takes absolute names that lead into it; a descriptor has no business with them.
            if name::resolve("", &name).is_none() {
                return Err(self.error(PackageProblem::Outside(href.to_owned())));
            }
            match open(&name) {
                Err(error) if matches!(error.kind(), OpenErrorKind::Missing) => (),
                Err(error) => return Err(self.error(file_problem(href, error))),
                Ok(storage) => return Ok(storage),
            }
        }
        Err(self.error(PackageProblem::NoSuchFile(href.to_owned())))
    }

    fn chunks(&self, name: &str, file: &FileReference) -> Result<Arc<dyn Storage>, OpenError> {
        Ok(Arc::new(Chunks::open(self.neighbours(), name, file.chunk_size, file.size)?))
    }

    /// The file of the descriptor's base name with another ending.
    fn companion(&self, ending: &str, limit: u64) -> Result<Option<(String, Vec<u8>)>, PackageError> {
        let stem = self.descriptor_name.rsplit_once('.').map_or(self.descriptor_name.as_str(), |(stem, _)| stem);
        for ending in [ending.to_owned(), ending.to_ascii_uppercase()] {
            let name = format!("{stem}.{ending}");
            match self.neighbours().open(&name) {
                Err(error) if matches!(error.kind(), OpenErrorKind::Missing) => (),
                Err(error) => return Err(self.error(file_problem(&name, error))),
                Ok(found) => {
                    let bytes =
                        read_whole(found.storage.as_ref(), &name, limit).map_err(|problem| self.error(problem))?;
                    return Ok(Some((name, bytes)));
                }
            }
        }
        Ok(None)
    }
}

/// Why a file of a package cannot be opened.
fn file_problem(href: &str, error: OpenError) -> PackageProblem {
    let href = href.to_owned();
    match error.kind() {
        OpenErrorKind::Missing => PackageProblem::NoSuchFile(href),
        OpenErrorKind::Outside => PackageProblem::Outside(href),
        OpenErrorKind::Link => PackageProblem::Link(href),
        _ => PackageProblem::File { href, error },
    }
}

/// All bytes of a small file.
fn read_whole(storage: &dyn Storage, name: &str, limit: u64) -> Result<Vec<u8>, PackageProblem> {
    let size = storage.size();
    let length = usize::try_from(size).ok().filter(|_| size <= limit);
    let length = length.ok_or_else(|| PackageProblem::TooLarge { name: name.to_owned(), size, limit })?;
    let mut bytes = vec![0; length];
    read_bytes(storage, 0, &mut bytes).map_err(|error| {
        let error = OpenError::from_layout(Path::new(&storage.name()), LayoutError::Io(error));
        PackageProblem::File { href: name.to_owned(), error }
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
