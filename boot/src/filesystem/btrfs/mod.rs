//! btrfs on one device: data and metadata that are single, or there twice.
//!
//! What is opened is the top of all subvolumes (number 5): that is where paths of boot loaders begin, and `subvol=` of a
//! kernel's arguments. Subvolumes are directories there. [`FileSystem::subvolume`] opens one as a root of its own. The log
//! is not replayed, and checksums are not checked.

mod chunks;
mod file;
mod forest;
mod lzo;
mod packed;
mod spec;
mod superblock;

use std::ops::ControlFlow;
use std::sync::Arc;

use ovum_disk::image::recent::Recent;
use ovum_disk::storage::Storage;

use self::chunks::Chunks;
use self::file::Extents;
use self::forest::{Forest, Root};
use self::superblock::SuperBlock;
use super::mapped::Mapped;
use super::tree::{About, MAX_TARGET, Reader, Tree, Visit, is_called};
use super::volume::{Block, Volume};
use super::{FileKind, FileSystem, FsError, Metadata, Subvolume, kind_of_mode};

/// The most that is kept of unpacked extents, in bytes.
const UNPACKED: usize = 4 << 20;

/// Opens the file system on `volume`, if it is btrfs.
pub fn open(volume: &Arc<Volume>) -> Result<Option<Arc<dyn FileSystem>>, FsError> {
    let Some((superblock, about)) = SuperBlock::read(volume)? else { return Ok(None) };
    let SuperBlock { device, node_size, sector_size, roots, chunks: chunk_root, system } = superblock;
    let chunks = all_chunks(volume, &system, node_size, chunk_root, device)?;
    let unpacked = Recent::new(UNPACKED);
    let btrfs = Btrfs { volume: Arc::clone(volume), chunks, node_size, sector_size, roots, unpacked };
    let reader = BtrfsReader(Arc::new(btrfs), about);
    let top = reader.subvolume_root(spec::FS_TREE)?;
    Ok(Some(Tree::new(Arc::new(reader), top)))
}

/// Reads the tree of chunks, which the chunks in the super block are enough for.
fn all_chunks(volume: &Volume, system: &Chunks, node_size: u32, root: Root, device: u64) -> Result<Chunks, FsError> {
    let mut chunks = Chunks::default();
    let forest = Forest { volume, chunks: system, node_size };
    forest.scan(root, (0, 0, 0), &mut |(_, kind, logical), item| {
        if kind == spec::CHUNK_ITEM {
            chunks.add(logical, item, device)?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(chunks)
}

/// A volume with btrfs.
#[derive(Debug)]
struct Btrfs {
    volume: Arc<Volume>,
    chunks: Chunks,
    node_size: u32,
    sector_size: u32,
    roots: Root,
    /// Extents that were compressed, by their address and the length they have now.
    unpacked: Recent<(u64, usize)>,
}

impl Btrfs {
    fn forest(&self) -> Forest<'_> {
        Forest { volume: &self.volume, chunks: &self.chunks, node_size: self.node_size }
    }

    /// `len` bytes from a logical address on.
    fn read(&self, mut address: u64, len: usize) -> Result<Vec<u8>, FsError> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let (place, room) = self.chunks.place(&self.volume, address)?;
            let piece = (len - bytes.len()).min(usize::try_from(room).unwrap_or(usize::MAX));
            bytes.extend(self.volume.fetch(place, piece)?);
            address = address.saturating_add(piece as u64);
        }
        Ok(bytes)
    }
}

/// Where something is: a subvolume's tree, and an inode in it.
#[derive(Debug, Clone, Copy)]
struct Id {
    root: Root,
    inode: u64,
}

/// An entry of a directory (`btrfs_dir_item`).
struct Entry<'b> {
    /// Object and type of the key that it leads to.
    location: (u64, u8),
    kind: FileKind,
    name: &'b [u8],
}

/// Reads inodes and directories.
#[derive(Debug)]
struct BtrfsReader(Arc<Btrfs>, About);

impl BtrfsReader {
    /// The root directory of subvolume `number`.
    fn subvolume_root(&self, number: u64) -> Result<Id, FsError> {
        let forest = self.0.forest();
        let mut found = None;
        // A snapshot's key has the number of a transaction; there is one key.
        forest.scan(self.0.roots, (number, spec::ROOT_ITEM, 0), &mut |(object, kind, _), item| {
            if (object, kind) == (number, spec::ROOT_ITEM) {
                let root = Root { address: item.le64(176)?, level: item.u8(238)? };
                found = Some(Id { root, inode: item.le64(168)? });
            }
            Ok(ControlFlow::Break(()))
        })?;
        found.ok_or_else(|| FsError::Missing(Subvolume::Id(number).to_string()))
    }

    /// What an entry in the subvolume at `root` leads to.
    fn follow(&self, root: Root, entry: &Entry<'_>) -> Result<Id, FsError> {
        match entry.location {
            (number, spec::ROOT_ITEM) => self.subvolume_root(number),
            (inode, _) => Ok(Id { root, inode }),
        }
    }

