//! The super block, and where it says that the inodes are.

use super::super::tree::About;
use super::super::volume::{Block, MAX_BLOCK, Volume};
use super::super::{FsError, label_text, uuid_text};
use super::spec;

/// What the super block says.
#[derive(Debug)]
pub struct SuperBlock {
    /// The length of a block, in bytes.
    pub block_size: u32,
    /// How many blocks there are.
    pub blocks: u64,
    /// The length of an inode, in bytes.
    pub inode_size: u16,
    /// `s_feature_incompat`.
    pub incompat: u32,
    inodes: u32,
    inodes_per_group: u32,
    blocks_per_group: u32,
    first_block: u32,
    descriptor_size: u32,
    first_meta_group: u32,
    sparse: bool,
    /// The two groups that have copies of the super block, if it is so.
    backups: Option<[u32; 2]>,
}

impl SuperBlock {
    /// Reads and checks it. `None` if it is not there.
    pub fn read(volume: &Volume) -> Result<Option<(Self, About)>, FsError> {
        if volume.size() < spec::SUPER_BLOCK + spec::SUPER_BLOCK_LEN as u64 {
            return Ok(None);
        }
        let raw = volume.read(spec::SUPER_BLOCK, spec::SUPER_BLOCK_LEN)?;
        if raw.le16(0x38)? != spec::MAGIC {
            return Ok(None);
        }
        let this = Self::parse(&raw)?;
        let about = this.about(&raw)?;
        Ok(Some((this, about)))
    }

    fn parse(raw: &Block) -> Result<Self, FsError> {
        let shift = raw.le32(0x18)?;
        let block_size = 1024_u32.checked_shl(shift).filter(|size| shift <= 6 && *size as usize <= MAX_BLOCK);
        let block_size =
            block_size.ok_or_else(|| raw.damaged(0x18, "the block size of an ext file system is absurd"))?;
        // Revision 0 has neither features nor a size of inodes.
        let old = raw.le32(0x4c)? == 0;
        let feature = |offset| if old { Ok(0) } else { raw.le32(offset) };
        let (compat, incompat, ro_compat) = (feature(0x5c)?, feature(0x60)?, feature(0x64)?);
        if incompat & spec::JOURNAL_DEVICE != 0 {
            return Err(raw.damaged(0x60, "this is the journal of an ext file system that is elsewhere"));
        }
        let unknown = incompat & !spec::INCOMPAT_KNOWN;
        if unknown != 0 {
            return Err(raw.damaged(0x60, format!("the ext file system has features that are not known: {unknown:#x}")));
        }
        let wide = incompat & spec::WIDE != 0;
        let this = Self {
            block_size,
            blocks: u64::from(raw.le32(4)?) | if wide { u64::from(raw.le32(0x150)?) << 32 } else { 0 },
            inode_size: if old { 128 } else { raw.le16(0x58)? },
            incompat,
            inodes: raw.le32(0)?,
            inodes_per_group: raw.le32(0x28)?,
            blocks_per_group: raw.le32(0x20)?,
            first_block: raw.le32(0x14)?,
            descriptor_size: if wide { u32::from(raw.le16(0xfe)?) } else { 32 },
            first_meta_group: raw.le32(0x104)?,
            sparse: ro_compat & spec::RO_SPARSE_SUPER != 0,
            backups: (compat & spec::COMPAT_SPARSE_SUPER2 != 0)
                .then(|| Ok::<_, FsError>([raw.le32(0x24c)?, raw.le32(0x250)?]))
                .transpose()?,
        };
        let inode = u32::from(this.inode_size);
        let checks = [
            (0x58, inode >= 128 && inode.is_power_of_two() && inode <= block_size, "size of an inode"),
            (0x28, this.inodes_per_group > 0, "number of inodes in a group"),
            (0x20, this.blocks_per_group > 0, "number of blocks in a group"),
            (0xfe, this.descriptor_size >= 32 && this.descriptor_size.is_power_of_two(), "size of a group descriptor"),
            (0xfe, this.descriptor_size <= block_size, "size of a group descriptor"),
        ];
        match checks.iter().find(|(_, right, _)| !right) {
            Some((offset, _, what)) => Err(raw.damaged(*offset, format!("the {what} of an ext file system is absurd"))),
            None => Ok(this),
        }
    }

