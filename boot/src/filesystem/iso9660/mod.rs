//! ISO 9660: with Rock Ridge where it has it, else with Joliet, else with names in lower case and without version, as Linux
//! shows them.

mod descriptor;
mod record;
mod susp;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::Arc;

use ovum_disk::storage::Storage;

use self::descriptor::Descriptors;
use self::record::{Record, SECTOR};
use self::susp::Rock;
use super::mapped::{Map, Mapped, Piece, Place};
use super::tree::{About, MAX_DIRECTORY, Reader, Tree, Visit, is_called};
use super::volume::Volume;
use super::{FileKind, FileSystem, FsError, Metadata};

/// The most parts of one file: each has up to 4 GiB.
const MAX_PARTS: usize = 256;

/// Opens the file system on `volume`, if it is ISO 9660.
pub fn open(volume: &Arc<Volume>) -> Result<Option<Arc<dyn FileSystem>>, FsError> {
    let Some(descriptors) = Descriptors::read(volume)? else { return Ok(None) };
    let Descriptors { block_size, root, joliet, label, uuid } = descriptors;
    let record = |at| Record::read(volume, at)?.ok_or_else(|| volume.damaged(at, "there is no root directory"));
    let dot = record(root)?.extent * block_size;
    let skipped = match Record::read(volume, dot)? {
        Some(dot) => susp::skipped(&dot)?,
        None => None,
    };
    let (root, names) = match (skipped, joliet) {
        (Some(skipped), _) => (root, Names::Rock(skipped)),
        (None, Some(joliet)) => (joliet, Names::Joliet),
        (None, None) => (root, Names::Plain),
    };
    let about = About { kind: "iso9660", uuid, label, notes: Vec::new() };
    // Paths begin at the directory itself, whose first record says more than the descriptor's.
    let root = record(root)?.extent * block_size;
    Ok(Some(Tree::new(Arc::new(Iso { volume: Arc::clone(volume), block_size, names, about }), root)))
}

/// Which names there are.
#[derive(Debug, Clone, Copy)]
enum Names {
    /// Those of Rock Ridge, and how many bytes come before them.
    Rock(usize),
    /// UCS-2.
    Joliet,
    /// Upper case, digits, and a version.
    Plain,
}

#[derive(Debug)]
struct Iso {
    volume: Arc<Volume>,
    block_size: u64,
    names: Names,
    about: About,
}

impl Iso {
    fn record(&self, at: u64) -> Result<Record, FsError> {
        Record::read(&self.volume, at)?.ok_or_else(|| self.volume.damaged(at, "a record of a directory is empty"))
    }

    fn rock(&self, record: &Record) -> Result<Rock, FsError> {
        match self.names {
            Names::Rock(skipped) => Rock::read(&self.volume, record, skipped, self.block_size),
            _ => Ok(Rock::default()),
        }
    }

    /// Visits the records of the directory that `dir` stands for, those that go on with a file left out.
    fn records(
        &self,
        dir: &Record,
        visit: &mut dyn FnMut(&Record) -> Result<ControlFlow<()>, FsError>,
    ) -> Result<(), FsError> {
        let start = dir.extent * self.block_size;
        let end = start + u64::from(dir.len).min(MAX_DIRECTORY);
        let (mut at, mut continued) = (start, false);
        while at < end {
            let Some(record) = Record::read(&self.volume, at)? else {
                at = (at + 1).next_multiple_of(SECTOR);
                continue;
            };
            at = record.end();
            if !record.is_dot() && !continued && visit(&record)?.is_break() {
                break;
            }
            continued = record.is_continued();
        }
        Ok(())
    }

    /// The name that is shown of a record without Rock Ridge.
    fn plain_name(&self, record: &Record) -> Vec<u8> {
        let raw = record.name();
        let text = if matches!(self.names, Names::Joliet) {
            let units = raw.chunks_exact(2).filter_map(|pair| pair.first_chunk().copied().map(u16::from_be_bytes));
            String::from_utf16_lossy(&units.collect::<Vec<_>>())
        } else {
            String::from_utf8_lossy(raw).to_ascii_lowercase()
        };
        let name = text.rsplit_once(';').map_or(text.as_str(), |(name, _)| name);
        let plain = !matches!(self.names, Names::Joliet);
        name.strip_suffix('.').filter(|_| plain).unwrap_or(name).as_bytes().to_vec()
    }

