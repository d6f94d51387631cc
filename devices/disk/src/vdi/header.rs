//! The header.

use crate::error::{Damage, LayoutError};
use crate::storage::{Storage, read_array};

use super::spec::{self, HEADER_SIZE, field};

/// A header whose sizes fit to each other. The table is all in the file, as far as the disk needs it.
#[derive(Debug)]
pub struct Header {
    /// Major and minor version.
    pub version: (u32, u32),
    /// Whether all blocks are there.
    pub is_fixed: bool,
    /// Where the table is, in bytes.
    pub table_at: u64,
    /// Where the first block, or what is before it, is, in bytes.
    pub data_at: u64,
    /// The disk's size in bytes.
    pub disk_size: u64,
    /// In bytes, a power of two.
    pub block_size: u32,
    /// Bytes before each block.
    pub extra_size: u32,
    /// How many blocks the header says to be there.
    pub allocated: u32,
    /// By what an image above this one knows it again.
    pub id: [u8; 16],
}

impl Header {
    /// The header at the front of `storage`.
    pub fn read(storage: &dyn Storage) -> Result<Self, LayoutError> {
        if storage.size() < HEADER_SIZE as u64 {
            let problem = format!("the file ends after {} bytes", storage.size());
            return Err(Damage::new(storage, 0, "header", problem).into());
        }
        let bytes: [u8; HEADER_SIZE] = read_array(storage, 0)?;
        let number = |at| u32::from_le_bytes(field(&bytes, at));
        let damage = |at: usize, field, problem: String| Damage::new(storage, at as u64, field, problem);
        if number(spec::SIGNATURE) != spec::MAGIC {
            return Err(damage(spec::SIGNATURE, "signature", "it is not VDI's".into()).into());
        }
        let version = (number(spec::VERSION) >> 16, number(spec::VERSION) & 0xffff);
        if version.0 != 1 {
            return Err(LayoutError::Unsupported {
                what: format!("it is of version {}.{} of the VDI format", version.0, version.1),
                remedy: "let VirtualBox copy it to a new one: VBoxManage clonemedium",
            });
        }
        if number(spec::HEADER_LENGTH) < spec::SMALLEST_HEADER {
            let problem = format!("{} bytes are too few", number(spec::HEADER_LENGTH));
            return Err(damage(spec::HEADER_LENGTH, "header size", problem).into());
        }
        let kind = number(spec::KIND);
        let has_parent = field(&bytes, spec::PARENT_ID) != [0; 16];
        match kind {
            spec::NORMAL | spec::FIXED if !has_parent => (),
            spec::NORMAL | spec::FIXED | spec::UNDO | spec::DIFFERENCING => {
                return Err(LayoutError::Unsupported {
                    what: "it holds only the difference to another image, which it does not name".into(),
                    remedy: "let VirtualBox copy it to one that stands alone: VBoxManage clonemedium",
                });
            }
            other => return Err(damage(spec::KIND, "image type", format!("there is no type {other}")).into()),
        }
        let header = Self {
            version,
            is_fixed: kind == spec::FIXED,
            table_at: number(spec::TABLE_AT).into(),
            data_at: number(spec::DATA_AT).into(),
            disk_size: u64::from_le_bytes(field(&bytes, spec::DISK_SIZE)),
            block_size: number(spec::BLOCK_SIZE),
            extra_size: number(spec::EXTRA_SIZE),
            allocated: number(spec::ALLOCATED),
            id: field(&bytes, spec::ID),
        };
        header.check(storage, number(spec::BLOCKS))?;
        Ok(header)
    }

    fn check(&self, storage: &dyn Storage, blocks: u32) -> Result<(), Damage> {
        let damage = |at: usize, field, problem: String| Err(Damage::new(storage, at as u64, field, problem));
        let sizes = spec::SMALLEST_BLOCK..=spec::LARGEST_BLOCK;
        if !self.block_size.is_power_of_two() || !sizes.contains(&self.block_size) {
            let problem =
                format!("{} bytes are no power of two from {} to {}", self.block_size, sizes.start(), sizes.end());
            return damage(spec::BLOCK_SIZE, "block size", problem);
        }
        if self.extra_size > spec::LARGEST_EXTRA {
            return damage(spec::EXTRA_SIZE, "block extra size", format!("{} bytes are too many", self.extra_size));
        }
        let needed = self.disk_size.div_ceil(self.block_size.into());
        if u64::from(blocks) < needed {
            let problem = format!("{} bytes need {needed} blocks, and there are {blocks}", self.disk_size);
            return damage(spec::DISK_SIZE, "disk size", problem);
        }
        let end = self.table_at + needed * spec::ENTRY_SIZE;
        if end > storage.size() {
            let problem = format!("no table of {needed} entries fits at {} in {} bytes", self.table_at, storage.size());
            return damage(spec::TABLE_AT, "offset of the blocks' table", problem);
        }
        Ok(())
    }
}
