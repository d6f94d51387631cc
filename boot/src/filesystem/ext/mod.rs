//! ext2, ext3 and ext4.
//!
//! Our own reader, and not the crate ext4-view: that gives a file's bytes through a reader with a position, not as places on
//! the volume, and it refuses what is older than ext4's extents in parts. The journal is not replayed: what is only in it is
//! not seen, and [`About::notes`] says so. Checksums are not checked: they are against accidents, not against enemies.

mod dir;
mod inode;
mod map;
mod spec;
mod superblock;

use std::ops::ControlFlow;
use std::sync::Arc;

use ovum_disk::storage::Storage;

use self::inode::Inode;
use self::map::Blocks;
use self::superblock::SuperBlock;
use super::mapped::{Here, Map as _, Mapped, Place};
use super::tree::{About, MAX_DIRECTORY, MAX_TARGET, Reader, Tree, Visit};
use super::volume::Volume;
use super::{FileKind, FileSystem, FsError, Metadata};

/// Opens the file system on `volume`, if it is one of these.
pub fn open(volume: &Arc<Volume>) -> Result<Option<Arc<dyn FileSystem>>, FsError> {
    let Some((superblock, about)) = SuperBlock::read(volume)? else { return Ok(None) };
    let ext = Ext { volume: Arc::clone(volume), superblock, about };
    Ok(Some(Tree::new(Arc::new(ext), spec::ROOT_INODE)))
}

#[derive(Debug)]
struct Ext {
    volume: Arc<Volume>,
    superblock: SuperBlock,
    about: About,
}

impl Ext {
    fn inode(&self, number: u32) -> Result<Inode, FsError> {
        Inode::read(&self.volume, &self.superblock, number)
    }

    fn blocks(&self, inode: &Inode) -> Result<Blocks, FsError> {
        Blocks::new(Arc::clone(&self.volume), self.superblock.block_size, inode)
    }

    /// Visits entries, with what they stand for.
    fn entries<F>(&self, inode: &Inode, mut visit: F) -> Result<(), FsError>
    where
        F: FnMut(&[u8], FileKind, u32) -> ControlFlow<()>,
    {
        let typed = self.superblock.incompat & spec::FILETYPE != 0;
        let mut each = |entry: dir::Entry<'_>| {
            let kind = match entry.kind {
                Some(kind) => kind,
                None => self.inode(entry.inode)?.metadata.kind,
            };
            Ok(visit(entry.name, kind, entry.inode))
        };
        if inode.is_inline() {
            // The parent's number comes first; what did not fit is another row of entries.
            if dir::entries(&inode.block()?, 4, typed, &mut each)?.is_continue() {
                let _ = dir::entries(&inode.inline_rest()?, 0, typed, &mut each)?;
            }
            return Ok(());
        }
        let blocks = self.blocks(inode)?;
        let block_size = u64::from(self.superblock.block_size);
        let mut offset = 0;
        while offset < inode.metadata.len {
            if offset >= MAX_DIRECTORY {
                return Err(FsError::Limit(format!("a directory has more than {MAX_DIRECTORY} bytes")));
            }
            // A directory has no holes worth looking for: each of its blocks is asked for by itself.
            if let Place::At(place) = blocks.piece(offset)?.place {
                let block = self.volume.read(place, self.superblock.block_size as usize)?;
                if dir::entries(&block, 0, typed, &mut each)?.is_break() {
                    break;
                }
            }
            offset += block_size;
        }
        Ok(())
    }
}

impl Reader for Ext {
    type Id = u32;

    fn about(&self) -> &About {
        &self.about
    }

    fn stat(&self, id: u32) -> Result<Metadata, FsError> {
        self.inode(id).map(|inode| inode.metadata)
    }

    fn walk(&self, id: u32, visit: &mut Visit<'_, u32>) -> Result<(), FsError> {
        let inode = self.inode(id)?;
        inode.check()?;
        self.entries(&inode, visit)
    }

    fn target(&self, id: u32) -> Result<Vec<u8>, FsError> {
        let inode = self.inode(id)?;
        inode.check()?;
        let len = usize::try_from(inode.metadata.len).ok().filter(|len| *len <= MAX_TARGET);
        let len = len.ok_or_else(|| FsError::Limit(format!("a link has more than {MAX_TARGET} bytes")))?;
        if inode.is_inline() {
            return inode.inline_bytes().map(|bytes| bytes.to_vec());
        }
        if len < spec::I_BLOCK_LEN && inode.flags & spec::FLAG_EXTENTS == 0 {
            return inode.block()?.slice(0..len).map(<[u8]>::to_vec);
        }
        let Place::At(place) = self.blocks(&inode)?.piece(0)?.place else {
            return Err(inode.block()?.damaged(0, "a link leads nowhere"));
        };
        // It has one block.
        self.volume.read(place, len.min(self.superblock.block_size as usize)).map(|block| block.bytes().to_vec())
    }

    fn file(self: &Arc<Self>, id: u32, name: &str) -> Result<Arc<dyn Storage>, FsError> {
        let inode = self.inode(id)?;
        inode.check()?;
        let (size, volume) = (inode.metadata.len, Arc::clone(&self.volume));
        if inode.is_inline() {
            return Ok(Arc::new(Mapped::new(name, size, volume, Here(inode.inline_bytes()?))));
        }
        Ok(Arc::new(Mapped::new(name, size, volume, self.blocks(&inode)?)))
    }
}
