//! An image that is changed in place.
//!
//! Data goes straight to the file. Of the tables, changed pages stay in memory until a flush: it first puts the data on stable
//! storage, then writes the pages, then puts these on stable storage. So whatever survives a crash names only data that
//! survived with it. Clusters that are given up are used again only when no table on stable storage names them any more.
//!
//! Locks, in the order in which they are taken: `changes` (whoever changes tables), `in_flight` (shared by data on its way),
//! `l1`, and inside of the cache its own.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use super::cache::Cache;
use super::entry::Cluster;
use super::header::{Header, L1};
use super::lookup::{Lookup, Slot};
use super::space::Space;
use super::{check, head, packed, spec};
use crate::SECTOR;
use crate::check::Findings;
use crate::error::LayoutError;
use crate::image::layout::{Layout, Packed, Run};
use crate::image::tables::Tables;
use crate::storage::{Storage, write_bytes};

/// The most ranges of clusters that wait for a flush to become free.
const MAX_FREED: usize = 1 << 16;

/// The layer of an image that is changed in place.
#[derive(Debug)]
pub struct InPlace {
    storage: [Arc<dyn Storage>; 1],
    pub(super) header: Header,
    pub(super) cache: Cache,
    size: AtomicU64,
    pub(super) l1: RwLock<L1>,
    /// Shared by all who read or write data in clusters that they found in the tables, until they are done with it.
    pub(super) in_flight: RwLock<()>,
    pub(super) changes: Mutex<Changes>,
    /// [`Changes::mark`] is [`Mark::Ours`].
    is_marked: AtomicBool,
}

/// What those need who change tables.
#[derive(Debug)]
pub struct Changes {
    pub space: Space,
    /// What is free once the tables are on stable storage.
    freed: Vec<Freed>,
    /// The header does not name the L1 table yet, or may not.
    pub l1_has_moved: bool,
    mark: Mark,
}

/// Bytes of the file that nothing names any more.
#[derive(Debug, Clone, Copy)]
pub struct Freed {
    pub offset: u64,
    pub len: u64,
    /// Whether these are whole clusters, whose space can be given back.
    pub whole: bool,
}

/// What the header says of the refcounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// They are right.
    Clean,
    /// They are wrong since before the image was opened.
    FoundDirty,
    /// They are wrong, and that is on stable storage.
    Ours,
}

impl InPlace {
    /// Opens the image in `storage`, and counts its clusters.
    ///
    /// # Errors
    /// Damage, and [`LayoutError::Unsupported`] for what is only read.
    pub fn open(storage: Arc<dyn Storage>) -> Result<Self, LayoutError> {
        let tables = Tables::new(Arc::clone(&storage));
        let header = Header::read(storage.as_ref(), &tables)?;
        refuse(&header)?;
        let space = Space::count(&header, storage.as_ref())?;
        let mark = if header.incompatible & spec::DIRTY == 0 { Mark::Clean } else { Mark::FoundDirty };
        Ok(Self {
            cache: Cache::new(Arc::clone(&storage), header.cluster()),
            size: header.size.into(),
            l1: RwLock::new(header.l1),
            in_flight: RwLock::default(),
            changes: Mutex::new(Changes { space, freed: Vec::new(), l1_has_moved: false, mark }),
            is_marked: false.into(),
            storage: [storage],
            header,
        })
    }

