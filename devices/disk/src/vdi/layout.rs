//! Where the blocks are.

use std::io;
use std::sync::Arc;

use crate::check::Findings;
use crate::error::Damage;
use crate::image::layout::{Layout, Piece, Run, Stamp};
use crate::image::tables::Tables;
use crate::storage::Storage;

use super::header::Header;
use super::spec::{self, ABSENT, ENTRY_SIZE, ZERO};

/// How far a run of like blocks is followed: to the end of this many bytes of the table.
const PAGE: u64 = 4096;

/// The map of an image.
#[derive(Debug)]
pub struct Blocks {
    storage: [Arc<dyn Storage>; 1],
    tables: Tables,
    header: Header,
    block_size: u64,
}

impl Blocks {
    /// The blocks that `header`'s table finds.
    pub fn new(storage: Arc<dyn Storage>, header: Header) -> Self {
        let tables = Tables::new(Arc::clone(&storage));
        Self { storage: [storage], tables, block_size: header.block_size.into(), header }
    }

    fn storage(&self) -> &dyn Storage {
        let [storage] = &self.storage;
        storage.as_ref()
    }

    /// Where the entry of block `index` is. The table was checked to be in the file.
    fn entry_at(&self, index: u64) -> u64 {
        self.header.table_at + index * ENTRY_SIZE
    }

    fn entry(&self, index: u64) -> io::Result<u32> {
        Ok(u32::from_le_bytes(self.tables.array(self.entry_at(index))?))
    }

    /// Where the bytes of a block with this entry are.
    fn data_at(&self, entry: u32) -> u64 {
        let extra = u64::from(self.header.extra_size);
        self.header.data_at + extra + u64::from(entry) * (self.block_size + extra)
    }

    /// Whether the block with the entry `next`, `distance` blocks behind that with `first`, goes on where that one ends.
    fn goes_on(&self, first: u32, distance: u64, next: u32) -> bool {
        match first {
            ABSENT | ZERO => next == first,
            _ => self.header.extra_size == 0 && next < ZERO && u64::from(first) + distance == u64::from(next),
        }
    }

    /// How many bytes from `offset` on are in the row of blocks that begins with `index`.
    fn row(&self, offset: u64, limit: u64, index: u64, entry: u32) -> io::Result<u64> {
        let mut next = index + 1;
        let end = offset.saturating_add(limit);
        while next * self.block_size < end
            && self.entry_at(next) % PAGE >= ENTRY_SIZE
            && self.goes_on(entry, next - index, self.entry(next)?)
        {
            next += 1;
        }
        Ok((next * self.block_size - offset).min(limit))
    }

    fn damage(&self, index: u64, problem: String) -> Damage {
        Damage::new(self.storage(), self.entry_at(index), "entry of the blocks' table", problem)
    }
}

impl Layout for Blocks {
    fn size(&self) -> u64 {
        self.header.disk_size
    }

    fn storages(&self) -> &[Arc<dyn Storage>] {
        &self.storage
    }

    fn map(&self, offset: u64, limit: u64) -> io::Result<Run> {
        // The table has no entries for more.
        let limit = limit.min(self.size().saturating_sub(offset));
        let (index, within) = (offset / self.block_size, offset % self.block_size);
        let entry = self.entry(index)?;
        let mut len = self.row(offset, limit, index, entry)?;
        let piece = match entry {
            ABSENT => Piece::Absent,
            ZERO => Piece::Zero,
            _ => {
                let at = self.data_at(entry) + within;
                let own = len.min(self.block_size - within);
                let left = self.storage().size().saturating_sub(at);
                if left < own {
                    let problem = format!("its block is at {}, and ends past the end of the file", at - within);
                    return Err(self.damage(index, problem).into());
                }
                // Of a later block of the row, it will be said when it is looked for.
                len = len.min(left);
                Piece::Stored { storage: 0, offset: at }
            }
        };
        Ok(Run { piece, len })
    }

    fn stamp(&self) -> Option<Stamp> {
        Some(Stamp::Uuid(self.header.id))
    }

    fn block_size(&self) -> Option<u64> {
        Some(self.block_size)
    }

    fn details(&self) -> Vec<(&'static str, String)> {
        let (major, minor) = self.header.version;
        vec![
            ("version", format!("{major}.{minor}")),
            ("variant", if self.header.is_fixed { "fixed" } else { "dynamic" }.into()),
            ("block size", self.block_size.to_string()),
            ("allocated blocks", self.header.allocated.to_string()),
        ]
    }

    /// Looks whether blocks lie where header and table are, and whether there are as many as the header says.
    fn check(&self, findings: &mut Findings) -> io::Result<()> {
        let blocks = self.header.disk_size.div_ceil(self.block_size);
        let end = self.entry_at(blocks).max(spec::HEADER_SIZE as u64);
        let mut allocated = 0;
        for index in 0..blocks {
            let entry = self.entry(index)?;
            if entry < ZERO {
                allocated += 1;
                let at = self.data_at(entry);
                if at < end {
                    findings.add(self.damage(index, format!("its block is at {at}, where header and table are")));
                }
            }
        }
        let claimed = self.header.allocated;
        if allocated != u64::from(claimed) {
            let problem = format!("it is {claimed}, and there are {allocated}");
            findings.add(Damage::new(self.storage(), spec::ALLOCATED as u64, "number of allocated blocks", problem));
        }
        Ok(())
    }
}
