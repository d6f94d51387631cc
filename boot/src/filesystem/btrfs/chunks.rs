//! Chunks: from logical addresses, which everything else has, to places on the device.

use super::super::FsError;
use super::super::volume::{Block, Volume};
use super::spec;

/// The most chunks of a file system: most are 1 GiB long, or longer.
const MAX_CHUNKS: usize = 1 << 16;

/// A row of logical addresses that lie beside one another on the device.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    logical: u64,
    len: u64,
    /// `None` if it is on another device, or spread over several.
    place: Option<u64>,
}

/// All chunks that are known.
#[derive(Debug, Default)]
pub struct Chunks {
    /// In the order of their logical addresses.
    sorted: Vec<Chunk>,
}

impl Chunks {
    /// Those that the super block itself names, on the device that is called `device`.
    pub fn of_system(superblock: &Block, device: u64) -> Result<Self, FsError> {
        let len = superblock.le32(0xa0)? as usize;
        if len > spec::SYSTEM_CHUNKS_LEN {
            return Err(superblock.damaged(0xa0, "the first chunks are longer than their place"));
        }
        let array = superblock.part(spec::SYSTEM_CHUNKS..spec::SYSTEM_CHUNKS + len)?;
        let mut this = Self::default();
        let mut at = 0;
        while at < len {
            let logical = array.le64(at + 9)?;
            let stripes = usize::from(array.le16(at + spec::KEY + 44)?);
            let end = at + spec::KEY + 48 + stripes * 32;
            this.add(logical, &array.part(at + spec::KEY..end)?, device)?;
            at = end;
        }
        Ok(this)
    }

    /// Adds the chunk that `item` describes. It counts if none that is known begins at the same address.
    pub fn add(&mut self, logical: u64, item: &Block, device: u64) -> Result<(), FsError> {
        let (len, kind, count) = (item.le64(0)?, item.le64(24)?, usize::from(item.le16(44)?));
        let mut place = None;
        for index in 0..count {
            let stripe = 48 + index * 32;
            if item.le64(stripe)? == device && (kind & spec::STRIPED == 0 || count == 1) {
                place = Some(item.le64(stripe + 8)?);
                break;
            }
        }
        let index = self.sorted.partition_point(|chunk| chunk.logical < logical);
        if self.sorted.get(index).is_some_and(|chunk| chunk.logical == logical) {
            return Ok(());
        }
        if self.sorted.len() >= MAX_CHUNKS {
            return Err(FsError::Limit(format!("a btrfs has more than {MAX_CHUNKS} chunks")));
        }
        // In the order of the tree, so this is nearly always the end.
        self.sorted.insert(index, Chunk { logical, len, place });
        Ok(())
    }

    /// Where `logical` is on the device, and for how many bytes that is so.
    pub fn place(&self, volume: &Volume, logical: u64) -> Result<(u64, u64), FsError> {
        let wrong = |what: &str| volume.damaged(spec::SUPER_BLOCK, format!("the btrfs address {logical:#x} {what}"));
        let index = self.sorted.partition_point(|chunk| chunk.logical <= logical);
        let chunk = index.checked_sub(1).and_then(|index| self.sorted.get(index));
        let chunk = chunk.filter(|chunk| logical - chunk.logical < chunk.len).ok_or_else(|| wrong("is in no chunk"))?;
        let place = chunk.place.ok_or_else(|| wrong("is on another device, or spread over several"))?;
        let ahead = logical - chunk.logical;
        Ok((place.saturating_add(ahead), chunk.len - ahead))
    }
}
