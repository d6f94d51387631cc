//! streamOptimized: compressed grains one after the other, each table behind its grains, and the directory at the end.
//! Nothing is written twice, so it can go through a pipe.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::{CHUNK, DESCRIPTOR_AT, GRAIN, Order, check_size, descriptor, header, sector};
use crate::SECTOR;
use crate::error::LayoutError;
use crate::storage::{Storage, write_bytes};
use crate::vmdk::header::SparseHeader;
use crate::vmdk::spec;
use crate::write::{Encode, Writer};

/// The largest disk, in bytes: above what VMware's products can have, and its directory has only 8 MiB.
const MOST: u64 = 64 << 40;

/// A new streamOptimized image.
#[derive(Debug)]
pub struct NewStream {
    storage: Arc<dyn Storage>,
    header: SparseHeader,
    order: Order,
    /// The grain directory, as it is stored.
    directory: Vec<u8>,
    /// What is written next, in whole sectors.
    buffer: Vec<u8>,
    /// Where it is written, in bytes.
    end: u64,
}

/// Begins a streamOptimized image of `size` bytes in `storage`, which is empty. Its content identifier is `cid`; its
/// extent is called as the storage is.
///
/// # Errors
/// When the format has no such size, or the storage cannot be written.
pub fn create_stream(storage: Arc<dyn Storage>, size: u64, cid: u32) -> Result<NewStream, LayoutError> {
    check_size(size, MOST, "streamOptimized")?;
    let mut header = header(size);
    header.version = 3;
    header.flags |= spec::FLAG_COMPRESSED | spec::FLAG_MARKERS;
    header.compression = spec::COMPRESSION_DEFLATE;
    header.gd_offset = spec::GD_AT_END;
    let mut front = header.encode().to_vec();
    debug_assert_eq!(front.len() as u64, DESCRIPTOR_AT * SECTOR);
    front.extend(descriptor(storage.as_ref(), size, cid, "streamOptimized", ("lsilogic", 255)));
    front.resize(CHUNK, 0);
    let mut new = NewStream { storage, header, order: Order::new(size), directory: Vec::new(), buffer: front, end: 0 };
    new.write()?;
    Ok(new)
}

impl NewStream {
    /// Writes what is in the buffer, made up to whole sectors.
    fn write(&mut self) -> io::Result<()> {
        self.buffer.resize(self.buffer.len().next_multiple_of(512), 0);
        write_bytes(self.storage.as_ref(), self.end, &self.buffer)?;
        self.end += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes a marker and the `sectors` that it announces; returns where they are, in bytes.
    fn write_marked(&mut self, marker: u32, sectors: &[u8]) -> io::Result<u64> {
        let len = sectors.len().next_multiple_of(512);
        self.buffer.extend((len as u64 / SECTOR).to_le_bytes());
        self.buffer.extend(0_u32.to_le_bytes());
        self.buffer.extend(marker.to_le_bytes());
        self.buffer.resize(512, 0);
        self.buffer.extend(sectors);
        let place = self.end + SECTOR;
        self.write()?;
        Ok(place)
    }

    /// Writes the table that was filled, and begins table `next`.
    fn turn(&mut self, next: u64) -> io::Result<()> {
        if let Some((number, entries)) = self.order.turn(next) {
            let place = self.write_marked(spec::MARKER_TABLE, &entries)?;
            // Tables without grains are left out.
            self.directory.resize(usize::try_from(number * 4).map_err(io::Error::other)?, 0);
            self.directory.extend(sector(place)?.to_le_bytes());
        }
        Ok(())
    }
}

impl Writer for NewStream {
    fn block_size(&self) -> usize {
        CHUNK
    }

    fn encode(&self) -> Encode {
        pack
    }

    fn put(&mut self, offset: u64, encoded: &[u8]) -> io::Result<()> {
        let table = self.order.take(offset)?;
        if table != self.order.table {
            self.turn(table)?;
        }
        self.order.set(offset, self.end)?;
        self.buffer.extend((offset / SECTOR).to_le_bytes());
        self.buffer.extend(u32::try_from(encoded.len()).map_err(io::Error::other)?.to_le_bytes());
        self.buffer.extend(encoded);
        self.write()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.turn(0)?;
        let tables = self.order.size.div_ceil(super::COVERAGE);
        let mut directory = std::mem::take(&mut self.directory);
        directory.resize(usize::try_from(tables * 4).map_err(io::Error::other)?, 0);
        let place = self.write_marked(spec::MARKER_DIRECTORY, &directory)?;
        self.header.gd_offset = place / SECTOR;
        let footer = self.header.encode();
        self.write_marked(spec::MARKER_FOOTER, &footer)?;
        self.write_marked(spec::MARKER_EOS, &[])?;
        self.storage.flush()
    }
}

thread_local! {
    static DEFLATER: RefCell<Compress> = RefCell::new(Compress::new(Compression::default(), true));
}

/// Packs a block. The last one of a disk is made up to a whole grain: every grain unpacks to one.
fn pack(mut block: Vec<u8>) -> io::Result<Vec<u8>> {
    let grain = usize::try_from(GRAIN).map_err(io::Error::other)?;
    block.resize(grain, 0);
    // More than deflate ever needs.
    let mut packed = Vec::with_capacity(grain + grain / 8);
    let status = DEFLATER.with_borrow_mut(|deflater| {
        deflater.reset();
        deflater.compress_vec(&block, &mut packed, FlushCompress::Finish)
    });
    match status.map_err(io::Error::other)? {
        Status::StreamEnd => Ok(packed),
        _ => Err(io::Error::other("a grain did not fit into the room for it")),
    }
}
