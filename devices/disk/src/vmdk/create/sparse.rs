//! monolithicSparse: all tables in front, twice, and then grains as they come.

use std::io;
use std::sync::Arc;

use super::{CHUNK, COVERAGE, DESCRIPTOR_AT, DESCRIPTOR_LEN, GRAIN, Order, TABLE};
use super::{check_size, descriptor, header, sector};
use crate::SECTOR;
use crate::error::LayoutError;
use crate::storage::{Storage, write_bytes};
use crate::vmdk::spec;
use crate::write::Writer;

/// A new monolithicSparse image.
#[derive(Debug)]
pub struct NewSparse {
    storage: Arc<dyn Storage>,
    cid: u32,
    order: Order,
    places: Places,
    /// Where the next grain is put, in bytes.
    end: u64,
}

/// Where the tables are, in bytes.
#[derive(Debug)]
struct Places {
    /// How many grain tables there are.
    tables: u64,
    /// The two grain directories, the redundant one first. Each has its tables behind it.
    directories: [u64; 2],
    /// How long a directory is, in whole sectors.
    directory_len: u64,
    /// Where grains begin.
    grains: u64,
}

impl Places {
    fn of(size: u64) -> Self {
        let tables = size.div_ceil(COVERAGE);
        let directory_len = (tables * 4).next_multiple_of(SECTOR);
        let both = directory_len + tables * TABLE;
        let first = (DESCRIPTOR_AT + DESCRIPTOR_LEN) * SECTOR;
        let grains = (first + 2 * both).next_multiple_of(GRAIN);
        Self { tables, directories: [first, first + both], directory_len, grains }
    }

    /// Where table `number` of a directory is.
    fn table(&self, directory: u64, number: u64) -> u64 {
        directory + self.directory_len + number * TABLE
    }
}

/// Begins a monolithicSparse image of `size` bytes in `storage`, which is empty. Its content identifier is `cid`; its
/// extent is called as the storage is.
///
/// # Errors
/// When the format has no such size, or the storage cannot be written.
pub fn create_sparse(storage: Arc<dyn Storage>, size: u64, cid: u32) -> Result<NewSparse, LayoutError> {
    // A place in the file has 32 bits, in sectors; all grains and the tables fit, so writing never fails for that.
    let most = u64::from(u32::MAX) / (GRAIN / SECTOR) * GRAIN;
    check_size(size, most - Places::of(most).grains, "monolithicSparse")?;
    let places = Places::of(size);
    // No header yet: what is cut off is not taken for an image.
    storage.set_size(places.grains)?;
    Ok(NewSparse { storage, cid, order: Order::new(size), end: places.grains, places })
}

impl NewSparse {
    /// Writes the table that was filled, and begins table `next`.
    fn turn(&mut self, next: u64) -> io::Result<()> {
        if let Some((number, entries)) = self.order.turn(next) {
            for directory in self.places.directories {
                write_bytes(self.storage.as_ref(), self.places.table(directory, number), &entries)?;
            }
        }
        Ok(())
    }

    fn write_directory(&self, directory: u64) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(CHUNK);
        let mut at = directory;
        for number in 0..self.places.tables {
            bytes.extend(sector(self.places.table(directory, number))?.to_le_bytes());
            if bytes.len() == CHUNK || number + 1 == self.places.tables {
                write_bytes(self.storage.as_ref(), at, &bytes)?;
                at += bytes.len() as u64;
                bytes.clear();
            }
        }
        Ok(())
    }
}

impl Writer for NewSparse {
    fn block_size(&self) -> usize {
        CHUNK
    }

    fn put(&mut self, offset: u64, encoded: &[u8]) -> io::Result<()> {
        let table = self.order.take(offset)?;
        if encoded.len() as u64 > GRAIN {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if table != self.order.table {
            self.turn(table)?;
        }
        write_bytes(self.storage.as_ref(), self.end, encoded)?;
        self.order.set(offset, self.end)?;
        self.end += GRAIN;
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.turn(0)?;
        // The last grain may be shorter on the disk, and never is in the file.
        self.storage.set_size(self.end)?;
        let [redundant, directory] = self.places.directories;
        self.write_directory(redundant)?;
        self.write_directory(directory)?;
        let text = descriptor(self.storage.as_ref(), self.order.size, self.cid, "monolithicSparse", ("ide", 16));
        write_bytes(self.storage.as_ref(), DESCRIPTOR_AT * SECTOR, &text)?;
        self.storage.flush()?;
        let mut header = header(self.order.size);
        header.flags |= spec::FLAG_REDUNDANT;
        header.rgd_offset = redundant / SECTOR;
        header.gd_offset = directory / SECTOR;
        header.overhead = self.places.grains / SECTOR;
        write_bytes(self.storage.as_ref(), 0, &header.encode())?;
        self.storage.flush()
    }
}
