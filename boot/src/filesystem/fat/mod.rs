//! FAT12, FAT16 and FAT32, with long names.
//!
//! Our own reader, and not the crate fatfs: that wants one owner who seeks and writes, and gives a file's bytes through a
//! reader with a position, not as places on the volume.

mod boot_sector;
mod chain;
mod dir;

use std::ops::ControlFlow;
use std::sync::Arc;

use ovum_disk::storage::Storage;

use self::boot_sector::{Geometry, Width};
use self::chain::{Chain, Clusters};
use self::dir::{ENTRY, Found, Item, MAX_ENTRIES, Named, Parser};
use super::mapped::{Here, Mapped};
use super::tree::{About, Reader, Tree, Visit};
use super::volume::{Block, Volume};
use super::{FileKind, FileSystem, FsError, Metadata};

/// How much of a directory is read at a time, in bytes.
const PIECE: u64 = 4096;

/// Opens the file system on `volume`, if it is FAT.
pub fn open(volume: &Arc<Volume>) -> Result<Option<Arc<dyn FileSystem>>, FsError> {
    let Some(geometry) = Geometry::read(volume)? else { return Ok(None) };
    let root = Item { is_directory: true, cluster: geometry.root_cluster, len: 0, modified: 0 };
    let (uuid, label) = (geometry.serial.clone(), geometry.label.clone());
    let clusters = Arc::new(Clusters { volume: Arc::clone(volume), geometry });
    let mut fat = Fat { clusters, about: About { kind: "vfat", uuid, label, notes: Vec::new() } };
    // The label in the root directory is the one that tools change.
    let mut label = None;
    fat.entries(root, &mut |found| match found {
        Found::Label(text) => {
            label = Some(text);
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })?;
    fat.about.label = label.or(fat.about.label);
    Ok(Some(Tree::new(Arc::new(fat), root)))
}

#[derive(Debug)]
struct Fat {
    clusters: Arc<Clusters>,
    about: About,
}

impl Fat {
    /// Visits what is in a directory, until it ends or `visit` says so.
    fn entries(&self, item: Item, visit: &mut dyn FnMut(Found) -> ControlFlow<()>) -> Result<(), FsError> {
        let wide = self.clusters.geometry.width == Width::ThirtyTwo;
        let mut parser = Parser::default();
        self.blocks(item, &mut |block| {
            for at in (0..block.len()).step_by(ENTRY) {
                match parser.entry(block, at, wide)? {
                    Found::Nothing => {}
                    Found::End => return Ok(ControlFlow::Break(())),
                    found => {
                        if visit(found).is_break() {
                            return Ok(ControlFlow::Break(()));
                        }
                    }
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Visits the bytes of a directory.
    fn blocks(
        &self,
        item: Item,
        visit: &mut dyn FnMut(&Block) -> Result<ControlFlow<()>, FsError>,
    ) -> Result<(), FsError> {
        let Clusters { volume, geometry } = self.clusters.as_ref();
        let mut row = |start: u64, len: u64| {
            let mut done = 0;
            while done < len {
                let piece = PIECE.min(len - done);
                if visit(&volume.read(start + done, usize::try_from(piece).unwrap_or_default())?)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                done += piece;
            }
            Ok::<_, FsError>(ControlFlow::Continue(()))
        };
        if item.cluster == 0 && geometry.width != Width::ThirtyTwo {
            return row(geometry.root, geometry.root_len).map(drop);
        }
        // Entries of subdirectories name the root of a FAT32 as cluster 0.
        let mut cluster = if item.cluster == 0 { geometry.root_cluster } else { item.cluster };
        let mut seen = 0;
        loop {
            if !self.clusters.has(cluster) {
                return Err(
                    volume.damaged(geometry.table, format!("a directory is in cluster {cluster}, which is none"))
                );
            }
            if row(self.clusters.place(cluster), u64::from(geometry.cluster))?.is_break() {
                return Ok(());
            }
            seen += u64::from(geometry.cluster);
            if seen > MAX_ENTRIES * ENTRY as u64 {
                return Err(FsError::Limit("a directory of a FAT file system is too long, or runs in a circle".into()));
            }
            match self.clusters.next(cluster)? {
                Some(next) => cluster = next,
                None => return Ok(()),
            }
        }
    }

    fn named(&self, item: Item, visit: &mut dyn FnMut(&Named) -> ControlFlow<()>) -> Result<(), FsError> {
        self.entries(item, &mut |found| match found {
            Found::Named(named) => visit(&named),
            _ => ControlFlow::Continue(()),
        })
    }
}

/// As FAT compares names: whatever the case.
fn same(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    one.chars().flat_map(char::to_uppercase).eq(other.chars().flat_map(char::to_uppercase))
}

impl Reader for Fat {
    type Id = Item;

    fn about(&self) -> &About {
        &self.about
    }

    fn stat(&self, item: Item) -> Result<Metadata, FsError> {
        let kind = if item.is_directory { FileKind::Directory } else { FileKind::File };
        Ok(Metadata { kind, len: u64::from(item.len), modified: item.modified })
    }

    fn walk(&self, item: Item, visit: &mut Visit<'_, Item>) -> Result<(), FsError> {
        self.named(item, &mut |named| {
            let kind = if named.item.is_directory { FileKind::Directory } else { FileKind::File };
            visit(named.name.as_bytes(), kind, named.item)
        })
    }

    fn lookup(&self, dir: Item, name: &str) -> Result<Option<Item>, FsError> {
        let mut found = None;
        self.named(dir, &mut |named| {
            if !same(&named.name, name) && !same(&named.short, name) {
                return ControlFlow::Continue(());
            }
            found = Some(named.item);
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    fn target(&self, _: Item) -> Result<Vec<u8>, FsError> {
        Err(FsError::Missing("a link, in a file system without links,".into()))
    }

    fn file(self: &Arc<Self>, item: Item, name: &str) -> Result<Arc<dyn Storage>, FsError> {
        let volume = Arc::clone(&self.clusters.volume);
        if item.len == 0 {
            return Ok(Arc::new(Mapped::new(name, 0, volume, Here(Arc::new([])))));
        }
        let chain = Chain::new(Arc::clone(&self.clusters), item.cluster)?;
        Ok(Arc::new(Mapped::new(name, u64::from(item.len), volume, chain)))
    }
}
