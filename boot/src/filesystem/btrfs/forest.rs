//! Trees: items in the order of their keys.

use std::ops::ControlFlow;

use super::super::FsError;
use super::super::volume::{Block, Volume};
use super::chunks::Chunks;
use super::spec;

/// The most leaves that one walk goes through: a tree of an enemy may have the same leaf at many places.
const MAX_LEAVES: usize = 1 << 14;

/// A key: object, type, offset.
pub type Key = (u64, u8, u64);

/// Is called with a key and the bytes of its item; says whether to go on.
pub type Visit<'a> = dyn FnMut(Key, &Block) -> Result<ControlFlow<()>, FsError> + 'a;

/// Where a tree begins.
#[derive(Debug, Clone, Copy)]
pub struct Root {
    /// The logical address of its root.
    pub address: u64,
    /// The level of its root; leaves have 0.
    pub level: u8,
}

/// The trees of a volume.
#[derive(Debug)]
pub struct Forest<'v> {
    /// The volume.
    pub volume: &'v Volume,
    /// Where its logical addresses are.
    pub chunks: &'v Chunks,
    /// The length of a node, in bytes.
    pub node_size: u32,
}

/// A leaf, and what is known of what comes behind it.
#[derive(Debug)]
pub struct Leaf {
    block: Block,
    /// How many items there are.
    count: usize,
    /// The first key behind the leaf, if anything is behind it.
    bound: Option<Key>,
}

fn key(block: &Block, at: usize) -> Result<Key, FsError> {
    Ok((block.le64(at)?, block.u8(at + 8)?, block.le64(at + 9)?))
}

/// How many of the `count` keys, each `stride` behind the other, are not above `wanted`.
fn not_above(block: &Block, count: usize, stride: usize, wanted: Key) -> Result<usize, FsError> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = usize::midpoint(low, high);
        if key(block, spec::HEADER + middle * stride)? <= wanted {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

impl Leaf {
    /// The index of the last item whose key is not above `wanted`.
    pub fn last(&self, wanted: Key) -> Result<Option<usize>, FsError> {
        Ok(not_above(&self.block, self.count, spec::ITEM, wanted)?.checked_sub(1))
    }

    /// The key of an item; the first one behind the leaf if there are no more.
    pub fn key(&self, index: usize) -> Result<Option<Key>, FsError> {
        if index < self.count { key(&self.block, spec::HEADER + index * spec::ITEM).map(Some) } else { Ok(self.bound) }
    }

    /// The bytes of an item.
    pub fn item(&self, index: usize) -> Result<Block, FsError> {
        let at = spec::HEADER + index * spec::ITEM + spec::KEY;
        let start = spec::HEADER + self.block.le32(at)? as usize;
        self.block.part(start..start + self.block.le32(at + 4)? as usize)
    }
}

impl Forest<'_> {
    /// The leaf in which `wanted` is, if it is anywhere.
    pub fn leaf(&self, root: Root, wanted: Key) -> Result<Leaf, FsError> {
        let Root { mut address, mut level } = root;
        let mut bound = None;
        if level > spec::MAX_LEVEL {
            return Err(self.volume.damaged(spec::SUPER_BLOCK, "a tree of a btrfs is too deep"));
        }
        loop {
            let (block, count) = self.node(address, level)?;
            if level == 0 {
                return Ok(Leaf { block, count, bound });
            }
            let next = not_above(&block, count, spec::POINTER, wanted)?;
            if next < count {
                bound = Some(key(&block, spec::HEADER + next * spec::POINTER)?);
            }
            if count == 0 {
                return Err(block.damaged(96, "a node of a btrfs is empty"));
            }
            let pointer = spec::HEADER + next.saturating_sub(1) * spec::POINTER;
            address = block.le64(pointer + spec::KEY)?;
            level -= 1;
        }
    }

    fn node(&self, address: u64, level: u8) -> Result<(Block, usize), FsError> {
        let (place, _) = self.chunks.place(self.volume, address)?;
        let block = self.volume.read(place, self.node_size as usize)?;
        if block.le64(48)? != address || block.u8(100)? != level {
            return Err(block.damaged(48, "this is no node of a btrfs, or one at another level"));
        }
        let count = block.le32(96)? as usize;
        let stride = if level == 0 { spec::ITEM } else { spec::POINTER };
        if count > (block.len() - spec::HEADER) / stride {
            return Err(block.damaged(96, "a node of a btrfs has more entries than room"));
        }
        Ok((block, count))
    }

    /// The item of exactly this key.
    pub fn get(&self, root: Root, wanted: Key) -> Result<Option<Block>, FsError> {
        let leaf = self.leaf(root, wanted)?;
        match leaf.last(wanted)? {
            Some(index) if leaf.key(index)? == Some(wanted) => leaf.item(index).map(Some),
            _ => Ok(None),
        }
    }

    /// Visits items in the order of their keys, from the first one that is not below `from`.
    pub fn scan(&self, root: Root, mut from: Key, visit: &mut Visit<'_>) -> Result<(), FsError> {
        for _ in 0..MAX_LEAVES {
            let leaf = self.leaf(root, from)?;
            for index in 0..leaf.count {
                let Some(key) = leaf.key(index)?.filter(|key| *key >= from) else { continue };
                if visit(key, &leaf.item(index)?)?.is_break() {
                    return Ok(());
                }
            }
            match leaf.bound {
                Some(next) if next > from => from = next,
                _ => return Ok(()),
            }
        }
        Err(FsError::Limit(format!("a walk through a btrfs goes through more than {MAX_LEAVES} leaves")))
    }
}
