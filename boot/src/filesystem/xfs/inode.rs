//! Inodes.

use super::super::volume::{Block, Volume};
use super::super::{FsError, Metadata, kind_of_mode};
use super::spec;
use super::superblock::SuperBlock;

/// An inode.
#[derive(Debug, Clone)]
pub struct Inode {
    /// What it is, how long, how old.
    pub metadata: Metadata,
    /// `di_format`.
    pub format: u8,
    /// How many extents the data fork has.
    pub extents: u64,
    /// The data fork.
    pub fork: Block,
    realtime: bool,
}

impl Inode {
    /// Inode `number`.
    pub fn read(volume: &Volume, superblock: &SuperBlock, number: u64) -> Result<Self, FsError> {
        let raw = volume.read(superblock.inode_place(volume, number)?, usize::from(superblock.inode_size))?;
        if raw.be16(0)? != spec::INODE_MAGIC {
            return Err(raw.damaged(0, format!("there is no inode {number}")));
        }
        let (core, flags2) = if raw.u8(4)? >= 3 { (176, raw.be64(120)?) } else { (100, 0) };
        let fork_len = match usize::from(raw.u8(82)?) * 8 {
            0 => raw.len() - core,
            len => len.min(raw.len() - core),
        };
        let modified = if flags2 & spec::FLAG2_BIGTIME != 0 {
            (raw.be64(40)? / 1_000_000_000).cast_signed() - (1 << 31)
        } else {
            i64::from(raw.be32(40)?.cast_signed())
        };
        Ok(Self {
            metadata: Metadata { kind: kind_of_mode(u32::from(raw.be16(2)?)), len: raw.be64(56)?, modified },
            format: raw.u8(5)?,
            extents: if flags2 & spec::FLAG2_NREXT64 != 0 { raw.be64(24)? } else { u64::from(raw.be32(76)?) },
            realtime: raw.be16(90)? & spec::FLAG_REALTIME != 0,
            fork: raw.part(core..core + fork_len)?,
        })
    }

    /// The bytes of a file that is in its inode.
    pub fn local(&self) -> Result<Block, FsError> {
        match usize::try_from(self.metadata.len) {
            Ok(len) if len <= self.fork.len() => self.fork.part(0..len),
            _ => Err(self.fork.damaged(0, "what is in an inode is longer than the inode")),
        }
    }

    /// Refuses a file whose bytes are on another volume.
    pub fn check(&self) -> Result<(), FsError> {
        if self.realtime { Err(self.fork.damaged(0, "the file is on the realtime volume")) } else { Ok(()) }
    }
}
