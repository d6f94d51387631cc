//! Files and directories as chains of clusters.

use std::sync::{Arc, Mutex, PoisonError};

use super::super::FsError;
use super::super::mapped::{Map, Piece, Place};
use super::super::volume::Volume;
use super::boot_sector::{Geometry, Width};

/// The table and the clusters.
#[derive(Debug)]
pub struct Clusters {
    /// The volume.
    pub volume: Arc<Volume>,
    /// Where things are on it.
    pub geometry: Geometry,
}

impl Clusters {
    /// The cluster behind `cluster` in its chain, `None` at its end.
    pub fn next(&self, cluster: u32) -> Result<Option<u32>, FsError> {
        let table = self.geometry.table;
        let index = u64::from(cluster);
        let (place, next, end) = match self.geometry.width {
            Width::Twelve => {
                let place = table + index + index / 2;
                let pair = u32::from(self.volume.read(place, 2)?.le16(0)?);
                (place, if index % 2 == 0 { pair & 0xfff } else { pair >> 4 }, 0xff8)
            }
            Width::Sixteen => {
                let place = table + index * 2;
                (place, u32::from(self.volume.read(place, 2)?.le16(0)?), 0xfff8)
            }
            Width::ThirtyTwo => {
                let place = table + index * 4;
                (place, self.volume.read(place, 4)?.le32(0)? & 0x0fff_ffff, 0x0fff_fff8)
            }
        };
        if next >= end {
            return Ok(None);
        }
        if !self.has(next) {
            return Err(self.volume.damaged(place, format!("cluster {cluster} is followed by {next}, which is none")));
        }
        Ok(Some(next))
    }

    /// Whether there is such a cluster.
    pub fn has(&self, cluster: u32) -> bool {
        cluster >= 2 && cluster - 2 < self.geometry.clusters
    }

    /// Where `cluster` is, in bytes.
    pub fn place(&self, cluster: u32) -> u64 {
        self.geometry.data + u64::from(cluster.saturating_sub(2)) * u64::from(self.geometry.cluster)
    }
}

/// Each so many clusters of a chain are remembered, to start from.
const SPACING: usize = 256;
/// The most clusters that one piece is put together from.
const PIECE: u32 = 4096;

/// A file's chain. It is walked as far as somebody reads; the file's length is the limit, so that a chain that runs in
/// circles ends too.
#[derive(Debug)]
pub struct Chain {
    clusters: Arc<Clusters>,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    /// Cluster 0, [`SPACING`], twice that, and so on.
    marks: Vec<u32>,
    /// The index and number of the one at which the last piece ended.
    last: (usize, u32),
}

impl Chain {
    /// The chain that begins with cluster `first`.
    pub fn new(clusters: Arc<Clusters>, first: u32) -> Result<Self, FsError> {
        if !clusters.has(first) {
            let place = clusters.geometry.data;
            return Err(clusters.volume.damaged(place, format!("a file begins in cluster {first}, which is none")));
        }
        Ok(Self { clusters, known: Mutex::new(Known { marks: vec![first], last: (0, first) }) })
    }

    /// The cluster at `index` of the chain.
    fn at(&self, known: &mut Known, index: usize) -> Result<u32, FsError> {
        let nearest = (index / SPACING).min(known.marks.len().saturating_sub(1));
        let mark = (nearest * SPACING, known.marks.get(nearest).copied().unwrap_or_default());
        let (mut at, mut cluster) = if (mark.0..=index).contains(&known.last.0) { known.last } else { mark };
        while at < index {
            cluster = self.following(cluster)?;
            at += 1;
            if at == known.marks.len() * SPACING {
                known.marks.push(cluster);
            }
        }
        Ok(cluster)
    }

    fn following(&self, cluster: u32) -> Result<u32, FsError> {
        let place = self.clusters.place(cluster);
        let next = self.clusters.next(cluster)?;
        next.ok_or_else(|| self.clusters.volume.damaged(place, "a file ends before its length"))
    }
}

impl Map for Chain {
    fn piece(&self, offset: u64) -> Result<Piece, FsError> {
        let size = u64::from(self.clusters.geometry.cluster);
        // Files are shorter than 4 GiB.
        let index = usize::try_from(offset / size).unwrap_or(usize::MAX);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let first = self.at(&mut known, index)?;
        let mut count = 1;
        while count < PIECE && self.clusters.next(first + count - 1).ok().flatten() == Some(first + count) {
            count += 1;
        }
        // Marks are set in order, so what was skipped here is walked again when it is needed, from the cache.
        known.last = (index, first);
        let inside = offset % size;
        let len = u64::from(count) * size - inside;
        Ok(Piece { place: Place::At(self.clusters.place(first) + inside), len })
    }
}
