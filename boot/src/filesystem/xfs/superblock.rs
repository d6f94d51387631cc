//! The super block, and how numbers of blocks and inodes become places.

use super::super::tree::About;
use super::super::volume::{Block, MAX_BLOCK, Volume};
use super::super::{FsError, label_text, uuid_text};
use super::spec;

/// What the super block says.
#[derive(Debug)]
pub struct SuperBlock {
    /// The length of a block, in bytes.
    pub block_size: u32,
    /// The length of a block of a directory, in bytes.
    pub dir_block: u32,
    /// The length of an inode, in bytes.
    pub inode_size: u16,
    /// The root directory.
    pub root: u64,
    /// Whether blocks of metadata have the longer headers of version 5.
    pub v5: bool,
    /// Whether entries of directories say what they stand for.
    pub ftype: bool,
    group_blocks: u32,
    groups: u32,
    /// How many bits of a block's number are those inside its group.
    group_bits: u8,
    /// How many bits of an inode's number are those inside its block.
    inode_bits: u8,
}

impl SuperBlock {
    /// Reads and checks it. `None` if it is not there.
    pub fn read(volume: &Volume) -> Result<Option<(Self, About)>, FsError> {
        if volume.size() < 512 {
            return Ok(None);
        }
        let raw = volume.read(0, 512)?;
        if raw.be32(0)? != spec::MAGIC {
            return Ok(None);
        }
        let this = Self::parse(&raw)?;
        let mut notes = Vec::new();
        if this.v5 && raw.be32(216)? & spec::INCOMPAT_NEEDS_REPAIR != 0 {
            notes.push("this xfs is marked as damaged: xfs_repair has to see it".to_owned());
        }
        let label = label_text(raw.slice(108..120)?);
        Ok(Some((this, About { kind: "xfs", uuid: uuid_text(raw.array(32)?), label, notes })))
    }

    fn parse(raw: &Block) -> Result<Self, FsError> {
        let version = raw.be16(100)?;
        let v5 = version & 0xf == 5;
        if !matches!(version & 0xf, 4 | 5) || (!v5 && version & spec::VERSION_DIR2 == 0) {
            return Err(raw.damaged(100, format!("this version of xfs is not known: {version:#x}")));
        }
        let incompat = if v5 { raw.be32(216)? } else { 0 };
        if incompat & !spec::INCOMPAT_KNOWN != 0 {
            return Err(raw.damaged(216, format!("this xfs has features that are not known: {incompat:#x}")));
        }
        let block_size = raw.be32(4)?;
        let this = Self {
            block_size,
            dir_block: block_size.checked_shl(u32::from(raw.u8(192)?)).unwrap_or_default(),
            inode_size: raw.be16(104)?,
            root: raw.be64(56)?,
            v5,
            ftype: if v5 { incompat & spec::INCOMPAT_FTYPE != 0 } else { raw.be32(200)? & spec::FEATURES2_FTYPE != 0 },
            group_blocks: raw.be32(84)?,
            groups: raw.be32(88)?,
            group_bits: raw.u8(124)?,
            inode_bits: raw.u8(123)?,
        };
        let inode = u32::from(this.inode_size);
        let checks = [
            (4, block_size.is_power_of_two() && (512..=MAX_BLOCK).contains(&(block_size as usize)), "size of a block"),
            (192, this.dir_block >= block_size && this.dir_block as usize <= MAX_BLOCK, "size of a directory's block"),
            (104, inode.is_power_of_two() && inode >= 256 && inode <= block_size.min(2048), "size of an inode"),
            (123, block_size.checked_shr(u32::from(this.inode_bits)) == Some(inode), "number of inodes in a block"),
            (124, this.group_bits <= 31 && this.group_blocks <= 1 << this.group_bits.min(31), "size of a group"),
            (84, this.group_blocks > 0 && this.groups > 0, "size of a group"),
        ];
        match checks.iter().find(|(_, right, _)| !right) {
            Some((offset, _, what)) => Err(raw.damaged(*offset, format!("the {what} of an xfs is absurd"))),
            None => Ok(this),
        }
    }

    /// Where block `number` is, in bytes.
    pub fn block_place(&self, volume: &Volume, number: u64) -> Result<u64, FsError> {
        let (group, inside) = (number >> self.group_bits, number & ((1 << self.group_bits) - 1));
        if group >= u64::from(self.groups) || inside >= u64::from(self.group_blocks) {
            return Err(volume.damaged(0, format!("an xfs of {} groups names block {number:#x}", self.groups)));
        }
        let block = group * u64::from(self.group_blocks) + inside;
        block
            .checked_mul(u64::from(self.block_size))
            .filter(|place| *place < volume.size())
            .ok_or_else(|| volume.damaged(0, format!("block {number:#x} of an xfs is beyond the volume")))
    }

    /// Where inode `number` is, in bytes.
    pub fn inode_place(&self, volume: &Volume, number: u64) -> Result<u64, FsError> {
        let block = self.block_place(volume, number >> self.inode_bits)?;
        let inside = number & ((1 << self.inode_bits) - 1);
        Ok(block + inside * u64::from(self.inode_size))
    }
}
