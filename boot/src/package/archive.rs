//! The files of an OVA, as images in it see them: nothing but members.

use std::io;
use std::path::Path;
use std::sync::Arc;

use ovum_disk::storage::{Neighbour, Neighbours, Part, Storage};
use ovum_disk::{LayoutError, OpenError};

use super::name;
use super::tar::{self, Entry, TarError};

/// An archive: its bytes, and where in them each member's are.
#[derive(Debug)]
pub(super) struct Archive {
    whole: Arc<dyn Storage>,
    /// By name.
    entries: Vec<Entry>,
}

impl Archive {
    pub(super) fn read(whole: Arc<dyn Storage>) -> Result<Self, TarError> {
        Ok(Self { entries: tar::read(&whole)?, whole })
    }

    /// All members, by name.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn find(&self, name: &str) -> Option<Arc<dyn Storage>> {
        let index = self.entries.binary_search_by(|entry| entry.name.as_str().cmp(name)).ok()?;
        let Entry { name, start, size } = self.entries.get(index)?;
        let part = Part::new(name, Arc::clone(&self.whole), *start..start.checked_add(*size)?)?;
        Some(Arc::new(part))
    }
}

/// A folder of an archive, relative to which names are read.
#[derive(Debug, Clone)]
pub(super) struct ArchiveFolder {
    archive: Arc<Archive>,
    /// Without a slash at its end; empty for the archive itself.
    here: String,
}

impl ArchiveFolder {
    pub(super) fn new(archive: Arc<Archive>, here: &str) -> Self {
        Self { archive, here: here.to_owned() }
    }

    /// The folder's members, with their names in it.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, u64)> {
        self.archive.entries.iter().filter_map(|entry| {
            let rest = entry.name.strip_prefix(&self.here)?;
            let name = if self.here.is_empty() { rest } else { rest.strip_prefix('/')? };
            Some((name, entry.size))
        })
    }
}

impl Neighbours for ArchiveFolder {
    fn open(&self, name: &str) -> Result<Neighbour, OpenError> {
        let path = name::resolve(&self.here, name).ok_or_else(|| OpenError::outside(name))?;
        let missing = || OpenError::from_layout(Path::new(name), LayoutError::Io(io::ErrorKind::NotFound.into()));
        let storage = self.archive.find(&path).ok_or_else(missing)?;
        let (here, _) = name::split(&path);
        Ok(Neighbour { storage, neighbours: Arc::new(Self::new(Arc::clone(&self.archive), here)) })
    }
}

/// What lies in a folder below another one's.
#[derive(Debug)]
pub(super) struct Below {
    above: Arc<dyn Neighbours>,
    here: String,
}

impl Below {
    pub(super) fn new(above: Arc<dyn Neighbours>, here: &str) -> Self {
        Self { above, here: here.to_owned() }
    }
}

impl Neighbours for Below {
    fn open(&self, name: &str) -> Result<Neighbour, OpenError> {
        // The one above says what is inside of it, also of names that lead up or begin at the root.
        if name.starts_with('/') { self.above.open(name) } else { self.above.open(&format!("{}/{name}", self.here)) }
    }
}
