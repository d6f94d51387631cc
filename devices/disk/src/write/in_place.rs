//! Writing a new image by changing an empty one in place.

use std::io;

use vm_memory::VolatileSlice;

use super::Writer;
use crate::{Disk, Image};

/// How much is written at a time, in bytes.
const BLOCK: usize = 64 << 10;

/// An empty image, of a format that is changed in place, as a [`Writer`].
#[derive(Debug)]
pub struct InPlace(Image);

impl InPlace {
    /// Writes to `empty`.
    #[must_use]
    pub fn new(empty: Image) -> Self {
        Self(empty)
    }
}

impl Writer for InPlace {
    fn block_size(&self) -> usize {
        BLOCK
    }

    fn put(&mut self, offset: u64, encoded: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, &[VolatileSlice::from(encoded.to_vec().as_mut_slice())])
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.close()
    }
}
