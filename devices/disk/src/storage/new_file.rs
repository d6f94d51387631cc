//! A file that has its name only once it is whole.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{FileStorage, Storage};
use crate::{Access, OpenError, OpenErrorKind, sys};

/// A file that is being written: without a name where the file system can do that, so that nothing is left of it when the
/// process is killed; else under its name, which [`Drop`] takes away.
#[derive(Debug)]
pub struct NewFile {
    storage: Arc<FileStorage>,
    path: PathBuf,
    named: bool,
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
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            return Err(OpenError::new(path, OpenErrorKind::NoFolder));
        }
        let unnamed = OpenOptions::new().read(true).write(true).custom_flags(libc::O_TMPFILE).open(folder);
        let (storage, named) = match unnamed {
            Ok(file) => (FileStorage::from_file(file, path, Access::ReadWrite)?, false),
            // Not every file system has files without a name; what else is wrong with the folder shows at once.
            Err(_) => match FileStorage::create(path) {
                Err(error) if matches!(error.kind(), OpenErrorKind::NoPermission) => {
                    return Err(OpenError::new(path, OpenErrorKind::NoFolderPermission));
                }
                file => (file?, true),
            },
        };
        Ok(Self { storage: Arc::new(storage), path: path.to_owned(), named })
    }

    /// Its bytes.
    #[must_use]
    pub fn storage(&self) -> Arc<dyn Storage> {
        Arc::<FileStorage>::clone(&self.storage)
    }

    /// What is left behind if the process ends now: nothing, or a file of this name.
    #[must_use]
    pub fn left_behind(&self) -> Option<&Path> {
        self.named.then_some(&self.path)
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// When the name has been taken since.
    pub fn keep(mut self) -> Result<(), OpenError> {
        if !self.named {
            sys::link(self.storage.file(), &self.path).map_err(|error| OpenError::from_io(&self.path, error))?;
        }
        self.named = false;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.named {
            // What cannot be removed is a file that no format takes for whole.
            let _ = std::fs::remove_file(&self.path);
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
}
