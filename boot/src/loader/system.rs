//! A guest's disks as a boot loader sees them: volumes with their file systems.

use std::sync::Arc;

use ovum_disk::storage::{self, Storage};

use super::Part;
use super::signature;
use crate::filesystem::{self, FileKind, FileSystem, FsError, Subvolume};
use crate::partition::{self, Volume};

/// The most that is read of a file of text, in bytes.
pub(crate) const MAX_TEXT: u64 = 2 << 20;

/// The volumes of some disks.
#[derive(Debug, Default)]
pub(crate) struct System {
    pub volumes: Vec<Mounted>,
    /// What was odd when they were looked for.
    pub notes: Vec<String>,
}

/// A volume, and the file system on it, if it is one that can be read.
#[derive(Debug)]
pub(crate) struct Mounted {
    pub volume: Volume,
    pub filesystem: Option<Arc<dyn FileSystem>>,
    /// The same from the subvolume that is mounted by default: paths of openSUSE's boot loader begin there.
    default_subvolume: Option<Arc<dyn FileSystem>>,
    /// What is there instead: `LUKS`, `NTFS`, a damaged ext4.
    pub instead: Option<String>,
    pub uuid: Option<String>,
    pub label: Option<String>,
}

impl Mounted {
    /// A volume and what was found on it.
    pub fn new(volume: Volume, filesystem: Option<Arc<dyn FileSystem>>, instead: Option<String>) -> Self {
        let uuid = filesystem.as_ref().and_then(|fs| fs.uuid());
        let label = filesystem.as_ref().and_then(|fs| fs.label());
        let default_subvolume = filesystem.as_ref().and_then(|fs| fs.subvolume(Subvolume::Default).ok());
        Self { volume, filesystem, default_subvolume, instead, uuid, label }
    }
}

impl System {
    /// Looks at all volumes of `disks`.
    pub fn open(disks: &[Arc<dyn Storage>]) -> Self {
        let partition::Volumes { volumes, mut notes } = partition::volumes(disks);
        let mut mounted = Vec::new();
        for volume in volumes {
            let (found, instead) = match filesystem::open(volume.storage.clone()) {
                Ok(Some(found)) => {
                    notes.extend(found.notes().into_iter().map(|note| format!("{}: {note}", volume.name)));
                    (Some(found), None)
                }
                Ok(None) => (None, signature::of(&*volume.storage).map(str::to_owned)),
                Err(error) => (None, Some(error.to_string())),
            };
            mounted.push(Mounted::new(volume, found, instead));
        }
        Self { volumes: mounted, notes }
    }

    /// Asks a volume's file system; if the path is not there, the subvolume that is mounted by default.
    fn ask<T>(
        &self,
        volume: usize,
        path: &str,
        ask: impl Fn(&dyn FileSystem) -> Result<T, FsError>,
    ) -> Result<T, FsError> {
        let missing = || FsError::Missing(path.to_owned());
        let mounted = self.volumes.get(volume).ok_or_else(missing)?;
        match ask(&**mounted.filesystem.as_ref().ok_or_else(missing)?) {
            Err(FsError::Missing(path)) => match &mounted.default_subvolume {
                Some(subvolume) => ask(&**subvolume),
                None => Err(FsError::Missing(path)),
            },
            answer => answer,
        }
    }

    /// What a volume is called; for messages.
    pub fn name(&self, volume: usize) -> &str {
        self.volumes.get(volume).map_or("no volume", |mounted| &mounted.volume.name)
    }

    /// Whether there is a file or a directory at `path`.
    pub fn kind(&self, volume: usize, path: &str) -> Option<FileKind> {
        self.ask(volume, path, |fs| fs.metadata(path)).ok().map(|metadata| metadata.kind)
    }

    /// Whether there is a file at `path`.
    pub fn is_file(&self, volume: usize, path: &str) -> bool {
        self.kind(volume, path) == Some(FileKind::File)
    }

    /// The length of the file at `path`, in bytes.
    pub fn len(&self, volume: usize, path: &str) -> Option<u64> {
        let metadata = self.ask(volume, path, |fs| fs.metadata(path)).ok()?;
        (metadata.kind == FileKind::File).then_some(metadata.len)
    }

    /// The names in a directory, sorted; none if there is no such directory.
    pub fn names(&self, volume: usize, path: &str) -> Vec<String> {
        let entries = self.ask(volume, path, |fs| fs.read_dir(path)).unwrap_or_default();
        let mut names: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
        names.sort();
        names
    }

    /// A file of text; bytes that are no UTF-8 are replaced.
    ///
    /// # Errors
    /// One line, with the path.
    pub fn text(&self, volume: usize, path: &str) -> Result<String, String> {
        let part = self.part(volume, path)?;
        let bytes = read_all(&*part.storage).map_err(|problem| format!("{}: {problem}", part.name))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A file, to be read where it lies.
    ///
    /// # Errors
    /// One line, with the path.
    pub fn part(&self, volume: usize, path: &str) -> Result<Part, String> {
        let name = format!("{}: {path}", self.name(volume));
        let opened = self.ask(volume, path, |fs| fs.open(path));
        match opened {
            Ok(storage) => Ok(Part { name, storage }),
            Err(error) => Err(format!("{}: {error}", self.name(volume))),
        }
    }

    /// The volumes with a file system, in order.
    pub fn readable(&self) -> impl Iterator<Item = (usize, &Mounted)> {
        self.volumes.iter().enumerate().filter(|(_, mounted)| mounted.filesystem.is_some())
    }
}

/// All of a small file.
fn read_all(storage: &dyn Storage) -> Result<Vec<u8>, String> {
    let size = storage.size();
    if size > MAX_TEXT {
        return Err(format!("{size} bytes are too many for a file of text"));
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    storage::read_bytes(storage, 0, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// A path from the root: one slash between names, `.` and `..` taken out.
pub(crate) fn normal(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

/// The folder in which `path` is.
pub(crate) fn folder(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((folder, _)) => folder,
    }
}