    pub(super) fn storage(&self) -> &dyn Storage {
        let [storage] = &self.storage;
        storage.as_ref()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Changes> {
        // Each step leaves everything whole, also one that a panic cut short.
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn data_in_flight(&self) -> RwLockReadGuard<'_, ()> {
        self.in_flight.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_disk_size(&self, size: u64) {
        self.size.store(size, Ordering::Release);
    }

    /// Looks something up, while the L1 table stays where it is.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Lookup<'_>) -> io::Result<T>) -> io::Result<T> {
        let l1 = self.l1.read().unwrap_or_else(PoisonError::into_inner);
        look(&Lookup { header: &self.header, l1: *l1, storage: self.storage(), entries: &self.cache })
    }

    /// Says in the header, before anything is changed, that the refcounts will be wrong.
    pub(super) fn begin(&self) -> io::Result<()> {
        if self.is_marked.load(Ordering::Acquire) { Ok(()) } else { self.mark(&mut self.lock()) }
    }

    /// As [`InPlace::begin`]. What is on stable storage afterwards are the tables that the clusters were counted from: until
    /// then, what a program that was killed had written last might still be lost, and with it be undone that a cluster is free.
    pub(super) fn mark(&self, changes: &mut Changes) -> io::Result<()> {
        if changes.mark == Mark::Ours {
            return Ok(());
        }
        head::mark_dirty(self.storage())?;
        self.storage().flush()?;
        changes.mark = Mark::Ours;
        self.is_marked.store(true, Ordering::Release);
        Ok(())
    }

    /// Takes up to `wanted` clusters in one piece.
    pub(super) fn take(&self, changes: &mut Changes, wanted: usize) -> io::Result<(u64, usize)> {
        self.mark(changes)?;
        changes.space.take(wanted)
    }

    /// Changes a table entry in memory.
    pub(super) fn set(&self, changes: &mut Changes, place: u64, entry: u64) -> io::Result<()> {
        self.mark(changes)?;
        if self.cache.set(place, entry)? {
            return Ok(());
        }
        self.write_back(changes)?;
        // Every page is clean now.
        if self.cache.set(place, entry)? { Ok(()) } else { Err(io::ErrorKind::OutOfMemory.into()) }
    }

    /// Changes what the entry of `slot` says, from `before`, whose place becomes free unless it is kept. If it fails, nothing
    /// has changed.
    pub(super) fn replace(&self, changes: &mut Changes, slot: Slot, before: Cluster, entry: u64) -> io::Result<()> {
        if changes.freed.len() >= MAX_FREED {
            self.write_back(changes)?;
        }
        self.set(changes, slot.table + slot.index * self.header.l2_entry(), entry)?;
        let kept = entry & spec::OFFSET;
        match before {
            Cluster::Packed(offset, len) => {
                changes.freed.push(Freed { offset, len: len.into(), whole: false });
            }
            _ => match before.place() {
                Some(offset) if offset != kept => {
                    changes.free(Freed { offset, len: self.header.cluster(), whole: true })
                }
                _ => (),
            },
        }
        Ok(())
    }

    /// The L2 table for the cluster at `offset` of the disk, which is made if it is not there.
    pub(super) fn table_for(&self, changes: &mut Changes, offset: u64) -> io::Result<Slot> {
        if let Some(slot) = self.look(|lookup| lookup.slot(offset))? {
            return Ok(slot);
        }
        let cluster = self.header.cluster();
        let (table, _) = self.take(changes, 1)?;
        let made = self.make_table(changes, table, offset / self.header.l2_span());
        if made.is_err() {
            changes.space.release(table, cluster);
        }
        made?;
        Ok(Slot { table, index: (offset % self.header.l2_span()) >> self.header.cluster_bits })
    }

    /// A flush puts the zeroes on stable storage before it writes the L1 entry that names them.
    fn make_table(&self, changes: &mut Changes, table: u64, index: u64) -> io::Result<()> {
        let cluster = self.header.cluster();
        self.cache.forget(table, cluster);
        write_bytes(self.storage(), table, &vec![0; usize::try_from(cluster).map_err(io::Error::other)?])?;
        let slot = self.look(|lookup| lookup.l1_slot(index))?;
        self.set(changes, slot, table | spec::COPIED)
    }

    /// Puts everything on stable storage: data, then the tables that name it. Then what they do not name any more is free.
    pub(super) fn write_back(&self, changes: &mut Changes) -> io::Result<()> {
        let pages = self.cache.dirty();
        self.storage().flush()?;
        if changes.l1_has_moved {
            let l1 = *self.l1.read().unwrap_or_else(PoisonError::into_inner);
            head::set_size(self.storage(), self.size(), l1)?;
            self.storage().flush()?;
            changes.l1_has_moved = false;
        }
        if !pages.is_empty() {
            for (offset, bytes) in &pages {
                write_bytes(self.storage(), *offset, bytes)?;
            }
            // Pages are clean only now: a flush that fails may have lost them.
            self.storage().flush()?;
            self.cache.clean(&pages);
        }
        self.release(changes);
        Ok(())
    }

    /// Makes free what was given up; the tables on stable storage do not name it.
    fn release(&self, changes: &mut Changes) {
        if changes.freed.is_empty() {
            return;
        }
        // Whoever found it in the tables before is done with it when this lock can be had.
        drop(self.in_flight.write().unwrap_or_else(PoisonError::into_inner));
        for Freed { offset, len, whole } in std::mem::take(&mut changes.freed) {
            if whole {
                // Space that is not given back is no harm.
                let _ = self.storage().discard(offset..offset.saturating_add(len).min(self.storage().size()));
            }
            changes.space.release(offset, len);
        }
    }

    /// As [`crate::Disk::flush`].
    pub(super) fn flush_all(&self) -> io::Result<()> {
        let mut changes = self.lock();
        if changes.freed.is_empty() && !changes.l1_has_moved && !self.cache.is_dirty() {
            drop(changes);
            return self.storage().flush();
        }
        self.write_back(&mut changes)
    }

    /// Writes the refcounts, and says in the header that they are right.
    pub(super) fn settle(&self) -> io::Result<()> {
        let mut changes = self.lock();
        self.write_back(&mut changes)?;
        if changes.mark == Mark::Clean {
            return Ok(());
        }
        let table = changes.space.write_refcounts(self.storage())?;
        self.storage().flush()?;
        // From here on the next change has to say so again, whether what follows arrives or not.
        self.is_marked.store(false, Ordering::Release);
        changes.mark = Mark::FoundDirty;
        head::mark_clean(self.storage(), table)?;
        self.storage().flush()?;
        changes.mark = Mark::Clean;
        Ok(())
    }

    /// The header as it is now.
    pub(super) fn header_now(&self) -> Header {
        let mut header = self.header.clone();
        header.size = self.size();
        header.l1 = *self.l1.read().unwrap_or_else(PoisonError::into_inner);
        header.incompatible &= !spec::DIRTY;
        if self.lock().mark != Mark::Clean {
            header.incompatible |= spec::DIRTY;
        }
        header
    }
}

impl Changes {
    /// Notes that a place will be free.
    pub fn free(&mut self, freed: Freed) {
        match self.freed.last_mut() {
            Some(last) if last.whole && freed.whole && last.offset + last.len == freed.offset => last.len += freed.len,
            _ => self.freed.push(freed),
        }
    }
}

/// Refuses what is only read.
fn refuse(header: &Header) -> Result<(), LayoutError> {
    let overlay = "attach it read-only, or make an overlay above it, with: ovum disk create OVERLAY --base IMAGE";
    let reasons = [
        (header.version < 3, "qcow2 images of version 2 are not written in place"),
        (header.is_extended(), "qcow2 images with extended L2 entries are not written in place"),
        (header.snapshots > 0, "qcow2 images with internal snapshots are not written in place"),
        (header.has_bitmaps, "qcow2 images with persistent bitmaps are not written in place"),
        // A guest sees whole sectors, and what it wrote past the disk's end would read as zero.
        (!header.size.is_multiple_of(SECTOR), "qcow2 images whose disk ends inside a sector are not written in place"),
        (header.incompatible & spec::CORRUPT != 0, "it is marked as corrupt, so it is not written"),
    ];
    match reasons.into_iter().find(|(applies, _)| *applies) {
        Some((_, what)) => Err(LayoutError::Unsupported { what: what.into(), remedy: overlay }),
        None => Ok(()),
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        // An image that was not closed is mended when it is opened next; this only saves the work.
        let _ = self.settle();
    }
}

impl Layout for InPlace {
    fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    fn storages(&self) -> &[Arc<dyn Storage>] {
        &self.storage
    }

    fn map(&self, offset: u64, limit: u64) -> io::Result<Run> {
        self.look(|lookup| lookup.map(offset, limit))
    }

    fn unpack(&self, packed: &Packed) -> io::Result<Vec<u8>> {
        packed::unpack(self.storage(), self.header.compression, packed)
    }

    fn block_size(&self) -> Option<u64> {
        Some(self.header.cluster())
    }

    fn details(&self) -> Vec<(&'static str, String)> {
        self.header_now().details()
    }

    fn check(&self, findings: &mut Findings) -> io::Result<()> {
        // Refcounts are there to be looked at only when they are written.
        self.settle()?;
        let [storage] = &self.storage;
        let tables = Tables::new(Arc::clone(storage));
        match Header::read(self.storage(), &tables) {
            Ok(header) => check::check(&header, self.storage(), findings),
            Err(LayoutError::Damaged(damage)) => {
                findings.add(damage);
                Ok(())
            }
            Err(LayoutError::Io(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
