//! From a file's bytes to those of the volume: extent trees, and the pointers to blocks that were before them.

use std::sync::Arc;

use super::super::FsError;
use super::super::mapped::{Map, Piece, Place};
use super::super::volume::{Block, Volume};
use super::inode::Inode;
use super::spec;

/// Which blocks a file has. Both kinds are looked up anew for each piece: nothing is allocated for a file, however many
/// extents it claims.
#[derive(Debug)]
pub struct Blocks {
    volume: Arc<Volume>,
    block_size: u32,
    /// `i_block`.
    root: Block,
    extents: bool,
}

/// A row of blocks of a file.
struct Run {
    /// The number of the first one on the volume; `None` for a hole.
    start: Option<u64>,
    len: u64,
}

impl Blocks {
    /// The blocks of `inode`.
    pub fn new(volume: Arc<Volume>, block_size: u32, inode: &Inode) -> Result<Self, FsError> {
        Ok(Self { volume, block_size, root: inode.block()?, extents: inode.flags & spec::FLAG_EXTENTS != 0 })
    }

    fn block(&self, number: u64) -> Result<Block, FsError> {
        let offset = number.saturating_mul(u64::from(self.block_size));
        self.volume.read(offset, self.block_size as usize)
    }

    /// The run that `wanted` is in, found in the extent tree.
    fn by_extents(&self, wanted: u64) -> Result<Run, FsError> {
        let mut node = self.root.clone();
        let mut depth = node.le16(6)?;
        if depth > spec::EXTENT_DEPTH {
            return Err(node.damaged(6, "an extent tree is too deep"));
        }
        // Where the next branch begins: as far as a hole may reach.
        let mut bound = u64::MAX;
        loop {
            if node.le16(0)? != spec::EXTENT_MAGIC || node.le16(6)? != depth {
                return Err(node.damaged(0, "this is no node of an extent tree, or one at another depth"));
            }
            let (entry, next) = self.search(&node, wanted)?;
            bound = bound.min(next);
            let Some(entry) = entry else {
                return Ok(Run { start: None, len: bound.saturating_sub(wanted).max(1) });
            };
            if depth == 0 {
                return extent(&node, entry, wanted, bound);
            }
            let child = u64::from(node.le32(entry + 4)?) | u64::from(node.le16(entry + 8)?) << 32;
            node = self.block(child)?;
            depth -= 1;
        }
    }

    /// Where in `node` the last entry is that begins at `wanted` or before, and the block at which the entry behind it
    /// begins.
    fn search(&self, node: &Block, wanted: u64) -> Result<(Option<usize>, u64), FsError> {
        let count = usize::from(node.le16(2)?);
        if (count + 1) * spec::EXTENT_LEN > node.len() {
            return Err(node.damaged(2, "an extent tree's node has more entries than room"));
        }
        let place = |index: usize| (index + 1) * spec::EXTENT_LEN;
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = usize::midpoint(low, high);
            if u64::from(node.le32(place(middle))?) <= wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let next = if low < count { u64::from(node.le32(place(low))?) } else { u64::MAX };
        Ok((low.checked_sub(1).map(place), next))
    }

    /// The run that `wanted` is in, found by pointers (ext2).
    fn by_pointers(&self, wanted: u64) -> Result<Run, FsError> {
        let per_block = u64::from(self.block_size / 4);
        let mut inside = wanted;
        let mut table = self.root.clone();
        let (mut slot, mut levels) = (wanted, 0);
        // How many blocks a pointer of the table stands for.
        let mut span = 1;
        if wanted >= 12 {
            inside -= 12;
            (slot, levels, span) = (12, 1, per_block);
            while inside >= span {
                inside -= span;
                slot += 1;
                levels += 1;
                span = span.saturating_mul(per_block);
            }
            if slot > 14 {
                return Err(self.root.damaged(0, "a file is longer than its pointers reach"));
            }
        }
        while levels > 0 {
            let pointer = pointer(&table, slot)?;
            if pointer == 0 {
                return Ok(Run { start: None, len: span - inside % span });
            }
            table = self.block(pointer)?;
            span /= per_block;
            slot = inside / span % per_block;
            levels -= 1;
        }
        let end = if wanted < 12 { 12 } else { per_block };
        let first = pointer(&table, slot)?;
        let follows = |ahead: u64| if first == 0 { 0 } else { first + ahead };
        let mut len = 1;
        while slot + len < end && pointer(&table, slot + len)? == follows(len) {
            len += 1;
        }
        Ok(Run { start: (first != 0).then_some(first), len })
    }
}

/// The run from `wanted` on in the extent at `entry`, or in the hole behind it.
fn extent(node: &Block, entry: usize, wanted: u64, bound: u64) -> Result<Run, FsError> {
    let first = u64::from(node.le32(entry)?);
    let claimed = node.le16(entry + 4)?;
    let unwritten = claimed > spec::EXTENT_UNWRITTEN;
    let len = u64::from(if unwritten { claimed - spec::EXTENT_UNWRITTEN } else { claimed });
    let start = u64::from(node.le16(entry + 6)?) << 32 | u64::from(node.le32(entry + 8)?);
    let ahead = wanted - first;
    if ahead >= len {
        return Ok(Run { start: None, len: bound.saturating_sub(wanted).max(1) });
    }
    Ok(Run { start: (!unwritten).then_some(start + ahead), len: (len - ahead).min(bound - wanted) })
}

fn pointer(table: &Block, slot: u64) -> Result<u64, FsError> {
    table.le32(usize::try_from(slot).unwrap_or(usize::MAX).saturating_mul(4)).map(u64::from)
}

impl Map for Blocks {
    fn piece(&self, offset: u64) -> Result<Piece, FsError> {
        let size = u64::from(self.block_size);
        let (block, inside) = (offset / size, offset % size);
        let run = if self.extents { self.by_extents(block)? } else { self.by_pointers(block)? };
        let place = match run.start {
            Some(start) => Place::At(start.saturating_mul(size).saturating_add(inside)),
            None => Place::Hole,
        };
        Ok(Piece { place, len: run.len.saturating_mul(size) - inside })
    }
}
