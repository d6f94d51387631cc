//! Tables of an image, read a page at a time as they are needed.
//!
//! A header may claim tables of any size. Here they cost what is looked at: no more than the cache's limit is ever
//! allocated, and opening an image reads none of them.

use std::io;
use std::sync::Arc;

use super::recent::Recent;
use crate::storage::{Storage, read_bytes};

/// How much is read at a time, in bytes.
const PAGE: u64 = 4096;
/// The most that is kept of one storage's tables, in bytes.
const LIMIT: usize = 1 << 20;

/// A cache of the parts of a storage that hold tables.
#[derive(Debug)]
pub struct Tables {
    storage: Arc<dyn Storage>,
    pages: Recent<u64>,
}

impl Tables {
    /// The tables in `storage`.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, pages: Recent::new(LIMIT) }
    }

    /// Fills `into` from `offset` on.
    ///
    /// # Errors
    /// As [`Storage::read_at`].
    pub fn read(&self, mut offset: u64, mut into: &mut [u8]) -> io::Result<()> {
        while !into.is_empty() {
            let page = self.page(offset / PAGE)?;
            // A page's offset is smaller than a page.
            let from = page.get((offset % PAGE) as usize..).unwrap_or_default();
            let len = from.len().min(into.len());
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (front, rest) = into.split_at_mut_checked(len).ok_or(io::ErrorKind::UnexpectedEof)?;
            front.copy_from_slice(from.get(..len).ok_or(io::ErrorKind::UnexpectedEof)?);
            into = rest;
            offset = offset.checked_add(len as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        }
        Ok(())
    }

    /// `N` bytes at `offset`.
    ///
    /// # Errors
    /// As [`Storage::read_at`].
    pub fn array<const N: usize>(&self, offset: u64) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Forgets what was read of the `len` bytes at `offset`, which have changed.
    pub fn forget(&self, offset: u64, len: u64) {
        if len > 0 {
            (offset / PAGE..=offset.saturating_add(len - 1) / PAGE).for_each(|page| self.pages.forget(page));
        }
    }

    fn page(&self, number: u64) -> io::Result<Arc<[u8]>> {
        self.pages.get(number, || {
            let start = number * PAGE;
            let len = PAGE.min(self.storage.size().saturating_sub(start));
            let mut bytes = vec![0; usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?];
            read_bytes(self.storage.as_ref(), start, &mut bytes)?;
            Ok(bytes)
        })
    }
}
