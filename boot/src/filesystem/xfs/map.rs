//! From a file's bytes to those of the volume: lists and trees of extents.

use std::sync::Arc;

use super::super::FsError;
use super::super::mapped::{Map, Piece, Place};
use super::super::volume::Block;
use super::Xfs;
use super::inode::Inode;
use super::spec;

/// The length of an extent, in bytes.
const RECORD: usize = 16;

/// Which blocks a file has, looked up anew for each piece.
#[derive(Debug)]
pub struct Extents {
    xfs: Arc<Xfs>,
    fork: Block,
    /// How many extents are in the fork; `None` if it is the root of a tree.
    listed: Option<usize>,
}

/// A part of a file (`xfs_bmbt_rec`), in blocks.
struct Extent {
    offset: u64,
    start: u64,
    len: u64,
    unwritten: bool,
}

impl Extent {
    fn read(block: &Block, at: usize) -> Result<Self, FsError> {
        let (high, low) = (block.be64(at)?, block.be64(at + 8)?);
        Ok(Self {
            unwritten: high >> 63 != 0,
            offset: high >> 9 & ((1 << 54) - 1),
            start: (high & 0x1ff) << 43 | low >> 21,
            len: low & ((1 << 21) - 1),
        })
    }
}

impl Extents {
    /// The blocks of `inode`.
    pub fn new(xfs: Arc<Xfs>, inode: &Inode) -> Result<Self, FsError> {
        let listed = match inode.format {
            spec::FORMAT_EXTENTS => {
                let count = usize::try_from(inode.extents).unwrap_or(usize::MAX);
                if count > inode.fork.len() / RECORD {
                    return Err(inode.fork.damaged(0, "an inode has more extents than room"));
                }
                Some(count)
            }
            spec::FORMAT_BTREE => None,
            format => return Err(inode.fork.damaged(0, format!("a file's blocks are in a format {format}"))),
        };
        Ok(Self { xfs, fork: inode.fork.clone(), listed })
    }

    /// The block that `wanted` is in: its number, `None` for a hole, and for how many blocks.
    fn find(&self, wanted: u64) -> Result<(Option<u64>, u64), FsError> {
        match self.listed {
            Some(count) => in_list(&self.fork, 0, count, wanted, u64::MAX),
            None => self.in_tree(wanted),
        }
    }

    fn in_tree(&self, wanted: u64) -> Result<(Option<u64>, u64), FsError> {
        let mut level = self.fork.be16(0)?;
        if level == 0 || level > spec::MAX_LEVEL {
            return Err(self.fork.damaged(0, "a tree of extents has no level, or too many"));
        }
        let mut node = self.fork.clone();
        let mut header = 4;
        let mut bound = u64::MAX;
        let magic = spec::BMAP_MAGIC.get(usize::from(self.xfs.superblock.v5)).copied();
        while level > 0 {
            let room = node.len().saturating_sub(header) / 16;
            let count = usize::from(node.be16(header_count(header))?);
            if count > room {
                return Err(node.damaged(0, "a node of a tree of extents has more entries than room"));
            }
            let (index, next) = search(count, wanted, |index| node.be64(header + index * 8))?;
            bound = bound.min(next);
            let Some(index) = index else { return Ok((None, bound - wanted)) };
            let child = node.be64(header + room * 8 + index * 8)?;
            node = self.xfs.block(child)?;
            level -= 1;
            if Some(node.be32(0)?) != magic || node.be16(4)? != level {
                return Err(node.damaged(0, "this is no node of a tree of extents, or one at another level"));
            }
            header = if self.xfs.superblock.v5 { 72 } else { 24 };
        }
        let count = usize::from(node.be16(header_count(header))?);
        in_list(&node, header, count, wanted, bound)
    }
}

/// Where a node says how many entries it has: the root is shorter than the others.
fn header_count(header: usize) -> usize {
    if header == 4 { 2 } else { 6 }
}

/// Looks for `wanted` in the `count` extents at `at`; what comes behind begins at `bound`.
fn in_list(block: &Block, at: usize, count: usize, wanted: u64, bound: u64) -> Result<(Option<u64>, u64), FsError> {
    let (index, next) = search(count, wanted, |index| Ok(Extent::read(block, at + index * RECORD)?.offset))?;
    let bound = bound.min(next);
    let Some(index) = index else { return Ok((None, bound - wanted)) };
    let extent = Extent::read(block, at + index * RECORD)?;
    let ahead = wanted - extent.offset;
    if ahead >= extent.len {
        return Ok((None, bound - wanted));
    }
    let len = (extent.len - ahead).min(bound - wanted);
    Ok(((!extent.unwritten).then(|| extent.start.saturating_add(ahead)), len))
}

/// The last of `count` entries that begins at `wanted` or before, and where the one behind it begins, which is always behind
/// `wanted`, also when the entries are in no order.
fn search(
    count: usize,
    wanted: u64,
    begin: impl Fn(usize) -> Result<u64, FsError>,
) -> Result<(Option<usize>, u64), FsError> {
    let (mut low, mut high) = (0, count);
    let mut next = u64::MAX;
    while low < high {
        let middle = usize::midpoint(low, high);
        let start = begin(middle)?;
        if start <= wanted {
            low = middle + 1;
        } else {
            (high, next) = (middle, start);
        }
    }
    Ok((low.checked_sub(1), next))
}

impl Map for Extents {
    fn piece(&self, offset: u64) -> Result<Piece, FsError> {
        let size = u64::from(self.xfs.superblock.block_size);
        let inside = offset % size;
        let (block, len) = self.find(offset / size)?;
        let place = match block {
            Some(number) => Place::At(self.xfs.superblock.block_place(&self.xfs.volume, number)? + inside),
            None => Place::Hole,
        };
        Ok(Piece { place, len: len.saturating_mul(size) - inside })
    }
}