    /// Looks for a name by its hash.
    fn find(&self, dir: Id, name: &[u8]) -> Result<Option<Id>, FsError> {
        let key = (dir.inode, spec::DIR_ITEM, u64::from(hash(name)));
        let Some(item) = self.0.forest().get(dir.root, key)? else { return Ok(None) };
        let mut found = None;
        let _ = entries(&item, &mut |entry| {
            if entry.name == name {
                found = Some(self.follow(dir.root, entry)?);
            }
            Ok(if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }

    /// The number of the subvolume that is mounted if nobody says which.
    fn default_subvolume(&self) -> Result<u64, FsError> {
        let key = (spec::ROOT_TREE_DIR, spec::DIR_ITEM, u64::from(hash(b"default")));
        let mut number = spec::FS_TREE;
        if let Some(item) = self.0.forest().get(self.0.roots, key)? {
            let _ = entries(&item, &mut |entry| {
                if entry.name == b"default" {
                    number = entry.location.0;
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(number)
    }
}

/// Visits the entries in an item: several, if names have the same hash.
fn entries(
    item: &Block,
    visit: &mut dyn FnMut(&Entry<'_>) -> Result<ControlFlow<()>, FsError>,
) -> Result<ControlFlow<()>, FsError> {
    let mut at = 0;
    while at < item.len() {
        let (data_len, name_len) = (usize::from(item.le16(at + 25)?), usize::from(item.le16(at + 27)?));
        let kind = match item.u8(at + 29)? {
            1 => FileKind::File,
            2 => FileKind::Directory,
            7 => FileKind::Link,
            _ => FileKind::Other,
        };
        let name = item.slice(at + 30..at + 30 + name_len)?;
        if visit(&Entry { location: (item.le64(at)?, item.u8(at + 8)?), kind, name })?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        at += 30 + name_len + data_len;
    }
    Ok(ControlFlow::Continue(()))
}

/// The hash of a name: CRC-32C that begins with 0xfffffffe and is not inverted at its end (`btrfs_name_hash`).
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(!1, |mut sum, byte| {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ if sum & 1 == 0 { 0 } else { 0x82f6_3b78 };
        }
        sum
    })
}

impl Reader for BtrfsReader {
    type Id = Id;

    fn about(&self) -> &About {
        &self.1
    }

    fn stat(&self, id: Id) -> Result<Metadata, FsError> {
        let item = self.0.forest().get(id.root, (id.inode, spec::INODE_ITEM, 0))?;
        let item = item.ok_or_else(|| {
            self.0
                .volume
                .damaged(spec::SUPER_BLOCK, format!("this btrfs has a name for inode {}, which is none", id.inode))
        })?;
        let kind = kind_of_mode(item.le32(52)?);
        Ok(Metadata { kind, len: item.le64(16)?, modified: item.le64(136)?.cast_signed() })
    }

    fn walk(&self, id: Id, visit: &mut Visit<'_, Id>) -> Result<(), FsError> {
        self.0.forest().scan(id.root, (id.inode, spec::DIR_INDEX, 0), &mut |(inode, kind, _), item| {
            if (inode, kind) != (id.inode, spec::DIR_INDEX) {
                return Ok(ControlFlow::Break(()));
            }
            entries(item, &mut |entry| {
                // A subvolume that is gone, or was not copied with a snapshot, keeps its name.
                match self.follow(id.root, entry) {
                    Ok(found) => Ok(visit(entry.name, entry.kind, found)),
                    Err(FsError::Missing(_)) => Ok(ControlFlow::Continue(())),
                    Err(error) => Err(error),
                }
            })
        })
    }

    fn lookup(&self, dir: Id, name: &str) -> Result<Option<Id>, FsError> {
        if let Some(found) = self.find(dir, name.as_bytes())? {
            return Ok(Some(found));
        }
        let mut found = None;
        // The name as it is shown may be another one than it is.
        if name.contains(char::REPLACEMENT_CHARACTER) {
            self.walk(dir, &mut |candidate, _, id| {
                if !is_called(candidate, name) {
                    return ControlFlow::Continue(());
                }
                found = Some(id);
                ControlFlow::Break(())
            })?;
        }
        Ok(found)
    }

    fn target(&self, id: Id) -> Result<Vec<u8>, FsError> {
        let len = self.stat(id)?.len;
        let len = usize::try_from(len).ok().filter(|len| *len <= MAX_TARGET);
        let len = len.ok_or_else(|| FsError::Limit(format!("a link has more than {MAX_TARGET} bytes")))?;
        let extents = Extents { btrfs: Arc::clone(&self.0), root: id.root, inode: id.inode };
        let whole = Mapped::new("a link", len as u64, Arc::clone(&self.0.volume), extents);
        let mut target = vec![0; len];
        ovum_disk::storage::read_bytes(&whole, 0, &mut target)?;
        Ok(target)
    }

    fn file(self: &Arc<Self>, id: Id, name: &str) -> Result<Arc<dyn Storage>, FsError> {
        let size = self.stat(id)?.len;
        let extents = Extents { btrfs: Arc::clone(&self.0), root: id.root, inode: id.inode };
        Ok(Arc::new(Mapped::new(name, size, Arc::clone(&self.0.volume), extents)))
    }

    fn subvolume(&self, which: Subvolume<'_>) -> Result<Id, FsError> {
        let missing = || FsError::Missing(which.to_string());
        let number = match which {
            Subvolume::Default => self.default_subvolume()?,
            Subvolume::Id(number) => number,
            Subvolume::Path(path) => {
                let mut id = self.subvolume_root(spec::FS_TREE)?;
                for name in path.split('/').filter(|name| !name.is_empty() && *name != ".") {
                    id = self.lookup(id, name)?.ok_or_else(missing)?;
                }
                return if id.inode == spec::FIRST_FREE { Ok(id) } else { Err(missing()) };
            }
        };
        self.subvolume_root(number)
    }
}
