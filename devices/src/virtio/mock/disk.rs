//! A disk in memory.

use std::io;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ovum_disk::Disk;
use vm_memory::VolatileSlice;

/// A disk in memory, which counts its flushes and can be told to fail.
#[derive(Debug, Default)]
pub struct MemoryDisk {
    bytes: Mutex<Vec<u8>>,
    read_only: bool,
    flushes: AtomicUsize,
    fail: Mutex<bool>,
}

impl MemoryDisk {
    /// A disk of `size` zeroes.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { bytes: Mutex::new(vec![0; size]), ..Self::default() }
    }

    /// A disk that refuses changes.
    #[must_use]
    pub fn read_only(size: usize) -> Self {
        Self { read_only: true, ..Self::new(size) }
    }

    /// A copy of the disk's bytes.
    #[must_use]
    pub fn contents(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    /// How often the disk was flushed.
    #[must_use]
    pub fn flushes(&self) -> usize {
        self.flushes.load(Ordering::SeqCst)
    }

    /// From now on, every operation fails, or does not any more.
    pub fn set_failing(&self, fail: bool) {
        *self.fail.lock().unwrap() = fail;
    }

    /// Runs `each` on every buffer with the bytes of the disk that belong to it.
    fn each(
        &self,
        offset: u64,
        buffers: &[VolatileSlice<'_>],
        each: impl Fn(&VolatileSlice<'_>, &mut [u8]),
    ) -> io::Result<()> {
        self.check_health()?;
        let mut bytes = self.bytes.lock().unwrap();
        let mut rest = usize::try_from(offset).ok().and_then(|offset| bytes.get_mut(offset..));
        for buffer in buffers {
            let (front, back) =
                rest.take().and_then(|r| r.split_at_mut_checked(buffer.len())).ok_or(io::ErrorKind::InvalidInput)?;
            each(buffer, front);
            rest = Some(back);
        }
        Ok(())
    }

    fn check_health(&self) -> io::Result<()> {
        if *self.fail.lock().unwrap() { Err(io::Error::other("made to fail")) } else { Ok(()) }
    }
}

impl Disk for MemoryDisk {
    fn size(&self) -> u64 {
        self.bytes.lock().unwrap().len() as u64
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        self.each(offset, into, |buffer, bytes| buffer.copy_from(bytes))
    }

    fn write_at(&self, offset: u64, from: &[VolatileSlice<'_>]) -> io::Result<()> {
        if self.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.each(offset, from, |buffer, bytes| {
            buffer.copy_to(bytes);
        })
    }

    fn flush(&self) -> io::Result<()> {
        self.check_health()?;
        self.flushes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn discard(&self, range: Range<u64>) -> io::Result<()> {
        self.write_zeroes(range, true)
    }

    fn write_zeroes(&self, range: Range<u64>, _may_unmap: bool) -> io::Result<()> {
        self.check_health()?;
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        self.bytes.lock().unwrap().get_mut(range).ok_or(io::ErrorKind::InvalidInput)?.fill(0);
        Ok(())
    }
}
