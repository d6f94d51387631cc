//! gzip files (RFC 1952), read at any place without being unpacked to anywhere.

mod header;
mod place;
mod spec;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use vm_memory::VolatileSlice;

use super::Storage;
use super::unpack::{CHUNK, Tuning, Unpacked};
use crate::LayoutError;
use place::Place;

pub(crate) use spec::MAGIC;

/// A place takes 43 KiB, so all of this is less than 8 MiB. A MiB is inflated in a few milliseconds.
const TUNING: Tuning = Tuning { spacing: 16 * CHUNK, kept: 128, live: 4, cache: 2 << 20 };

/// What is in a gzip file; read-only.
///
/// The checksum and length of each member are checked when a read comes to its end, from wherever it went on. However long
/// the file is, this takes less than 8 MiB of memory.
#[derive(Debug)]
pub struct Gzip(Unpacked<Place>);

impl Gzip {
    /// What is in `storage`.
    ///
    /// With a `size` (in bytes, from whoever packed it), no more than the beginning is read now; it is trusted only as a
    /// limit: if there is less, reads past the true end say [`io::ErrorKind::UnexpectedEof`]; if there is more, nobody sees
    /// it. Without it, all of the file is unpacked once, to nowhere, to see how long it is: what a gzip file says of that
    /// is no more than its lowest 32 bits. More than `limit` bytes are refused.
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

impl Storage for Gzip {
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
