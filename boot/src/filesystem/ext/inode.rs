//! Inodes.

use std::sync::Arc;

use super::super::volume::{Block, Volume};
use super::super::{FsError, Metadata, kind_of_mode};
use super::spec;
use super::superblock::SuperBlock;

/// An inode, as it is on the volume.
#[derive(Debug, Clone)]
pub struct Inode {
    raw: Block,
    /// What it is, how long, how old.
    pub metadata: Metadata,
    /// `i_flags`.
    pub flags: u32,
}

impl Inode {
    /// Inode `number`.
    pub fn read(volume: &Volume, superblock: &SuperBlock, number: u32) -> Result<Self, FsError> {
        let place = superblock.inode_place(volume, number)?;
        let raw = volume.read(place, usize::from(superblock.inode_size))?;
        let kind = kind_of_mode(u32::from(raw.le16(0)?));
        let wide = kind == super::FileKind::File || superblock.incompat & spec::LARGE_DIR != 0;
        let high = if wide { u64::from(raw.le32(0x6c)?) << 32 } else { 0 };
        // The field behind the inode's first 128 bytes says how many more are used. The clock's upper bits are among them.
        let extra = if superblock.inode_size > 128 { raw.le16(0x80)? } else { 0 };
        let epoch = if extra >= 0x0c { i64::from(raw.le32(0x88)? & 3) << 32 } else { 0 };
        let metadata = Metadata {
            kind,
            len: u64::from(raw.le32(4)?) | high,
            modified: i64::from(raw.le32(0x10)?.cast_signed()) + epoch,
        };
        Ok(Self { metadata, flags: raw.le32(0x20)?, raw })
    }

    /// `i_block`: pointers, an extent tree's root, a link's target or a file's first bytes.
    pub fn block(&self) -> Result<Block, FsError> {
        self.raw.part(spec::I_BLOCK..spec::I_BLOCK + spec::I_BLOCK_LEN)
    }

    /// Refuses what cannot be read whatever it holds.
    pub fn check(&self) -> Result<(), FsError> {
        match self.flags {
            flags if flags & spec::FLAG_ENCRYPTED != 0 => Err(self.raw.damaged(0x20, "the file is encrypted")),
            flags if flags & spec::FLAG_COMPRESSED != 0 => {
                Err(self.raw.damaged(0x20, "the file is compressed in a way that Linux does not know any more"))
            }
            _ => Ok(()),
        }
    }

    /// Whether its bytes are in it.
    pub fn is_inline(&self) -> bool {
        self.flags & spec::FLAG_INLINE != 0
    }

    /// The bytes behind the first ones of a file that is in its inode: the value of the attribute `system.data`, if there is
    /// one.
    pub fn inline_rest(&self) -> Result<Block, FsError> {
        let empty = self.raw.part(0..0)?;
        if self.raw.len() <= 128 {
            return Ok(empty);
        }
        let header = 128 + usize::from(self.raw.le16(0x80)?);
        if header + 4 > self.raw.len() || self.raw.le32(header)? != spec::XATTR_MAGIC {
            return Ok(empty);
        }
        let first = header + 4;
        let mut entry = first;
        // Each entry is longer than nothing, and the list ends with the inode at the latest.
        while entry + 16 <= self.raw.len() && self.raw.le32(entry)? != 0 {
            let name_len = usize::from(self.raw.u8(entry)?);
            let name = self.raw.slice(entry + 16..entry + 16 + name_len)?;
            if self.raw.u8(entry + 1)? == spec::XATTR_SYSTEM && name == b"data" {
                let start = first + usize::from(self.raw.le16(entry + 2)?);
                if self.raw.le32(entry + 4)? != 0 {
                    return Err(self.raw.damaged(entry + 4, "the rest of a file in its inode is in another inode"));
                }
                let len = self.raw.le32(entry + 8)? as usize;
                return self.raw.part(start..start.saturating_add(len));
            }
            entry += 16 + name_len.next_multiple_of(4);
        }
        Ok(empty)
    }

    /// All bytes of a file that is in its inode.
    pub fn inline_bytes(&self) -> Result<Arc<[u8]>, FsError> {
        let mut bytes = self.block()?.bytes().to_vec();
        bytes.extend_from_slice(self.inline_rest()?.bytes());
        bytes.truncate(usize::try_from(self.metadata.len).unwrap_or(usize::MAX));
        Ok(bytes.into())
    }
}
