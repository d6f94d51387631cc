//! The packed side: a buffer over another storage.

use std::io;
use std::sync::Arc;

use crate::Damage;
use crate::storage::{Storage, read_bytes};

/// How much is read at a time, in bytes.
const BUFFER: usize = 64 * 1024;

/// The most zeroes behind the end of a packed file that are taken for padding, in bytes.
const MAX_PADDING: u64 = 1 << 20;

/// Bytes of a storage, read in large pieces. One reader at a time.
#[derive(Debug)]
pub struct Input {
    storage: Arc<dyn Storage>,
    size: u64,
    bytes: Vec<u8>,
    /// Where the first of `bytes` is in the storage.
    start: u64,
}

impl Input {
    /// The most that it keeps in memory, in bytes.
    #[cfg(test)]
    pub const MEMORY: usize = BUFFER;

    /// All bytes that `storage` has now.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { size: storage.size(), storage, bytes: Vec::new(), start: 0 }
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What the storage is called.
    pub fn name(&self) -> String {
        self.storage.name()
    }

    /// The bytes from `offset` on that are at hand: at least `len` of them (which is less than the buffer has), or all up
    /// to the end.
    ///
    /// # Errors
    /// As [`Storage::read_at`].
    pub fn from(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let wanted = offset.saturating_add(len as u64).min(self.size);
        if offset < self.start || wanted > self.start + self.bytes.len() as u64 {
            let len = self.size.saturating_sub(offset).min(BUFFER as u64);
            // At most the buffer's size.
            self.bytes.resize(usize::try_from(len).unwrap_or_default(), 0);
            self.start = offset;
            if let Err(error) = read_bytes(self.storage.as_ref(), offset, &mut self.bytes) {
                self.bytes.clear();
                return Err(error);
            }
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(from..).unwrap_or_default())
    }

    /// `N` bytes at `offset`, which belong to `field`.
    ///
    /// # Errors
    /// [`Damage`] past the end, and as [`Storage::read_at`].
    pub fn array<const N: usize>(&mut self, offset: u64, field: &'static str) -> io::Result<[u8; N]> {
        match self.from(offset, N)?.first_chunk() {
            Some(array) => Ok(*array),
            None => Err(self.damage(offset, field, "the file ends before it does")),
        }
    }

    /// Checks that there is nothing from `offset` to the end but a few zeroes: what tapes and block devices put behind a
    /// file.
    ///
    /// # Errors
    /// [`Damage`] if there is something else, and as [`Storage::read_at`].
    pub fn check_padding(&mut self, start: u64) -> io::Result<()> {
        let mut offset = start;
        while offset < self.size {
            let bytes = self.from(offset, 1)?;
            if bytes.iter().any(|byte| *byte != 0) {
                return Err(self.damage(start, "padding", "it is not all zeroes"));
            }
            offset += bytes.len() as u64;
            if offset - start > MAX_PADDING {
                return Err(self.damage(start, "padding", format!("it is longer than {MAX_PADDING} bytes")));
            }
        }
        Ok(())
    }

    /// Something is wrong at `offset`.
    pub fn damage(&self, offset: u64, field: &'static str, problem: impl Into<String>) -> io::Error {
        Damage::new(self.storage.as_ref(), offset, field, problem).into()
    }
}
