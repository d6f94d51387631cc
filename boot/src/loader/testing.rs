//! A file system in memory, for tests and fuzz targets.

use std::collections::BTreeMap;
use std::sync::Arc;

use ovum_disk::storage::Storage;
use ovum_disk::storage::testing::Memory;

use super::system::{Mounted, System, normal};
use crate::filesystem::{DirEntry, FileKind, FileSystem, FsError, Metadata};
use crate::partition::{Partition, Place, Volume};

/// Files by their paths; their folders are there with them.
#[derive(Debug, Clone, Default)]
pub struct MemoryFs {
    files: BTreeMap<String, Vec<u8>>,
    uuid: Option<String>,
    label: Option<String>,
}

impl MemoryFs {
    /// A file system with that UUID.
    #[must_use]
    pub fn new(uuid: &str) -> Self {
        Self { uuid: Some(uuid.to_owned()), ..Self::default() }
    }

    /// With that label.
    #[must_use]
    pub fn labelled(mut self, label: &str) -> Self {
        self.label = Some(label.to_owned());
        self
    }

    /// With that file.
    #[must_use]
    pub fn with(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.files.insert(normal(path), bytes.as_ref().to_vec());
        self
    }

    fn is_folder(&self, path: &str) -> bool {
        let inside = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        path == "/" || self.files.range(inside.clone()..).next().is_some_and(|(file, _)| file.starts_with(&inside))
    }
}

impl FileSystem for MemoryFs {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn uuid(&self) -> Option<String> {
        self.uuid.clone()
    }

    fn label(&self) -> Option<String> {
        self.label.clone()
    }

    fn metadata(&self, path: &str) -> Result<Metadata, FsError> {
        let path = normal(path);
        match self.files.get(&path) {
            Some(bytes) => Ok(Metadata { kind: FileKind::File, len: bytes.len() as u64, modified: 0 }),
            None if self.is_folder(&path) => Ok(Metadata { kind: FileKind::Directory, len: 0, modified: 0 }),
            None => Err(FsError::Missing(path)),
        }
    }

    fn read_dir(&self, path: &str) -> Result<Vec<DirEntry>, FsError> {
        let path = normal(path);
        if !self.is_folder(&path) {
            return Err(FsError::NotADirectory(path));
        }
        let inside = if path == "/" { path } else { format!("{path}/") };
        let mut names = BTreeMap::new();
        for file in self.files.keys().filter_map(|file| file.strip_prefix(&inside)) {
            match file.split_once('/') {
                Some((folder, _)) => names.insert(folder, FileKind::Directory),
                None => names.insert(file, FileKind::File),
            };
        }
        Ok(names.into_iter().map(|(name, kind)| DirEntry { name: name.to_owned(), kind }).collect())
    }

    fn open(&self, path: &str) -> Result<Arc<dyn Storage>, FsError> {
        let path = normal(path);
        match self.files.get(&path) {
            Some(bytes) => Ok(Memory::new(bytes.clone())),
            None if self.is_folder(&path) => Err(FsError::NotAFile(path)),
            None => Err(FsError::Missing(path)),
        }
    }
}

/// A system of one disk with a partition for each of `filesystems`: GPT if `gpt`, else MBR. The first partition of a GPT is
/// an EFI system partition.
pub(crate) fn system(gpt: bool, filesystems: Vec<MemoryFs>) -> System {
    let volumes = (1..).zip(filesystems).map(|(number, fs)| {
        let kind = match (gpt, number) {
            (true, 1) => crate::partition::ESP.to_owned(),
            (true, _) => "0fc63daf-8483-4772-8e79-3d69d8477de4".to_owned(),
            (false, _) => "83".to_owned(),
        };
        let partuuid = Some(format!("{:08x}-{number:02x}", 0xcafe_u32));
        let partition = Partition { number, partuuid, kind, label: None, active: number == 1 };
        let volume = Volume {
            name: format!("disk 1, partition {number}"),
            storage: Memory::new(vec![0; 4096]),
            disk: 0,
            place: if gpt { Place::Gpt(partition) } else { Place::Mbr(partition) },
        };
        Mounted::new(volume, Some(Arc::new(fs)), None)
    });
    System { volumes: volumes.collect(), notes: Vec::new() }
}
