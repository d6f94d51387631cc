//! The L1 and L2 tables of an image that is changed, as far as they are needed: read as pages, changed in memory, and written
//! back when the data that they name is on stable storage.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::lookup::Entries;
use super::spec;
use crate::storage::{Storage, read_bytes};

/// The most that is kept of an image's tables, in bytes: L2 tables for 8 GiB of disk with clusters of 64 KiB.
const LIMIT: usize = 1 << 20;
/// The largest page, in bytes. No page is larger than a cluster, so that none holds anything else than a table.
const PAGE: u64 = 4096;

/// Pages of tables. Many may read; whoever changes them keeps all others from changing them, see [`Cache::set`].
#[derive(Debug)]
pub struct Cache {
    storage: Arc<dyn Storage>,
    /// The length of a page, in bytes: a power of two.
    page: u64,
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    pages: HashMap<u64, Page>,
    /// Counts uses; a page's number is that of its last use.
    now: AtomicU64,
}

#[derive(Debug)]
struct Page {
    bytes: Vec<u8>,
    dirty: bool,
    last: AtomicU64,
}

/// A page that has to be written: where, and what.
pub type Dirty = (u64, Vec<u8>);

impl Cache {
    /// The tables in `storage`, in which clusters have `cluster` bytes.
    pub fn new(storage: Arc<dyn Storage>, cluster: u64) -> Self {
        Self { storage, page: PAGE.min(cluster), inner: RwLock::default() }
    }

    fn shared(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn alone(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the entry at `offset`. Returns whether it did: not so if there is no room, because every page has to be written
    /// first. Only one thread at a time may call this, [`Cache::dirty`], [`Cache::clean`] and [`Cache::forget`].
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub fn set(&self, offset: u64, entry: u64) -> io::Result<bool> {
        let start = offset - offset % self.page;
        let mut inner = self.alone();
        if !inner.pages.contains_key(&start) {
            if !inner.make_room(self.limit()) {
                return Ok(false);
            }
            let page = Page { bytes: self.load(start)?, dirty: false, last: AtomicU64::default() };
            inner.pages.insert(start, page);
        }
        let now = inner.next();
        if let Some(page) = inner.pages.get_mut(&start) {
            let from = usize::try_from(offset - start).map_err(io::Error::other)?;
            let place = page.bytes.get_mut(from..).and_then(|bytes| bytes.first_chunk_mut());
            *place.ok_or(io::ErrorKind::InvalidInput)? = entry.to_be_bytes();
            page.dirty = true;
            page.last = now.into();
        }
        Ok(true)
    }

    /// A copy of all pages that have to be written, in order.
    pub fn dirty(&self) -> Vec<Dirty> {
        let inner = self.shared();
        let dirty = inner.pages.iter().filter(|(_, page)| page.dirty);
        let mut pages: Vec<_> = dirty.map(|(offset, page)| (*offset, page.bytes.clone())).collect();
        pages.sort_unstable_by_key(|(offset, _)| *offset);
        pages
    }

    /// Whether any page has to be written.
    pub fn is_dirty(&self) -> bool {
        self.shared().pages.values().any(|page| page.dirty)
    }

    /// Notes that `pages` are on stable storage.
    pub fn clean(&self, pages: &[Dirty]) {
        let mut inner = self.alone();
        for (offset, _) in pages {
            inner.pages.get_mut(offset).into_iter().for_each(|page| page.dirty = false);
        }
    }

    /// Forgets all pages of the `len` bytes at `offset`, which are not a table, or one of zeroes from now on.
    pub fn forget(&self, offset: u64, len: u64) {
        self.alone().pages.retain(|page, _| !(offset..offset.saturating_add(len)).contains(page));
    }

    /// How many pages are kept.
    fn limit(&self) -> usize {
        LIMIT / usize::try_from(self.page).unwrap_or(1)
    }

    fn load(&self, start: u64) -> io::Result<Vec<u8>> {
        let left = self.storage.size().saturating_sub(start);
        if left == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; usize::try_from(self.page).map_err(io::Error::other)?];
        // An L1 table may end with the file, inside of a page.
        let len = usize::try_from(self.page.min(left)).map_err(io::Error::other)?;
        read_bytes(self.storage.as_ref(), start, bytes.get_mut(..len).unwrap_or_default())?;
        Ok(bytes)
    }

    /// Fills `into` from inside of one page.
    fn read_page(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let start = offset - offset % self.page;
        let from = usize::try_from(offset - start).map_err(io::Error::other)?;
        let copy = |bytes: &[u8], into: &mut [u8]| {
            into.iter_mut().zip(bytes.get(from..).unwrap_or_default()).for_each(|(to, from)| *to = *from);
        };
        let inner = self.shared();
        if let Some(page) = inner.pages.get(&start) {
            page.last.store(inner.next(), Ordering::Relaxed);
            copy(&page.bytes, into);
            return Ok(());
        }
        drop(inner);
        // Read while nobody can change it; another thread may have read it in between, which is as well.
        let mut inner = self.alone();
        if let Some(page) = inner.pages.get(&start) {
            copy(&page.bytes, into);
            return Ok(());
        }
        let bytes = self.load(start)?;
        copy(&bytes, into);
        if inner.make_room(self.limit()) {
            let last = inner.next().into();
            inner.pages.insert(start, Page { bytes, dirty: false, last });
        }
        Ok(())
    }
}

impl Inner {
    fn next(&self) -> u64 {
        self.now.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes sure that one page more does not break the limit. Returns whether it could.
    fn make_room(&mut self, limit: usize) -> bool {
        if self.pages.len() < limit {
            return true;
        }
        let clean = self.pages.iter().filter(|(_, page)| !page.dirty);
        let oldest = clean.min_by_key(|(_, page)| page.last.load(Ordering::Relaxed)).map(|(offset, _)| *offset);
        oldest.is_some_and(|oldest| self.pages.remove(&oldest).is_some())
    }
}

impl Entries for Cache {
    fn read(&self, mut offset: u64, mut into: &mut [u8]) -> io::Result<()> {
        while !into.is_empty() {
            let left = usize::try_from(self.page - offset % self.page).map_err(io::Error::other)?;
            let (front, rest) = into.split_at_mut_checked(left.min(into.len())).ok_or(io::ErrorKind::InvalidInput)?;
            self.read_page(offset, front)?;
            offset = offset.checked_add(front.len() as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
            into = rest;
        }
        Ok(())
    }
}

const _: () = assert!(PAGE.is_multiple_of(spec::ENTRY));