    fn about(&self, raw: &Block) -> Result<About, FsError> {
        let old = raw.le32(0x4c)? == 0;
        let (compat, ro_compat) = if old { (0, 0) } else { (raw.le32(0x5c)?, raw.le32(0x64)?) };
        let kind = if self.incompat & !spec::INCOMPAT_EXT3 != 0 || ro_compat & !spec::RO_EXT3 != 0 {
            "ext4"
        } else if compat & spec::COMPAT_JOURNAL != 0 {
            "ext3"
        } else {
            "ext2"
        };
        let mut notes = Vec::new();
        if self.incompat & spec::RECOVER != 0 {
            notes.push(format!("this {kind} was not unmounted: what is only in its journal is not seen"));
        }
        Ok(About { kind, uuid: uuid_text(raw.array(0x68)?), label: label_text(raw.slice(0x78..0x88)?), notes })
    }

    /// Where inode `number` is, in bytes.
    pub fn inode_place(&self, volume: &Volume, number: u32) -> Result<u64, FsError> {
        let index = number.checked_sub(1).filter(|index| *index < self.inodes);
        let index = index.ok_or_else(|| volume.damaged(spec::SUPER_BLOCK, format!("there is no inode {number}")))?;
        let group = index / self.inodes_per_group;
        let descriptor = volume.read(self.descriptor_place(group), self.descriptor_size.min(64) as usize)?;
        let high = if descriptor.len() >= 64 { u64::from(descriptor.le32(0x28)?) << 32 } else { 0 };
        let table = u64::from(descriptor.le32(8)?) | high;
        if table == 0 || table >= self.blocks {
            return Err(descriptor.damaged(8, format!("the inodes of group {group} are not on the volume")));
        }
        let inside = u64::from(index % self.inodes_per_group) * u64::from(self.inode_size);
        // Block numbers below `blocks` may still be far beyond the volume, where nothing can be read.
        Ok(table.saturating_mul(u64::from(self.block_size)).saturating_add(inside))
    }

    /// Where the descriptor of `group` is, in bytes.
    fn descriptor_place(&self, group: u32) -> u64 {
        let in_block = self.block_size / self.descriptor_size;
        let (meta_group, inside) = (group / in_block, group % in_block);
        let block = if self.incompat & spec::META_BG != 0 && meta_group >= self.first_meta_group {
            let leader = meta_group * in_block;
            let start = u64::from(self.first_block) + u64::from(leader) * u64::from(self.blocks_per_group);
            // With blocks of 1 KiB that are counted from 0, the boot block comes first.
            let boot = u64::from(meta_group == 0 && self.block_size == 1024 && self.first_block == 0);
            start + u64::from(self.has_super_block(leader)) + boot
        } else {
            // Behind the block that holds the super block.
            u64::from(self.block_size == 1024) + 1 + u64::from(meta_group)
        };
        let place = block.saturating_mul(u64::from(self.block_size));
        place.saturating_add(u64::from(inside) * u64::from(self.descriptor_size))
    }

    fn has_super_block(&self, group: u32) -> bool {
        let is_power = |of: u32| {
            let mut power = u64::from(of);
            while power < u64::from(group) {
                power *= u64::from(of);
            }
            power == u64::from(group)
        };
        match self.backups {
            _ if group == 0 => true,
            Some(backups) => backups.contains(&group),
            None => !self.sparse || group == 1 || [3, 5, 7].into_iter().any(is_power),
        }
    }
}
