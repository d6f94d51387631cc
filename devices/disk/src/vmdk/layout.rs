//! The extents of a disk as one layer.

use std::io;
use std::sync::Arc;

use super::descriptor::Descriptor;
use super::header::Packing;
use super::sparse::Sparse;
use super::{check, grain};
use crate::check::Findings;
use crate::image::layout::{Layout, Packed, Piece, Run, Stamp};
use crate::storage::Storage;

/// A part of the disk.
#[derive(Debug)]
pub struct Extent {
    /// Where it begins on the disk, in bytes.
    pub start: u64,
    /// How long it is, in bytes: more than 0.
    pub len: u64,
    /// What is behind it.
    pub backing: Backing,
}

/// How an extent is stored.
#[derive(Debug)]
pub enum Backing {
    /// Nowhere: it reads as zero.
    Zero,
    /// From `offset` bytes on in a storage, which was checked to be long enough.
    Flat {
        /// Which of the layout's storages.
        storage: usize,
        /// Where in it, in bytes.
        offset: u64,
    },
    /// In grains.
    Sparse(Box<Sparse>),
}

/// A VMDK of any kind.
#[derive(Debug)]
pub struct Vmdk {
    /// The file that was opened.
    pub main: Arc<dyn Storage>,
    storages: Vec<Arc<dyn Storage>>,
    /// In the disk's order, with nothing between them.
    pub extents: Vec<Extent>,
    /// What the descriptor says; nothing if there is none.
    pub descriptor: Descriptor,
    size: u64,
}

impl Vmdk {
    /// The layer of `extents`, which lie one after the other.
    pub fn new(
        main: Arc<dyn Storage>,
        storages: Vec<Arc<dyn Storage>>,
        extents: Vec<Extent>,
        descriptor: Descriptor,
    ) -> Self {
        let size = extents.last().map_or(0, |last| last.start + last.len);
        Self { main, storages, extents, descriptor, size }
    }

    /// The extent that holds `offset`.
    fn extent(&self, offset: u64) -> io::Result<&Extent> {
        let index = self.extents.partition_point(|extent| extent.start + extent.len <= offset);
        self.extents.get(index).ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    /// All sparse extents.
    pub fn sparse(&self) -> impl Iterator<Item = (&Extent, &Sparse)> {
        self.extents.iter().filter_map(|extent| match &extent.backing {
            Backing::Sparse(sparse) => Some((extent, sparse.as_ref())),
            _ => None,
        })
    }

    fn variant(&self) -> String {
        match (self.descriptor.create_type.as_str(), self.sparse().next()) {
            ("", Some((_, sparse))) if sparse.headers.is_none() => "COWDisk".into(),
            ("", _) => "sparse extent without a descriptor".into(),
            (create_type, _) => create_type.into(),
        }
    }
}

impl Layout for Vmdk {
    fn size(&self) -> u64 {
        self.size
    }

    fn storages(&self) -> &[Arc<dyn Storage>] {
        &self.storages
    }

    fn map(&self, offset: u64, limit: u64) -> io::Result<Run> {
        let extent = self.extent(offset)?;
        let at = offset - extent.start;
        let limit = limit.min(extent.len - at);
        match &extent.backing {
            Backing::Zero => Ok(Run { piece: Piece::Zero, len: limit }),
            Backing::Flat { storage, offset } => {
                Ok(Run { piece: Piece::Stored { storage: *storage, offset: offset + at }, len: limit })
            }
            Backing::Sparse(sparse) => {
                let mut run = sparse.map(at, limit)?;
                if let Piece::Packed(packed) = &mut run.piece {
                    packed.start += extent.start;
                }
                Ok(run)
            }
        }
    }

    fn unpack(&self, packed: &Packed) -> io::Result<Vec<u8>> {
        let extent = self.extent(packed.start)?;
        match &extent.backing {
            Backing::Sparse(sparse) => grain::unpack(sparse, packed, packed.start - extent.start),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn stamp(&self) -> Option<Stamp> {
        self.descriptor.cid.map(Stamp::ContentId)
    }

    fn block_size(&self) -> Option<u64> {
        self.sparse().map(|(_, sparse)| sparse.geometry.grain).max()
    }

    fn details(&self) -> Vec<(&'static str, String)> {
        let mut details = vec![("variant", self.variant()), ("extents", self.extents.len().to_string())];
        if let Some((_, sparse)) = self.sparse().next() {
            if let Some(headers) = &sparse.headers {
                details.push(("header version", headers.valid.version.to_string()));
            }
            details.push(("grain size", sparse.geometry.grain.to_string()));
            let compression = if sparse.geometry.packing == Packing::Plain { "none" } else { "deflate" };
            details.push(("compression", compression.into()));
        }
        let descriptor = &self.descriptor;
        let hexadecimal = |cid: Option<u32>| cid.map(|cid| format!("{cid:08x}"));
        let optional = [
            ("CID", hexadecimal(descriptor.cid)),
            ("parent CID", hexadecimal(descriptor.parent_cid)),
            ("parent", descriptor.parent_hint.clone().filter(|_| descriptor.parent_cid.is_some())),
            ("adapter type", descriptor.adapter_type.clone()),
            ("hardware version", descriptor.hardware_version.clone()),
        ];
        details.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        details
    }

    fn check(&self, findings: &mut Findings) -> io::Result<()> {
        check::check(self, findings)
    }
}
