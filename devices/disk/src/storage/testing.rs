//! Storages for tests and fuzz targets: memory, and a host that fails.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vm_memory::VolatileSlice;

use super::Storage;
use crate::buffers::{fill, gather, total};

/// The most that a [`Memory`] grows to, in bytes.
const LIMIT: u64 = 256 << 20;

/// Bytes in memory.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Vec<u8>>);

impl Memory {
    /// A storage that begins as `bytes`.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(bytes)))
    }

    /// A copy of what it holds.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn index(offset: u64) -> io::Result<usize> {
    if offset > LIMIT { Err(io::ErrorKind::StorageFull.into()) } else { Ok(usize::try_from(offset).unwrap_or(0)) }
}

impl Storage for Memory {
    fn name(&self) -> String {
        "memory".into()
    }

    fn size(&self) -> u64 {
        self.lock().len() as u64
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        let bytes = self.lock();
        let end = offset.checked_add(total(into)).filter(|end| *end <= bytes.len() as u64);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        fill(into, bytes.get(index(offset)?..index(end)?).unwrap_or_default())
    }

    fn write_at(&self, offset: u64, from: &[VolatileSlice<'_>]) -> io::Result<()> {
        let start = index(offset)?;
        let end = index(offset.saturating_add(total(from)))?;
        let mut bytes = self.lock();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        gather(from, bytes.get_mut(start..end).unwrap_or_default())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.lock().resize(index(size)?, 0);
        Ok(())
    }

    fn write_zeroes(&self, range: Range<u64>, _: bool) -> io::Result<()> {
        let mut bytes = self.lock();
        let range = index(range.start)?..index(range.end)?;
        bytes.get_mut(range).ok_or(io::ErrorKind::InvalidInput)?.fill(0);
        Ok(())
    }

    fn discard(&self, range: Range<u64>) -> io::Result<()> {
        self.write_zeroes(range, true)
    }
}

/// A storage on a host that fails after a while.
#[derive(Debug)]
pub struct Faulty {
    below: Arc<dyn Storage>,
    error: i32,
    /// Calls that still succeed.
    left: AtomicI64,
    /// Whether reading counts, and fails, too.
    reads: bool,
}

impl Faulty {
    /// `below`, of which `calls` more changes (with `reads`: or reads) succeed, and all that follow fail with the error
    /// number `error`.
    pub fn new(below: Arc<dyn Storage>, calls: i64, error: i32, reads: bool) -> Arc<Self> {
        Arc::new(Self { below, error, left: AtomicI64::new(calls), reads })
    }

    fn count(&self) -> io::Result<()> {
        if self.left.fetch_sub(1, Ordering::Relaxed) > 0 {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(self.error))
        }
    }
}

impl Storage for Faulty {
    fn name(&self) -> String {
        self.below.name()
    }

    fn size(&self) -> u64 {
        self.below.size()
    }

    fn is_read_only(&self) -> bool {
        self.below.is_read_only()
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        if self.reads {
            self.count()?;
        }
        self.below.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, from: &[VolatileSlice<'_>]) -> io::Result<()> {
        self.count()?;
        self.below.write_at(offset, from)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.count()?;
        self.below.set_size(size)
    }

    fn flush(&self) -> io::Result<()> {
        self.count()?;
        self.below.flush()
    }

    fn discard(&self, range: Range<u64>) -> io::Result<()> {
        self.count()?;
        self.below.discard(range)
    }

    fn write_zeroes(&self, range: Range<u64>, may_unmap: bool) -> io::Result<()> {
        self.count()?;
        self.below.write_zeroes(range, may_unmap)
    }

    fn data_after(&self, offset: u64) -> io::Result<Range<u64>> {
        self.below.data_after(offset)
    }
}