    /// Visits names; `with_rock` of them what Rock Ridge says, whatever the names are.
    fn named(&self, id: u64, visit: &mut Visit<'_, u64>) -> Result<(), FsError> {
        let dir = self.record(id)?;
        self.records(&dir, &mut |record| {
            let rock = self.rock(record)?;
            if rock.is_moved {
                return Ok(ControlFlow::Continue(()));
            }
            let kind = kind(record, &rock);
            // A directory that was moved is where its own first record is.
            let id = rock.moved_to.map_or(record.at, |block| u64::from(block) * self.block_size);
            let name = rock.name.unwrap_or_else(|| self.plain_name(record));
            if name.is_empty() || name.contains(&b'/') || name == b"." || name == b".." {
                return Ok(ControlFlow::Continue(()));
            }
            Ok(visit(&name, kind, id))
        })
    }
}

fn kind(record: &Record, rock: &Rock) -> FileKind {
    match rock.kind {
        _ if record.is_directory() || rock.moved_to.is_some() => FileKind::Directory,
        // Whatever a mode says, names are only where the record says so.
        Some(FileKind::Directory) | None => FileKind::File,
        Some(kind) => kind,
    }
}

impl Reader for Iso {
    type Id = u64;

    fn about(&self) -> &About {
        &self.about
    }

    fn stat(&self, id: u64) -> Result<Metadata, FsError> {
        let record = self.record(id)?;
        let rock = self.rock(&record)?;
        let kind = kind(&record, &rock);
        let len = match kind {
            FileKind::Link => rock.target.len() as u64,
            FileKind::File => parts(self, &record)?.iter().map(|part| part.2).sum(),
            _ => u64::from(record.len),
        };
        Ok(Metadata { kind, len, modified: rock.modified.unwrap_or_else(|| record.modified()) })
    }

    fn walk(&self, id: u64, visit: &mut Visit<'_, u64>) -> Result<(), FsError> {
        self.named(id, visit)
    }

    fn lookup(&self, dir: u64, name: &str) -> Result<Option<u64>, FsError> {
        let any_case = !matches!(self.names, Names::Rock(_));
        let lower = name.to_lowercase();
        let mut found = None;
        self.named(dir, &mut |candidate, _, id| {
            let same =
                is_called(candidate, name) || (any_case && String::from_utf8_lossy(candidate).to_lowercase() == lower);
            if !same {
                return ControlFlow::Continue(());
            }
            found = Some(id);
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    fn target(&self, id: u64) -> Result<Vec<u8>, FsError> {
        Ok(self.rock(&self.record(id)?)?.target)
    }

    fn file(self: &Arc<Self>, id: u64, name: &str) -> Result<Arc<dyn Storage>, FsError> {
        let record = self.record(id)?;
        if self.rock(&record)?.is_compressed {
            return Err(self.volume.damaged(id, format!("{name} is compressed (zisofs), which is not known here")));
        }
        let parts = parts(self, &record)?;
        let size = parts.iter().map(|part| part.2).sum();
        Ok(Arc::new(Mapped::new(name, size, Arc::clone(&self.volume), Parts(parts))))
    }
}

/// Where the parts of a file begin in it, where they are on the volume, and how long they are.
#[derive(Debug)]
struct Parts(Vec<(u64, u64, u64)>);

fn parts(iso: &Iso, first: &Record) -> Result<Vec<(u64, u64, u64)>, FsError> {
    let mut parts = vec![(0, first.extent * iso.block_size, u64::from(first.len))];
    let (mut at, mut continued) = (first.end(), first.is_continued());
    let mut offset = u64::from(first.len);
    while continued {
        if parts.len() >= MAX_PARTS {
            return Err(iso.volume.damaged(first.at, format!("a file has more than {MAX_PARTS} parts")));
        }
        if at % SECTOR == 0 || Record::read(&iso.volume, at)?.is_none() {
            at = at.next_multiple_of(SECTOR);
        }
        let record = iso.record(at)?;
        if record.name() != first.name() {
            return Err(iso.volume.damaged(at, "a file goes on in another one"));
        }
        parts.push((offset, record.extent * iso.block_size, u64::from(record.len)));
        offset += u64::from(record.len);
        (at, continued) = (record.end(), record.is_continued());
    }
    Ok(parts)
}

impl Map for Parts {
    fn piece(&self, offset: u64) -> Result<Piece, FsError> {
        let index = self.0.partition_point(|(begin, ..)| *begin <= offset);
        let part = index.checked_sub(1).and_then(|index| self.0.get(index));
        let (begin, place, len) = part.copied().unwrap_or_default();
        let ahead = offset - begin;
        Ok(Piece { place: Place::At(place + ahead), len: len.saturating_sub(ahead) })
    }
}
