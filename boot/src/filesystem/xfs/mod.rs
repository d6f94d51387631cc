//! XFS, versions 4 and 5. The log is not replayed, and checksums are not checked.

mod dir;
mod inode;
mod map;
mod spec;
mod superblock;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::Arc;

use ovum_disk::storage::Storage;

use self::inode::Inode;
use self::map::Extents;
use self::superblock::SuperBlock;
use super::mapped::{Here, Map as _, Mapped, Place};
use super::tree::{About, MAX_DIRECTORY, MAX_TARGET, Reader, Tree, Visit};
use super::volume::{Block, Volume};
use super::{FileSystem, FsError, Metadata};

/// Opens the file system on `volume`, if it is XFS.
pub fn open(volume: &Arc<Volume>) -> Result<Option<Arc<dyn FileSystem>>, FsError> {
    let Some((superblock, about)) = SuperBlock::read(volume)? else { return Ok(None) };
    let root = superblock.root;
    let reader = XfsReader(Arc::new(Xfs { volume: Arc::clone(volume), superblock }), about);
    Ok(Some(Tree::new(Arc::new(reader), root)))
}

/// A volume with XFS.
#[derive(Debug)]
struct Xfs {
    volume: Arc<Volume>,
    superblock: SuperBlock,
}

impl Xfs {
    fn block(&self, number: u64) -> Result<Block, FsError> {
        let place = self.superblock.block_place(&self.volume, number)?;
        self.volume.read(place, self.superblock.block_size as usize)
    }

    /// `len` bytes of what has `extents`, from `offset` on: blocks that need not be beside one another. `None` where
    /// nothing is.
    fn gather(&self, extents: &Extents, offset: u64, len: u32) -> Result<Option<Block>, FsError> {
        let size = self.superblock.block_size;
        let mut bytes = Vec::new();
        let mut first = None;
        for part in 0..len / size {
            let Place::At(place) = extents.piece(offset + u64::from(part) * u64::from(size))?.place else {
                return Ok(None);
            };
            let block = self.volume.read(place, size as usize)?;
            if len == size {
                return Ok(Some(block));
            }
            first = first.or(Some(place));
            bytes.extend_from_slice(block.bytes());
        }
        Ok(first.map(|place| self.volume.block(place, bytes.into())))
    }
}

/// Reads inodes and directories.
#[derive(Debug)]
struct XfsReader(Arc<Xfs>, About);

impl XfsReader {
    fn inode(&self, number: u64) -> Result<Inode, FsError> {
        Inode::read(&self.0.volume, &self.0.superblock, number)
    }

    fn entries(&self, inode: &Inode, each: &mut dir::Each<'_>) -> Result<(), FsError> {
        let SuperBlock { dir_block, v5, ftype, .. } = self.0.superblock;
        if inode.format == spec::FORMAT_LOCAL {
            return dir::short(&inode.fork, ftype, each);
        }
        let extents = Extents::new(Arc::clone(&self.0), inode)?;
        let (mut offset, mut read) = (0, 0);
        let end = inode.metadata.len.min(spec::LEAF_OFFSET);
        while offset < end {
            if let Some(block) = self.0.gather(&extents, offset, dir_block)? {
                if dir::entries(&block, v5, ftype, each)?.is_break() {
                    break;
                }
                offset += u64::from(dir_block);
                read += u64::from(dir_block);
            } else {
                // Blocks that became empty are holes.
                let hole = extents.piece(offset)?;
                let skipped = if matches!(hole.place, Place::Hole) { hole.len } else { u64::from(dir_block) };
                offset = offset.saturating_add(skipped).min(end).next_multiple_of(u64::from(dir_block));
                read += u64::from(self.0.superblock.block_size);
            }
            if read > MAX_DIRECTORY {
                return Err(FsError::Limit(format!("a directory has more than {MAX_DIRECTORY} bytes")));
            }
        }
        Ok(())
    }
}

impl Reader for XfsReader {
    type Id = u64;

    fn about(&self) -> &About {
        &self.1
    }

    fn stat(&self, id: u64) -> Result<Metadata, FsError> {
        self.inode(id).map(|inode| inode.metadata)
    }

    fn walk(&self, id: u64, visit: &mut Visit<'_, u64>) -> Result<(), FsError> {
        self.entries(&self.inode(id)?, &mut |name, kind, inode| {
            let kind = match kind {
                Some(kind) => kind,
                None => self.inode(inode)?.metadata.kind,
            };
            Ok(visit(name, kind, inode))
        })
    }

    fn lookup(&self, dir: u64, name: &str) -> Result<Option<u64>, FsError> {
        let mut found = None;
        // What a name stands for is not asked here: it may take reading its inode.
        self.entries(&self.inode(dir)?, &mut |candidate, _, inode| {
            if !super::tree::is_called(candidate, name) {
                return Ok(ControlFlow::Continue(()));
            }
            found = Some(inode);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    fn target(&self, id: u64) -> Result<Vec<u8>, FsError> {
        let inode = self.inode(id)?;
        if inode.format == spec::FORMAT_LOCAL {
            return inode.local().map(|block| block.bytes().to_vec());
        }
        let len = usize::try_from(inode.metadata.len).ok().filter(|len| *len <= MAX_TARGET);
        let len = len.ok_or_else(|| FsError::Limit(format!("a link has more than {MAX_TARGET} bytes")))?;
        let extents = Extents::new(Arc::clone(&self.0), &inode)?;
        let size = self.0.superblock.block_size;
        let mut target = Vec::new();
        let mut offset = 0;
        while target.len() < len {
            let block = self.0.gather(&extents, offset, size)?;
            let block = block.ok_or_else(|| inode.fork.damaged(0, "a link leads nowhere"))?;
            let header = if self.0.superblock.v5 { spec::SYMLINK_HEADER } else { 0 };
            if header > 0 && block.be32(0)? != spec::SYMLINK_MAGIC {
                return Err(block.damaged(0, "this is no block of a link"));
            }
            target.extend_from_slice(block.slice(header..block.len())?);
            offset += u64::from(size);
        }
        target.truncate(len);
        Ok(target)
    }

    fn file(self: &Arc<Self>, id: u64, name: &str) -> Result<Arc<dyn Storage>, FsError> {
        let inode = self.inode(id)?;
        inode.check()?;
        let (size, volume) = (inode.metadata.len, Arc::clone(&self.0.volume));
        if inode.format == spec::FORMAT_LOCAL {
            return Ok(Arc::new(Mapped::new(name, size, volume, Here(inode.local()?.bytes().into()))));
        }
        Ok(Arc::new(Mapped::new(name, size, volume, Extents::new(Arc::clone(&self.0), &inode)?)))
    }
}
