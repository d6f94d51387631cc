//! Images whose blocks are found by a table: dynamic and differencing ones.

use std::io;
use std::sync::Arc;

use crate::SECTOR;
use crate::check::Findings;
use crate::error::{Damage, LayoutError};
use crate::image::layout::{Layout, Piece, Run, Stamp};
use crate::image::tables::Tables;
use crate::storage::Storage;

use super::bits::{Order, sector_run};
use super::footer::{Footer, Kind};
use super::header::Header;
use super::spec::{ABSENT, ENTRY_SIZE, FOOTER_SIZE, HEADER_SIZE, OLD_FOOTER_SIZE};

/// How far a run of absent blocks is followed: to the end of this many bytes of the table.
const PAGE: u64 = 4096;

/// The map of a dynamic or differencing image.
#[derive(Debug)]
pub struct Dynamic {
    storage: [Arc<dyn Storage>; 1],
    tables: Tables,
    footer: Footer,
    header_at: u64,
    table_at: u64,
    block_size: u64,
    /// Bytes of the bitmap before each block.
    bitmap_size: u64,
}

impl Dynamic {
    /// The blocks that `header`'s table finds.
    pub fn new(storage: Arc<dyn Storage>, footer: Footer, header: &Header) -> Self {
        let block_size = u64::from(header.block_size);
        Self {
            tables: Tables::new(Arc::clone(&storage)),
            storage: [storage],
            header_at: header.at,
            table_at: header.table_at,
            block_size,
            bitmap_size: (block_size / SECTOR).div_ceil(8).next_multiple_of(SECTOR),
            footer,
        }
    }

    fn storage(&self) -> &dyn Storage {
        let [storage] = &self.storage;
        storage.as_ref()
    }

    /// Where the entry of block `index` is. The table was checked to be in the file.
    fn entry_at(&self, index: u64) -> u64 {
        self.table_at + index * ENTRY_SIZE
    }

    fn entry(&self, index: u64) -> io::Result<u32> {
        Ok(u32::from_be_bytes(self.tables.array(self.entry_at(index))?))
    }

    /// How many bytes from `offset` on are in absent blocks, of which the first one is `index`.
    fn absent(&self, offset: u64, limit: u64, index: u64) -> io::Result<u64> {
        let mut next = index + 1;
        let end = offset.saturating_add(limit);
        while next * self.block_size < end && self.entry_at(next) % PAGE >= ENTRY_SIZE && self.entry(next)? == ABSENT {
            next += 1;
        }
        Ok((next * self.block_size - offset).min(limit))
    }

    fn damage(&self, index: u64, problem: String) -> Damage {
        Damage::new(self.storage(), self.entry_at(index), "Block Allocation Table entry", problem)
    }
}

impl Layout for Dynamic {
    fn size(&self) -> u64 {
        self.footer.size()
    }

    fn storages(&self) -> &[Arc<dyn Storage>] {
        &self.storage
    }

    fn map(&self, offset: u64, limit: u64) -> io::Result<Run> {
        // The table has no entries for more.
        let limit = limit.min(self.size().saturating_sub(offset));
        let (index, within) = (offset / self.block_size, offset % self.block_size);
        let entry = self.entry(index)?;
        if entry == ABSENT {
            return Ok(Run { piece: Piece::Absent, len: self.absent(offset, limit, index)? });
        }
        let bitmap_at = u64::from(entry) * SECTOR;
        let data_at = bitmap_at + self.bitmap_size;
        let mut len = limit.min(self.block_size - within);
        if data_at + within + len > self.storage().size() {
            let problem = format!("its block is at {data_at}, and ends past the end of the file");
            return Err(self.damage(index, problem).into());
        }
        // In a dynamic image, the sectors of a block that is there hold zeroes until they are written.
        if self.footer.kind == Kind::Differencing {
            let (set, sectors) = sector_run(&self.tables, bitmap_at, within / SECTOR, Order::Msb)?;
            len = len.min(sectors * SECTOR - within % SECTOR);
            if !set {
                return Ok(Run { piece: Piece::Absent, len });
            }
        }
        Ok(Run { piece: Piece::Stored { storage: 0, offset: data_at + within }, len })
    }

    fn stamp(&self) -> Option<Stamp> {
        Some(Stamp::Uuid(self.footer.id))
    }

    fn block_size(&self) -> Option<u64> {
        Some(self.block_size)
    }

    fn details(&self) -> Vec<(&'static str, String)> {
        let mut details = self.footer.details();
        details.push(("block size", self.block_size.to_string()));
        details
    }

    /// Looks at the other copy of the footer, and for blocks where something else is.
    fn check(&self, findings: &mut Findings) -> io::Result<()> {
        check_copies(self.storage(), &self.footer, findings)?;
        let blocks = self.size().div_ceil(self.block_size);
        let taken = [
            (0, FOOTER_SIZE as u64, "the copy of the footer"),
            (self.storage().size().saturating_sub(OLD_FOOTER_SIZE as u64), u64::MAX, "the footer"),
            (self.header_at, self.header_at + HEADER_SIZE as u64, "the dynamic disk header"),
            (self.table_at, self.entry_at(blocks), "the block allocation table"),
        ];
        for index in 0..blocks {
            let entry = self.entry(index)?;
            let start = u64::from(entry) * SECTOR;
            let end = start + self.bitmap_size + self.block_size;
            let over = taken.iter().find(|(from, to, _)| entry != ABSENT && start < *to && *from < end);
            if let Some((.., what)) = over {
                findings.add(self.damage(index, format!("its block is at {start}, where {what} is")));
            }
        }
        Ok(())
    }
}

/// Both copies of the footer must be there and say the same.
fn check_copies(storage: &dyn Storage, used: &Footer, findings: &mut Findings) -> io::Result<()> {
    let size = storage.size();
    let old_end = size.saturating_sub(OLD_FOOTER_SIZE as u64);
    let end = match used.at {
        at if at == old_end => (at, OLD_FOOTER_SIZE),
        _ => (size.saturating_sub(FOOTER_SIZE as u64), FOOTER_SIZE),
    };
    for (at, len) in [(0, FOOTER_SIZE), end] {
        let problem = match Footer::read(storage, at, len) {
            Err(LayoutError::Io(error)) => return Err(error),
            Ok(Some(Ok(copy))) if (Footer { at: used.at, ..copy }) == *used => continue,
            Ok(Some(Err(LayoutError::Damaged(damage)))) => {
                findings.add(damage);
                continue;
            }
            Ok(None) => "there is none",
            _ => "it is not the same as the other one",
        };
        findings.add(Damage::new(storage, at, "copy of the footer", problem));
    }
    Ok(())
}
