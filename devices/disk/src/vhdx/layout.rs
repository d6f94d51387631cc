//! Where the blocks are ([MS-VHDX] 2.4 and 2.5).

use std::io;
use std::sync::Arc;

use crate::check::Findings;
use crate::error::{Damage, LayoutError};
use crate::image::layout::{Layout, Piece, Run, Stamp};
use crate::image::tables::Tables;
use crate::storage::Storage;
use crate::vhd::{Order, sector_run};

use super::check;
use super::header::{Header, Regions, text_of};
use super::metadata::Metadata;
use super::spec::{self, ALIGNMENT, BAT_ENTRY_SIZE, FILE_OFFSET, STATE};

/// How far a row of like blocks is followed: to the end of this many bytes of the table.
const PAGE: u64 = 4096;

/// The map of an image.
#[derive(Debug)]
pub struct Blocks {
    storage: [Arc<dyn Storage>; 1],
    pub(super) tables: Tables,
    pub(super) header: Header,
    pub(super) regions: Regions,
    pub(super) metadata: Metadata,
    creator: String,
    pub(super) block_size: u64,
    /// Payload blocks for which there is one sector bitmap.
    chunk_ratio: u64,
}

impl Blocks {
    /// The blocks that the table in `regions` finds, in `storage`, whose log is replayed.
    pub fn new(
        storage: Arc<dyn Storage>,
        header: Header,
        regions: Regions,
        metadata: Metadata,
        creator: String,
    ) -> Result<Self, LayoutError> {
        let block_size = u64::from(metadata.block_size);
        let chunk_ratio = spec::CHUNK_SECTORS * u64::from(metadata.sector_size) / block_size;
        let tables = Tables::new(Arc::clone(&storage));
        let blocks = Self { storage: [storage], tables, header, regions, metadata, creator, block_size, chunk_ratio };
        let needed = blocks.entries() * BAT_ENTRY_SIZE;
        let bat = blocks.regions.bat;
        if u64::from(bat.length) < needed {
            let problem = format!("its region has {} bytes, and {needed} are needed", bat.length);
            return Err(Damage::new(blocks.storage(), bat.offset, "BAT", problem).into());
        }
        Ok(blocks)
    }

    pub(super) fn storage(&self) -> &dyn Storage {
        let [storage] = &self.storage;
        storage.as_ref()
    }

    /// Payload blocks of the disk.
    pub(super) fn blocks(&self) -> u64 {
        self.metadata.disk_size.div_ceil(self.block_size)
    }

    /// Entries of the table: in differencing images, that of the last chunk's bitmap counts (2.5).
    fn entries(&self) -> u64 {
        match self.blocks() {
            0 => 0,
            blocks if self.metadata.parent.is_some() => blocks.div_ceil(self.chunk_ratio) * (self.chunk_ratio + 1),
            blocks => blocks + (blocks - 1) / self.chunk_ratio,
        }
    }

    /// The number of the entry of payload block `index`: after each chunk, there is that of its bitmap.
    pub(super) fn payload(&self, index: u64) -> u64 {
        index + index / self.chunk_ratio
    }

    /// The number of the entry of the bitmap of payload block `index`.
    pub(super) fn bitmap(&self, index: u64) -> u64 {
        (index / self.chunk_ratio + 1) * (self.chunk_ratio + 1) - 1
    }

    /// Chunks of the disk.
    pub(super) fn chunks(&self) -> u64 {
        self.blocks().div_ceil(self.chunk_ratio)
    }

    /// Payload blocks of a chunk.
    pub(super) fn chunk_ratio(&self) -> u64 {
        self.chunk_ratio
    }

    /// Where entry `number` is. The table was checked to be in the file.
    fn entry_at(&self, number: u64) -> u64 {
        self.regions.bat.offset + number * BAT_ENTRY_SIZE
    }

    /// State and place of entry `number`.
    pub(super) fn entry(&self, number: u64) -> io::Result<(u64, u64)> {
        let entry = u64::from_le_bytes(self.tables.array(self.entry_at(number))?);
        Ok((entry & STATE, entry & FILE_OFFSET))
    }

    pub(super) fn damage(&self, number: u64, problem: String) -> Damage {
        Damage::new(self.storage(), self.entry_at(number), "BAT Entry", problem)
    }

