//! A file that has its name only once it is whole.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{FileStorage, Storage};
use crate::{Access, OpenError, OpenErrorKind, sys};

/// A file that is being written: without a name where the file system can do that, so that nothing is left of it when the
/// process is killed; else under a name that [`Drop`] takes away.
#[derive(Debug)]
pub struct NewFile {
    storage: Arc<FileStorage>,
    path: PathBuf,
    /// The name that it has until it is whole.
    draft: Option<PathBuf>,
    replaces: bool,
}

impl NewFile {
    /// Begins a file that will be called `path`, where nothing may be yet.
    ///
    /// # Errors
    /// [`OpenErrorKind::Exists`], [`OpenErrorKind::NoFolder`] and whatever the host says.
    pub fn create(path: &Path) -> Result<Self, OpenError> {
        if path.symlink_metadata().is_ok() {
            return Err(OpenError::new(path, OpenErrorKind::Exists));
        }
        Self::begin(path, false)
    }

    /// Begins a file that will be called `path`, and will take the place of the file that is there, if there is one.
    ///
    /// # Errors
    /// As [`NewFile::create`]; [`OpenErrorKind::Exists`] for what is no file.
    pub fn replace(path: &Path) -> Result<Self, OpenError> {
        if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(OpenError::new(path, OpenErrorKind::Exists));
        }
        Self::begin(path, true)
    }

    fn begin(path: &Path, replaces: bool) -> Result<Self, OpenError> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            return Err(OpenError::new(path, OpenErrorKind::NoFolder));
        }
        let unnamed = OpenOptions::new().read(true).write(true).custom_flags(libc::O_TMPFILE).open(folder);
        let (storage, draft) = match unnamed {
            Ok(file) => (FileStorage::from_file(file, path, Access::ReadWrite)?, None),
            // Not every file system has files without a name; what else is wrong with the folder shows at once.
            Err(_) => {
                let draft = if replaces { draft_of(path) } else { path.to_owned() };
                match FileStorage::create(&draft) {
                    Err(error) if matches!(error.kind(), OpenErrorKind::NoPermission) => {
                        return Err(OpenError::new(path, OpenErrorKind::NoFolderPermission));
                    }
                    file => (file?, Some(draft)),
                }
            }
        };
        Ok(Self { storage: Arc::new(storage), path: path.to_owned(), draft, replaces })
    }

    /// Its bytes.
    #[must_use]
    pub fn storage(&self) -> Arc<dyn Storage> {
        Arc::<FileStorage>::clone(&self.storage)
    }

    /// The name that it will have.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is left behind if the process ends now: nothing, or a file of this name.
    #[must_use]
    pub fn left_behind(&self) -> Option<&Path> {
        self.draft.as_deref()
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// When the name has been taken since, and is not to be replaced.
    pub fn keep(mut self) -> Result<(), OpenError> {
        let io_error = |error| OpenError::from_io(&self.path, error);
        if self.draft.is_none() {
            // A link replaces nothing: only a file that has a name can take another one's.
            let name = if self.replaces { draft_of(&self.path) } else { self.path.clone() };
            sys::link(self.storage.file(), &name).map_err(io_error)?;
            self.draft = Some(name);
        }
        if let Some(draft) = self.draft.as_ref().filter(|draft| **draft != self.path) {
            std::fs::rename(draft, &self.path).map_err(io_error)?;
        }
        self.draft = None;
        Ok(())
    }
}

/// A name beside `path` that nobody else uses.
fn draft_of(path: &Path) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".ovum-{}-{number}.draft", std::process::id()))
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(draft) = &self.draft {
            // What cannot be removed is a file that no format takes for whole.
            let _ = std::fs::remove_file(draft);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::storage::write_bytes;

    #[test]
    fn it_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        let file = NewFile::create(&path).unwrap();
        write_bytes(file.storage().as_ref(), 0, b"half").unwrap();
        drop(file);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let file = NewFile::create(&path).unwrap();
        write_bytes(file.storage().as_ref(), 0, b"whole").unwrap();
        file.keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn nothing_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        let late = NewFile::create(&path).unwrap();
        fs::write(&path, b"before").unwrap();
        NewFile::create(&path).unwrap_err();
        late.keep().unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"before");
        std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
        NewFile::create(&dir.path().join("link")).unwrap_err();
        NewFile::create(&dir.path().join("no/folder")).unwrap_err();
    }

    #[test]
    fn what_is_replaced_stays_until_the_new_one_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        fs::write(&path, b"before").unwrap();
        let file = NewFile::replace(&path).unwrap();
        write_bytes(file.storage().as_ref(), 0, b"half").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"before");
        let file = NewFile::replace(&path).unwrap();
        write_bytes(file.storage().as_ref(), 0, b"after").unwrap();
        file.keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::create_dir(dir.path().join("folder")).unwrap();
        NewFile::replace(&dir.path().join("folder")).unwrap_err();
    }
}
