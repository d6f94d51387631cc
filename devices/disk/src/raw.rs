//! Raw images: the file's bytes are the disk's bytes.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use vm_memory::VolatileSlice;

use crate::image::layout::{Layout, Piece, Run};
use crate::image::{Below, Changeable};
use crate::plain::PlainRun;
use crate::storage::Storage;

/// The layer of a raw image: one run, from the first byte to the last.
#[derive(Debug)]
pub struct Raw {
    storage: [Arc<dyn Storage>; 1],
}

impl Raw {
    /// All bytes of `storage`.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage: [storage] }
    }

    fn storage(&self) -> &dyn Storage {
        let [storage] = &self.storage;
        storage.as_ref()
    }
}

impl Layout for Raw {
    fn size(&self) -> u64 {
        self.storage().size()
    }

    fn storages(&self) -> &[Arc<dyn Storage>] {
        &self.storage
    }

    fn map(&self, offset: u64, limit: u64) -> io::Result<Run> {
        Ok(Run { piece: Piece::Stored { storage: 0, offset }, len: limit })
    }
}

impl Changeable for Raw {
    fn write_at(&self, offset: u64, from: &[VolatileSlice<'_>], _: Below<'_>) -> io::Result<()> {
        self.storage().write_at(offset, from)
    }

    fn flush(&self) -> io::Result<()> {
        self.storage().flush()
    }

    fn discard(&self, range: Range<u64>, _: Below<'_>) -> io::Result<()> {
        self.storage().discard(range)
    }

    fn grow(&self, size: u64, _: Below<'_>) -> io::Result<()> {
        self.storage().set_size(size)
    }

    fn write_zeroes(&self, range: Range<u64>, may_unmap: bool, _: Below<'_>) -> io::Result<()> {
        self.storage().write_zeroes(range, may_unmap)
    }

    fn plain_read(&self, range: Range<u64>) -> io::Result<Option<Vec<PlainRun>>> {
        self.plain_write(range)
    }

    fn plain_write(&self, range: Range<u64>) -> io::Result<Option<Vec<PlainRun>>> {
        let storage = self.storage();
        if storage.is_read_only() {
            return Ok(None);
        }
        Ok(PlainRun::in_storage(storage, range.start, range.end - range.start).map(|run| vec![run]))
    }

    fn plain_flush(&self) -> Option<Arc<File>> {
        self.storage().plain().map(|plain| Arc::clone(plain.file))
    }
}
