//! Changes that are thrown away in the end: in memory, and from some size on in a file that has no name.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use vm_memory::VolatileSlice;

use super::{FileStorage, Storage};
use crate::OpenErrorKind;
use crate::buffers::{Cursor, clear, fill, gather, total};

#[cfg(test)]
mod tests;

/// How much is kept in memory, in bytes, if nobody says otherwise. What a guest writes while it boots and runs for a short
/// while fits; a host can spare it for each of many guests.
pub const MEMORY_LIMIT: usize = 64 << 20;
/// The unit that lies in memory or in the file, in bytes: small enough that scattered writes of 4 KiB do not use up the
/// memory at once, large enough that there are few of them.
const PAGE_LEN: usize = 64 * 1024;
const PAGE: u64 = PAGE_LEN as u64;

/// A writable storage that begins empty and is gone with this value.
///
/// A page that nobody has written reads as zero and costs nothing. Pages come to lie in memory until the limit is reached;
/// from then on a file is there, and new pages go to it, each to its own place, so that the file is sparse. A page never
/// moves. What the host says of the file (that its disk is full, say) is the answer to the request that needed it, and to no
/// other one. A storage can be as large as files are on the file system of that folder: 16 TiB for ext4.
#[derive(Debug)]
pub struct Spill {
    folder: PathBuf,
    /// How many pages may lie in memory.
    limit: usize,
    size: AtomicU64,
    /// By their number. A page that is here is a hole in the file.
    pages: RwLock<BTreeMap<u64, Box<[u8]>>>,
    file: OnceLock<FileStorage>,
}

/// A piece of a range that lies in one page.
struct Piece {
    page: u64,
    /// Where it begins in the page.
    from: usize,
    len: u64,
}

impl Spill {
    /// An empty storage that keeps up to `limit` bytes in memory, such as [`MEMORY_LIMIT`], and the rest in a file in
    /// `folder`, which is made when it is needed.
    #[must_use]
    pub fn new(folder: &Path, limit: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            limit: limit / PAGE_LEN,
            size: AtomicU64::new(0),
            pages: RwLock::new(BTreeMap::new()),
            file: OnceLock::new(),
        }
    }

    // Each change of the map leaves it whole, also one that a panic cut short.

    fn pages(&self) -> RwLockReadGuard<'_, BTreeMap<u64, Box<[u8]>>> {
        self.pages.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn pages_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<u64, Box<[u8]>>> {
        self.pages.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a piece to memory; whether it belongs there.
    fn write_memory(&self, piece: &Piece, from: &[VolatileSlice<'_>]) -> io::Result<bool> {
        let mut pages = self.pages_mut();
        // Once there is a file, a page that is not here may be there.
        let room = self.file.get().is_none() && pages.len() < self.limit;
        let page = match pages.get_mut(&piece.page) {
            Some(page) => page,
            None if room => pages.entry(piece.page).or_insert_with(|| vec![0; PAGE_LEN].into()),
            None => {
                self.make_file()?;
                return Ok(false);
            }
        };
        gather(from, page.get_mut(piece.from..).unwrap_or_default())?;
        Ok(true)
    }

    /// Makes the file, if it is not there yet. The caller holds the lock of the pages, so nobody else does.
    fn make_file(&self) -> io::Result<()> {
        if self.file.get().is_none() {
            let file = FileStorage::unnamed(&self.folder).map_err(|error| match error.into_kind() {
                OpenErrorKind::Io(error) => error,
                OpenErrorKind::NoPermission => io::ErrorKind::PermissionDenied.into(),
                OpenErrorKind::Missing => io::ErrorKind::NotFound.into(),
                OpenErrorKind::ReadOnlyMedium => io::ErrorKind::ReadOnlyFilesystem.into(),
                kind => io::Error::other(format!("no file for discarded changes: {kind:?}")),
            })?;
            let _ = self.file.set(file);
        }
        Ok(())
    }

    /// Makes a range zero and gives back what it takes.
    fn zero(&self, range: Range<u64>) -> io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let mut pages = self.pages_mut();
        let numbers = range.start / PAGE..=(range.end - 1) / PAGE;
        // Only those that are there: the range may be of any length.
        let touched: Vec<u64> = pages.range(numbers).map(|(number, _)| *number).collect();
        for number in touched {
            let inside = |at: u64| usize::try_from(at.saturating_sub(number * PAGE).min(PAGE));
            let (from, to) = (inside(range.start).unwrap_or(0), inside(range.end).unwrap_or(0));
            if to - from == PAGE_LEN {
                pages.remove(&number);
            } else if let Some(part) = pages.get_mut(&number).and_then(|page| page.get_mut(from..to)) {
                part.fill(0);
            }
        }
        drop(pages);
        match self.file.get() {
            Some(file) if range.start < file.size() => file.write_zeroes(range.start..range.end.min(file.size()), true),
            _ => Ok(()),
        }
    }

    fn check_change(&self, range: &Range<u64>) -> io::Result<()> {
        if range.end > self.size() { Err(io::ErrorKind::InvalidInput.into()) } else { Ok(()) }
    }
}

