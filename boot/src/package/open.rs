//! From a path to a package: what lies there, and which file of it is the descriptor.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ovum_disk::storage::{FileStorage, Folder, Neighbours, Storage};
use ovum_disk::{Access, LayoutError, OpenError};

use super::archive::{Archive, ArchiveFolder};
use super::resemblance::{self, Kind};
use super::tar::{self, MAX_MEMBERS, TarError, TarProblem};
use super::{Contents, MAX_DESCRIPTOR, Member, Package, PackageError, PackageProblem, file_problem, name, read_whole};

/// See [`Package::open`].
pub(super) fn open(path: &Path) -> Result<Package, PackageError> {
    if path.is_dir() {
        return in_folder(path);
    }
    let tell = |problem| PackageError::new(path, problem);
    let storage = FileStorage::open(path, Access::ReadOnly).map_err(|error| tell(PackageProblem::Closed(error)))?;
    let storage: Arc<dyn Storage> = Arc::new(storage);
    let io_error = |error| tell(PackageProblem::Closed(OpenError::from_layout(path, LayoutError::Io(error))));
    if tar::is_tar(storage.as_ref()).map_err(io_error)? {
        return archive(path, storage);
    }
    if storage.size() == 0 {
        return Err(tell(PackageProblem::Closed(OpenError::empty(path))));
    }
    match resemblance::kind(storage.as_ref()).map_err(io_error)? {
        Kind::Xml => descriptor(path, storage.as_ref()),
        // What begins as an archive does and is none has been damaged.
        Kind::Other(None) if tar::has_magic(storage.as_ref()).map_err(io_error)? => {
            Err(tell(PackageProblem::Archive(TarError { member: None, offset: 0, problem: TarProblem::Checksum })))
        }
        Kind::Other(resemblance) => Err(tell(PackageProblem::NotAPackage(resemblance))),
    }
}

/// The package whose bytes are `storage`, a tar archive.
pub(super) fn archive(path: &Path, storage: Arc<dyn Storage>) -> Result<Package, PackageError> {
    let tell = |problem| PackageError::new(path, problem);
    let archive = Archive::read(storage).map_err(|error| tell(PackageProblem::Archive(error)))?;
    let archive = Arc::new(archive);
    let descriptors = archive.entries().iter().map(|entry| entry.name.as_str());
    let descriptor = the_descriptor(descriptors).map_err(tell)?.to_owned();
    // Some archives hold a folder that holds it all.
    let (here, descriptor_name) = name::split(&descriptor);
    let folder = ArchiveFolder::new(Arc::clone(&archive), here);
    let found = folder.open(descriptor_name).map_err(|error| tell(file_problem(&descriptor, error)))?;
    let bytes = read_whole(found.storage.as_ref(), &descriptor, MAX_DESCRIPTOR).map_err(tell)?;
    Ok(Package {
        path: path.to_owned(),
        contents: Contents::Archive(folder),
        descriptor_name: descriptor_name.to_owned(),
        descriptor: bytes,
    })
}

/// The package whose descriptor is `storage`, a file at `path`.
fn descriptor(path: &Path, storage: &dyn Storage) -> Result<Package, PackageError> {
    let tell = |problem| PackageError::new(path, problem);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let descriptor = read_whole(storage, &name, MAX_DESCRIPTOR).map_err(tell)?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let neighbours = Folder::open(folder).map_err(|error| tell(PackageProblem::Closed(error)))?;
    let contents = Contents::Folder { neighbours: Arc::new(neighbours), path: folder.to_owned() };
    Ok(Package { path: path.to_owned(), contents, descriptor_name: name, descriptor })
}

/// The package in the folder at `path`: the one .ovf, or without any the one .ova.
fn in_folder(path: &Path) -> Result<Package, PackageError> {
    let tell = |problem| PackageError::new(path, problem);
    let names = names_in(path)?;
    let of_ending = |ending| names.iter().map(String::as_str).filter(move |name| name::has_ending(name, ending));
    let mut archives = of_ending("ova");
    if of_ending("ovf").next().is_none()
        && let Some(first) = archives.next()
    {
        return match archives.next() {
            Some(second) => Err(tell(PackageProblem::ManyDescriptors(first.to_owned(), second.to_owned()))),
            None => open(&path.join(first)),
        };
    }
    let name = the_descriptor(of_ending("ovf")).map_err(tell)?;
    // Links in a folder are not followed: it may have been unpacked from an archive that somebody sent.
    let folder = Folder::open(path).map_err(|error| tell(PackageProblem::Closed(error)))?;
    let found = folder.open(name).map_err(|error| tell(file_problem(name, error)))?;
    if found.storage.size() == 0 {
        return Err(PackageError::new(&path.join(name), PackageProblem::Closed(OpenError::empty(&path.join(name)))));
    }
    let io_error = |error| tell(PackageProblem::Closed(OpenError::from_layout(path, LayoutError::Io(error))));
    match resemblance::kind(found.storage.as_ref()).map_err(io_error)? {
        Kind::Xml => descriptor(&path.join(name), found.storage.as_ref()),
        Kind::Other(resemblance) => Err(PackageError::new(&path.join(name), PackageProblem::NotAPackage(resemblance))),
    }
}

/// The one descriptor among the names of files: of several, the one that is in no folder.
fn the_descriptor<'n>(names: impl Iterator<Item = &'n str>) -> Result<&'n str, PackageProblem> {
    let mut found: Option<&str> = None;
    let mut second = None;
    let depth = |name: &str| name.matches('/').count();
    for name in names.filter(|name| name::has_ending(name, "ovf")) {
        match found {
            Some(other) if depth(other) < depth(name) => (),
            Some(other) if depth(other) == depth(name) => second = second.or(Some(name)),
            _ => (found, second) = (Some(name), None),
        }
    }
    match (found, second) {
        (Some(one), Some(other)) => Err(PackageProblem::ManyDescriptors(one.to_owned(), other.to_owned())),
        (Some(name), None) => Ok(name),
        (None, _) => Err(PackageProblem::NoDescriptor),
    }
}

/// Sorted names of all that is in a folder and is not itself a folder. Names that are not UTF-8 are none that a descriptor
/// could have.
fn names_in(path: &Path) -> Result<Vec<String>, PackageError> {
    let io_error = |error| {
        let error = OpenError::from_layout(path, LayoutError::Io(error));
        PackageError::new(path, PackageProblem::Closed(error))
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(io_error)? {
        let entry = entry.map_err(io_error)?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if let (false, Ok(name)) = (is_folder, entry.file_name().into_string()) {
            names.push(name);
        }
        if names.len() > MAX_MEMBERS {
            return Err(PackageError::new(path, PackageProblem::TooManyFiles(MAX_MEMBERS)));
        }
    }
    names.sort();
    Ok(names)
}

/// The plain files in a folder.
pub(super) fn files_in(path: &Path) -> Result<Vec<Member>, PackageError> {
    let sized = |name: String| {
        let metadata = fs::symlink_metadata(path.join(&name)).ok().filter(fs::Metadata::is_file)?;
        Some(Member { name, size: metadata.len() })
    };
    Ok(names_in(path)?.into_iter().filter_map(sized).collect())
}
