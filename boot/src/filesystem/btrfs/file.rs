//! A file's bytes: extents as they are, compressed ones, and those in the tree itself.

use std::sync::Arc;

use super::super::FsError;
use super::super::mapped::{Map, Piece, Place};
use super::super::volume::Block;
use super::Btrfs;
use super::forest::Root;
use super::packed::{self, NAMES};
use super::spec;

/// A file, in the tree of its subvolume.
#[derive(Debug)]
pub struct Extents {
    /// The volume.
    pub btrfs: Arc<Btrfs>,
    /// The subvolume.
    pub root: Root,
    /// The file's inode.
    pub inode: u64,
}

impl Map for Extents {
    fn piece(&self, offset: u64) -> Result<Piece, FsError> {
        let wanted = (self.inode, spec::EXTENT_DATA, offset);
        let leaf = self.btrfs.forest().leaf(self.root, wanted)?;
        let index = leaf.last(wanted)?;
        // Where the next extent begins: as far as a hole may reach.
        let next = match leaf.key(index.map_or(0, |index| index + 1))? {
            Some((inode, spec::EXTENT_DATA, next)) if inode == self.inode => next,
            _ => u64::MAX,
        };
        let hole = Piece { place: Place::Hole, len: next.saturating_sub(offset).max(1) };
        let Some(index) = index else { return Ok(hole) };
        let Some((inode, spec::EXTENT_DATA, start)) = leaf.key(index)? else { return Ok(hole) };
        if inode != self.inode {
            return Ok(hole);
        }
        let item = leaf.item(index)?;
        Ok(self.extent(&item, offset - start)?.map_or(hole, |piece| piece))
    }
}

impl Extents {
    /// What is `ahead` bytes into the extent that `item` describes. `None` behind its end.
    fn extent(&self, item: &Block, ahead: u64) -> Result<Option<Piece>, FsError> {
        if item.u8(17)? != 0 || item.le16(18)? != 0 {
            return Err(item.damaged(17, "an extent is encrypted or encoded"));
        }
        let compression = item.u8(16)?;
        let kind = item.u8(20)?;
        if kind == spec::INLINE {
            let packed = item.part(21..item.len())?;
            let bytes = if compression == 0 {
                packed.bytes().into()
            } else {
                let len = self.length(item, 8)?;
                self.unpack(item, compression, packed.bytes(), len)?.into()
            };
            return Ok(here(bytes, ahead));
        }
        let (address, offset, len) = (item.le64(21)?, item.le64(37)?, item.le64(45)?);
        if ahead >= len {
            return Ok(None);
        }
        if address == 0 || kind != spec::REGULAR {
            return Ok(Some(Piece { place: Place::Hole, len: len - ahead }));
        }
        let inside = offset.saturating_add(ahead);
        if compression == 0 {
            let (place, room) = self.btrfs.chunks.place(&self.btrfs.volume, address.saturating_add(inside))?;
            return Ok(Some(Piece { place: Place::At(place), len: (len - ahead).min(room) }));
        }
        let unpacked = self.length(item, 8)?;
        let packed = self.length(item, 29)?;
        let bytes = self.btrfs.unpacked.get((address, unpacked), || {
            let bytes = self.btrfs.read(address, packed)?;
            self.unpack(item, compression, &bytes, unpacked)
        })?;
        let piece =
            here(bytes, inside).ok_or_else(|| item.damaged(37, "an extent begins behind what it is a part of"))?;
        Ok(Some(Piece { len: piece.len.min(len - ahead), ..piece }))
    }

    /// A length of something compressed.
    fn length(&self, item: &Block, at: usize) -> Result<usize, FsError> {
        let len = item.le64(at)?;
        if len > spec::MAX_PACKED {
            return Err(item.damaged(at, format!("a compressed extent claims to have {len} bytes")));
        }
        Ok(usize::try_from(len).unwrap_or_default())
    }

    fn unpack(&self, item: &Block, compression: u8, packed: &[u8], len: usize) -> Result<Vec<u8>, FsError> {
        packed::unpack(compression, packed, len, self.btrfs.sector_size as usize).map_err(|error| {
            let name = NAMES.get(usize::from(compression)).unwrap_or(&"something");
            item.damaged(16, format!("an extent compressed with {name} does not unpack ({error})"))
        })
    }
}

fn here(bytes: Arc<[u8]>, from: u64) -> Option<Piece> {
    let from = usize::try_from(from).ok().filter(|from| *from < bytes.len())?;
    let len = (bytes.len() - from) as u64;
    Some(Piece { place: Place::Here(bytes, from), len })
}