/// The first piece of `len` bytes at `offset`.
fn first(offset: u64, len: u64) -> Piece {
    let from = offset % PAGE;
    // Smaller than a page.
    Piece { page: offset / PAGE, from: from as usize, len: len.min(PAGE - from) }
}

/// Reads from the file; past its end there are zeroes.
fn read_file(file: &FileStorage, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
    let mut cursor = Cursor::new(into);
    let there = file.size().saturating_sub(offset).min(total(into));
    file.read_at(offset, &cursor.take(there))?;
    clear(&cursor.take(u64::MAX))
}

impl Storage for Spill {
    fn name(&self) -> String {
        "discarded changes".into()
    }

    fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read_at(&self, mut offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        let mut left = total(into);
        if offset.checked_add(left).is_none_or(|end| end > self.size()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut cursor = Cursor::new(into);
        while left > 0 {
            let piece = first(offset, left);
            let buffers = cursor.take(piece.len);
            let pages = self.pages();
            if let Some(page) = pages.get(&piece.page) {
                fill(&buffers, page.get(piece.from..).unwrap_or_default())?;
            } else {
                drop(pages);
                match self.file.get() {
                    Some(file) => read_file(file, offset, &buffers)?,
                    None => clear(&buffers)?,
                }
            }
            offset += piece.len;
            left -= piece.len;
        }
        Ok(())
    }

    fn write_at(&self, mut offset: u64, from: &[VolatileSlice<'_>]) -> io::Result<()> {
        let mut left = total(from);
        offset.checked_add(left).ok_or(io::ErrorKind::InvalidInput)?;
        let mut cursor = Cursor::new(from);
        while left > 0 {
            let piece = first(offset, left);
            let buffers = cursor.take(piece.len);
            if !self.write_memory(&piece, &buffers)?
                && let Some(file) = self.file.get()
            {
                file.write_at(offset, &buffers)?;
            }
            offset += piece.len;
            left -= piece.len;
            self.size.fetch_max(offset, Ordering::AcqRel);
        }
        Ok(())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let before = self.size();
        if size < before {
            // What is cut off must not come back when it grows again.
            self.zero(size..before)?;
        }
        self.size.store(size, Ordering::Release);
        Ok(())
    }

    /// Nothing: what it holds is not going to outlive the process.
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    fn discard(&self, range: Range<u64>) -> io::Result<()> {
        self.check_change(&range)?;
        self.zero(range)
    }

    fn write_zeroes(&self, range: Range<u64>, _may_unmap: bool) -> io::Result<()> {
        self.check_change(&range)?;
        self.zero(range)
    }

    fn data_after(&self, offset: u64) -> io::Result<Range<u64>> {
        let size = self.size();
        let mut numbers = 0..0;
        for number in self.pages().range(offset / PAGE..).map(|(number, _)| *number) {
            if numbers.is_empty() {
                numbers = number..number;
            }
            if number != numbers.end {
                break;
            }
            numbers.end += 1;
        }
        let memory = (numbers.start * PAGE).max(offset)..numbers.end.saturating_mul(PAGE);
        let file = match self.file.get() {
            Some(file) => file.data_after(offset)?,
            None => 0..0,
        };
        let data = [memory, file].into_iter().filter(|data| !data.is_empty()).min_by_key(|data| data.start);
        Ok(data.map_or(size..size, |data| data.start.min(size)..data.end.min(size)))
    }
}
