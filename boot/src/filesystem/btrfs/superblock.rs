//! The super block.

use super::super::tree::About;
use super::super::volume::{Block, MAX_BLOCK, Volume};
use super::super::{FsError, label_text, uuid_text};
use super::chunks::Chunks;
use super::forest::Root;
use super::spec;

/// What the super block says.
#[derive(Debug)]
pub struct SuperBlock {
    /// The number of this device.
    pub device: u64,
    /// The length of a node, in bytes.
    pub node_size: u32,
    /// The length of a sector, in bytes.
    pub sector_size: u32,
    /// The tree of trees.
    pub roots: Root,
    /// The tree of chunks.
    pub chunks: Root,
    /// The chunks that are needed to read that one.
    pub system: Chunks,
}

impl SuperBlock {
    /// Reads and checks it. `None` if it is not there.
    pub fn read(volume: &Volume) -> Result<Option<(Self, About)>, FsError> {
        if volume.size() < spec::SUPER_BLOCK + spec::SUPER_BLOCK_LEN as u64 {
            return Ok(None);
        }
        let raw = volume.read(spec::SUPER_BLOCK, spec::SUPER_BLOCK_LEN)?;
        if raw.slice(0x40..0x48)? != spec::MAGIC {
            return Ok(None);
        }
        let mut notes = Vec::new();
        if raw.le64(0x60)? != 0 {
            notes.push("this btrfs was not unmounted: what is only in its log is not seen".to_owned());
        }
        let devices = raw.le64(0x88)?;
        if devices != 1 {
            notes.push(format!("this btrfs has {devices} devices, and only one of them is looked at"));
        }
        let about = About {
            kind: "btrfs",
            uuid: uuid_text(raw.array(0x20)?),
            label: label_text(raw.slice(0x12b..0x22b)?),
            notes,
        };
        Ok(Some((Self::parse(&raw)?, about)))
    }

    fn parse(raw: &Block) -> Result<Self, FsError> {
        let unknown = raw.le64(0xbc)? & !spec::INCOMPAT_KNOWN;
        if unknown != 0 {
            return Err(raw.damaged(0xbc, format!("this btrfs has features that are not known: {unknown:#x}")));
        }
        let size = |offset| {
            let size = raw.le32(offset)?;
            let right = size.is_power_of_two() && (4096..=MAX_BLOCK).contains(&(size as usize));
            if right {
                Ok(size)
            } else {
                Err(raw.damaged(offset, "the size of a sector or a node of a btrfs is absurd"))
            }
        };
        let device = raw.le64(0xc9)?;
        Ok(Self {
            device,
            sector_size: size(0x90)?,
            node_size: size(0x94)?,
            roots: Root { address: raw.le64(0x50)?, level: raw.u8(0xc6)? },
            chunks: Root { address: raw.le64(0x58)?, level: raw.u8(0xc7)? },
            system: Chunks::of_system(raw, device)?,
        })
    }
}
