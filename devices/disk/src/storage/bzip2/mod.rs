//! bzip2 files, read at any place without being unpacked to anywhere.
//!
//! Every block can be unpacked on its own, once it is known where it begins and what is before it. The blocks are numbered
//! by nobody, so that is found out from front to back.

mod bits;
mod block;
mod place;
mod spec;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use vm_memory::VolatileSlice;

use super::Storage;
use super::unpack::{Tuning, Unpacked};
use crate::LayoutError;
use place::Reader;

pub(crate) use spec::MAGIC;

/// A place takes less than 100 bytes in a map and is between two blocks, which most often are of 900 kB. A reader takes
/// 3.7 MB while it is in a block, and the cache holds a few blocks: 20 MiB in all.
const TUNING: Tuning = Tuning { spacing: 1, kept: 50_000, live: 2, cache: 8 << 20 };

/// What is in a bzip2 file; read-only.
///
/// The checksum of each block is checked when a read comes to its end, and so is that of a stream. However long the file is,
/// this takes less than 20 MiB of memory.
#[derive(Debug)]
pub struct Bzip2(Unpacked<Reader>);

impl Bzip2 {
    /// What is in `storage`. As [`Gzip::new`](super::Gzip::new): without a `size`, all of the file is unpacked once, and
    /// bzip2 is slow.
    ///
    /// # Errors
    /// [`LayoutError::Damaged`], and when `storage` cannot be read.
    pub fn new(storage: Arc<dyn Storage>, size: Option<u64>, limit: u64) -> Result<Self, LayoutError> {
        Self::tuned(storage, size, limit, TUNING)
    }

    pub(crate) fn tuned(
        storage: Arc<dyn Storage>,
        size: Option<u64>,
        limit: u64,
        tuning: Tuning,
    ) -> Result<Self, LayoutError> {
        Unpacked::new(storage, size, limit, tuning).map(Self)
    }
}

impl Storage for Bzip2 {
    fn name(&self) -> String {
        self.0.name()
    }

    fn size(&self) -> u64 {
        self.0.size()
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        self.0.read_at(offset, into)
    }
}
