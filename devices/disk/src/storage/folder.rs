//! A folder that the caller opened: the only place that the other files of its images come from.
//!
//! Containment is by component and by descriptor, not by comparing names: a path is walked from the folder's descriptor,
//! one component at a time, and a symbolic link in any place ends the walk. `..` is resolved on the name, and may not lead
//! out.

use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::{FileStorage, Neighbour, Neighbours};
use crate::sys;
use crate::{Access, OpenError, OpenErrorKind};

/// A folder, and the place in it relative to which names are read.
#[derive(Debug, Clone)]
pub struct Folder {
    root: Arc<Root>,
    /// Below the root, without `.` and `..`.
    here: PathBuf,
}

#[derive(Debug)]
struct Root {
    directory: File,
    /// Without links, to recognise absolute names that lead into the folder.
    path: PathBuf,
}

impl Folder {
    /// Opens the folder at `path`; links on the way to it are the caller's.
    ///
    /// # Errors
    /// When it is missing, no folder, or not to be read.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let io_error = |error| OpenError::from_io(path, error);
        let directory = File::options().read(true).custom_flags(libc::O_DIRECTORY).open(path).map_err(io_error)?;
        let path = path.canonicalize().map_err(io_error)?;
        Ok(Self { root: Arc::new(Root { directory, path }), here: PathBuf::new() })
    }

    /// The components below the root that `name` means, or nothing if it leads out.
    fn resolve(&self, name: &Path) -> Option<PathBuf> {
        let mut below = self.here.clone();
        let name = if name.is_absolute() {
            below.clear();
            name.strip_prefix(&self.root.path).ok()?
        } else {
            name
        };
        for component in name.components() {
            match component {
                Component::Normal(component) => below.push(component),
                Component::CurDir => (),
                Component::ParentDir => {
                    if !below.pop() {
                        return None;
                    }
                }
                Component::RootDir | Component::Prefix(_) => return None,
            }
        }
        Some(below)
    }

    fn open_below(&self, below: &Path, shown: &Path) -> Result<File, OpenError> {
        let mut components = below.components().peekable();
        let mut at: Option<File> = None;
        while let Some(component) = components.next() {
            let name = CString::new(component.as_os_str().as_bytes())
                .map_err(|_| OpenError::new(shown, OpenErrorKind::Missing))?;
            let flags = if components.peek().is_some() { libc::O_DIRECTORY | libc::O_PATH } else { libc::O_RDONLY };
            let folder = at.as_ref().unwrap_or(&self.root.directory);
            at = Some(sys::open_in(folder, &name, flags).map_err(|error| match error.raw_os_error() {
                // A link: O_NOFOLLOW says ELOOP for the last component, ENOTDIR for those with O_DIRECTORY.
                Some(libc::ELOOP) => OpenError::new(shown, OpenErrorKind::Link),
                _ => OpenError::from_io(shown, error),
            })?);
        }
        at.ok_or_else(|| OpenError::new(shown, OpenErrorKind::NotADisk("a directory")))
    }
}

impl Neighbours for Folder {
    fn open(&self, name: &str) -> Result<Neighbour, OpenError> {
        let below = self.resolve(Path::new(name)).ok_or_else(|| OpenError::outside(name))?;
        let shown = self.root.path.join(&below);
        let file = self.open_below(&below, &shown)?;
        let storage = FileStorage::from_file(file, &shown, Access::ReadOnly)?;
        let here = below.parent().unwrap_or(Path::new("")).to_owned();
        let neighbours = Arc::new(Self { root: Arc::clone(&self.root), here });
        Ok(Neighbour { storage: Arc::new(storage), neighbours })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// `top/inside/{a,sub/b}`, with files and links outside.
    fn tree() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("inside");
        fs::create_dir_all(inside.join("sub")).unwrap();
        fs::create_dir(dir.path().join("inside-not")).unwrap();
        for name in ["inside/a", "inside/sub/b", "outside", "inside-not/c"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        symlink("../outside", inside.join("link")).unwrap();
        symlink("a", inside.join("link-to-a")).unwrap();
        symlink("/", inside.join("link-to-root")).unwrap();
        let folder = Folder::open(&inside).unwrap();
        (dir, folder)
    }

    #[test]
    fn what_is_inside_is_found_from_where_the_name_stands() {
        let (dir, folder) = tree();
        let root = dir.path().canonicalize().unwrap();
        for name in ["a", "./a", "sub/../a", root.join("inside/a").to_str().unwrap()] {
            assert_eq!(folder.open(name).unwrap().storage.size(), 8, "{name}");
        }
        let b = folder.open("sub/b").unwrap();
        assert_eq!(b.neighbours.open("b").unwrap().storage.size(), 12);
        assert_eq!(b.neighbours.open("../a").unwrap().storage.size(), 8);
    }

    #[test]
    fn nothing_outside_is_reached() {
        let (dir, folder) = tree();
        let root = dir.path().canonicalize().unwrap();
        let outside = root.join("inside-not/c");
        for name in ["../outside", "sub/../../outside", "/etc/passwd", outside.to_str().unwrap()] {
            let error = folder.open(name).unwrap_err();
            assert!(matches!(error.kind(), OpenErrorKind::Outside), "{name}: {error}");
        }
        for name in ["link", "link-to-a"] {
            assert!(matches!(folder.open(name).unwrap_err().kind(), OpenErrorKind::Link), "{name}");
        }
        for name in ["link-to-root/etc/passwd", "", ".", "sub", "nothing", "a/b", "a\0b"] {
            folder.open(name).unwrap_err();
        }
    }
}
