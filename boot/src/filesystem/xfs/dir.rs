//! Directories: in the inode, or in blocks of entries. The index of large ones (leaf and node blocks) is not needed to read
//! them, nor to look for one name once.

use std::ops::ControlFlow;

use super::super::volume::Block;
use super::super::{FileKind, FsError};
use super::spec;

/// A name, what it stands for where that is said, and the inode's number.
pub type Each<'a> = dyn FnMut(&[u8], Option<FileKind>, u64) -> Result<ControlFlow<()>, FsError> + 'a;

/// Visits a directory that is in its inode (`xfs_dir2_sf`).
pub fn short(fork: &Block, ftype: bool, each: &mut Each<'_>) -> Result<(), FsError> {
    let wide = fork.u8(1)? > 0;
    let number_len = if wide { 8 } else { 4 };
    let mut at = 2 + number_len;
    for _ in 0..fork.u8(0)? {
        let name_len = usize::from(fork.u8(at)?);
        let name = fork.slice(at + 3..at + 3 + name_len)?;
        at += 3 + name_len;
        let kind = if ftype { kind(fork.u8(at)?) } else { None };
        at += usize::from(ftype);
        let inode = if wide { fork.be64(at)? } else { u64::from(fork.be32(at)?) };
        at += number_len;
        if each(name, kind, inode)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Visits the entries in a block (`xfs_dir2_data`).
pub fn entries(block: &Block, v5: bool, ftype: bool, each: &mut Each<'_>) -> Result<ControlFlow<()>, FsError> {
    let magic = Some(block.be32(0)?);
    let version = usize::from(v5);
    let end = if magic == spec::BLOCK_MAGIC.get(version).copied() {
        // The index is at the block's end.
        let tail = block.len() - 8;
        let index = (block.be32(tail)? as usize).saturating_mul(8);
        tail.checked_sub(index)
            .ok_or_else(|| block.damaged(tail, "the index of a directory is longer than the block"))?
    } else if magic == spec::DATA_MAGIC.get(version).copied() {
        block.len()
    } else {
        return Err(block.damaged(0, "this is no block of a directory"));
    };
    let mut at = if v5 { 64 } else { 16 };
    while at + 8 <= end {
        if block.be16(at)? == spec::FREE_TAG {
            let len = usize::from(block.be16(at + 2)?);
            if len < 8 {
                return Err(block.damaged(at, "a gap in a directory has an absurd length"));
            }
            at += len;
            continue;
        }
        let name_len = usize::from(block.u8(at + 8)?);
        let name = block.slice(at + 9..at + 9 + name_len)?;
        let kind = if ftype { kind(block.u8(at + 9 + name_len)?) } else { None };
        let inode = block.be64(at)?;
        at += (9 + name_len + usize::from(ftype) + 2).next_multiple_of(8);
        if at > end {
            return Err(block.damaged(end, "an entry of a directory is longer than the block"));
        }
        if name != b"." && name != b".." && !name.is_empty() && each(name, kind, inode)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// `XFS_DIR3_FT_*`.
fn kind(byte: u8) -> Option<FileKind> {
    match byte {
        1 => Some(FileKind::File),
        2 => Some(FileKind::Directory),
        3..=6 => Some(FileKind::Other),
        7 => Some(FileKind::Link),
        _ => None,
    }
}