    /// How many bytes from `offset` on are in the row of blocks of which the first one is `index`: all in the same state,
    /// and, if they are there, one after the other.
    fn row(&self, offset: u64, limit: u64, index: u64, (state, place): (u64, u64)) -> io::Result<u64> {
        let mut next = index + 1;
        let end = offset.saturating_add(limit);
        while next * self.block_size < end && self.entry_at(self.payload(next)) % PAGE >= BAT_ENTRY_SIZE {
            let (next_state, next_place) = self.entry(self.payload(next))?;
            let expected = place.checked_add((next - index) * self.block_size);
            if next_state != state || state == spec::PRESENT && Some(next_place) != expected {
                break;
            }
            next += 1;
        }
        Ok((next * self.block_size - offset).min(limit))
    }

    /// Bytes of the block `index`, which is at `place`, from `within` it on.
    fn stored(&self, index: u64, place: u64, within: u64, len: u64) -> io::Result<Run> {
        let at = place.checked_add(within);
        let own = len.min(self.block_size - within);
        let left = at.map_or(0, |at| self.storage().size().saturating_sub(at));
        match at {
            Some(offset) if left >= own && place >= ALIGNMENT => {
                // Of a later block of the row, it will be said when it is looked for.
                Ok(Run { piece: Piece::Stored { storage: 0, offset }, len: len.min(left) })
            }
            _ => {
                let problem = format!("its block is at {place}, where this file has none");
                Err(self.damage(self.payload(index), problem).into())
            }
        }
    }

    /// Whether the sector at `within` of block `index` is in this image, and for how many bytes it goes on so.
    fn sectors(&self, index: u64, within: u64) -> io::Result<(bool, u64)> {
        let number = self.bitmap(index);
        let (state, place) = self.entry(number)?;
        let inside = place.checked_add(spec::BITMAP_SIZE).is_some_and(|end| end <= self.storage().size());
        if state != spec::PRESENT || !inside || place < ALIGNMENT {
            let problem = format!("its block is partially present, and its sector bitmap is not (state {state})");
            return Err(self.damage(number, problem).into());
        }
        let sector = u64::from(self.metadata.sector_size);
        let bit = (index % self.chunk_ratio * self.block_size + within) / sector;
        let (set, sectors) = sector_run(&self.tables, place, bit, Order::Lsb)?;
        Ok((set, sectors * sector - within % sector))
    }
}

impl Layout for Blocks {
    fn size(&self) -> u64 {
        self.metadata.disk_size
    }

    fn storages(&self) -> &[Arc<dyn Storage>] {
        &self.storage
    }

    fn map(&self, offset: u64, limit: u64) -> io::Result<Run> {
        // The table has no entries for more.
        let limit = limit.min(self.size().saturating_sub(offset));
        let (index, within) = (offset / self.block_size, offset % self.block_size);
        let number = self.payload(index);
        let (state, place) = self.entry(number)?;
        match state {
            spec::PARTIALLY_PRESENT if self.metadata.parent.is_some() => {
                let (set, sectors) = self.sectors(index, within)?;
                let len = limit.min(sectors).min(self.block_size - within);
                if set { self.stored(index, place, within, len) } else { Ok(Run { piece: Piece::Absent, len }) }
            }
            spec::PRESENT => {
                let len = self.row(offset, limit, index, (state, place))?;
                self.stored(index, place, within, len)
            }
            spec::NOT_PRESENT => Ok(Run { piece: Piece::Absent, len: self.row(offset, limit, index, (state, place))? }),
            // What the guest gave up: any bytes would do, and zeroes tell nothing.
            spec::UNDEFINED | spec::ZERO | spec::UNMAPPED | spec::OLD_UNMAPPED => {
                Ok(Run { piece: Piece::Zero, len: self.row(offset, limit, index, (state, place))? })
            }
            other => Err(self.damage(number, format!("a block of this image is in no state {other}")).into()),
        }
    }

    fn stamp(&self) -> Option<Stamp> {
        Some(Stamp::Uuid(self.header.data_write_guid))
    }

    fn block_size(&self) -> Option<u64> {
        Some(self.block_size)
    }

    fn details(&self) -> Vec<(&'static str, String)> {
        let variant = match (&self.metadata.parent, self.metadata.is_fixed) {
            (Some(_), _) => "differencing",
            (None, true) => "fixed",
            (None, false) => "dynamic",
        };
        let mut details = vec![
            ("variant", variant.into()),
            ("creator", self.creator.clone()),
            ("block size", self.block_size.to_string()),
            ("logical sector size", self.metadata.sector_size.to_string()),
        ];
        details.extend(self.metadata.disk_id.map(|id| ("id", text_of(id))));
        if self.header.log_guid != [0; 16] {
            details.push(("log", "replayed in memory: the image was not closed".into()));
        }
        details
    }

    fn check(&self, findings: &mut Findings) -> io::Result<()> {
        check::check(self, findings)
    }
}
