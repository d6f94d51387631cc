//! Directories: entries one after the other. Those with an index (htree) hide it in entries that stand for nothing, so they
//! are read the same way.

use std::ops::ControlFlow;

use super::super::volume::Block;
use super::super::{FileKind, FsError};

/// An entry.
#[derive(Debug)]
pub struct Entry<'b> {
    /// The inode's number.
    pub inode: u32,
    /// The name.
    pub name: &'b [u8],
    /// What it stands for, where the entry says so.
    pub kind: Option<FileKind>,
}

/// Visits the entries in `block` from `start` on. `typed` says whether they say what they stand for.
pub fn entries(
    block: &Block,
    start: usize,
    typed: bool,
    visit: &mut dyn FnMut(Entry<'_>) -> Result<ControlFlow<()>, FsError>,
) -> Result<ControlFlow<()>, FsError> {
    let mut at = start;
    while at + 8 <= block.len() {
        let len = record_len(block.le16(at + 4)?, block.len());
        let name_len = usize::from(block.u8(at + 6)?);
        if len < 8 || !len.is_multiple_of(4) || at + len > block.len() || 8 + name_len > len {
            return Err(block.damaged(at, "an entry of a directory has an absurd length"));
        }
        let entry = Entry {
            inode: block.le32(at)?,
            name: block.slice(at + 8..at + 8 + name_len)?,
            kind: if typed { kind(block.u8(at + 7)?) } else { None },
        };
        at += len;
        if entry.inode == 0 || entry.name == b"." || entry.name == b".." || entry.name.is_empty() {
            continue;
        }
        if visit(entry)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Lengths are multiples of four; where a block has 64 KiB, the two lowest bits are the highest ones.
fn record_len(raw: u16, block_len: usize) -> usize {
    match usize::from(raw) {
        0 | 0xffff if block_len >= 0x1_0000 => 0x1_0000,
        raw if block_len >= 0x1_0000 => (raw & 0xfffc) | (raw & 3) << 16,
        raw => raw,
    }
}

/// ext4, "Linear (Classic) Directories": `file_type`.
fn kind(byte: u8) -> Option<FileKind> {
    match byte {
        1 => Some(FileKind::File),
        2 => Some(FileKind::Directory),
        3..=6 => Some(FileKind::Other),
        7 => Some(FileKind::Link),
        _ => None,
    }
}
