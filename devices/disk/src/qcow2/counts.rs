//! How often each cluster of the file is used, counted from the tables: the refcounts that the file keeps are not believed.

use std::io;

use super::header::{Header, RefcountTable};
use super::spec;
use super::walk::{self, Visitor};
use crate::error::Damage;
use crate::storage::Storage;

/// The most clusters of a file that are counted: 8 TiB of the usual 64 KiB. They take two bytes each.
pub const MAX_CLUSTERS: u64 = 1 << 27;

/// A cluster that is used by one, who may write to it.
const ALONE: u16 = 1 << 15;

const PAST_THE_END: &str = "a cluster is past the end of the file";

/// The use of each cluster of the file.
#[derive(Debug)]
pub struct Counts {
    cluster_bits: u32,
    /// 0: free; [`ALONE`]: used as a whole; else how many compressed clusters lie in it.
    counts: Vec<u16>,
    /// The largest count that the image's refcounts can hold.
    most: u16,
}

impl Counts {
    /// No cluster of the file is used.
    pub fn new(header: &Header, storage: &dyn Storage) -> io::Result<Self> {
        let clusters = storage.size().div_ceil(header.cluster());
        if clusters > MAX_CLUSTERS {
            let problem = format!("{clusters} clusters are more than Ovum counts");
            return Err(Damage::new(storage, storage.size(), "file", problem).into());
        }
        let bits = 1_u32 << header.refcount_order;
        let most = 1_u16.checked_shl(bits.min(15)).map_or(ALONE - 1, |end| end - 1);
        let len = usize::try_from(clusters).map_err(io::Error::other)?;
        Ok(Self { cluster_bits: header.cluster_bits, counts: vec![0; len], most })
    }

    /// How many clusters the file has.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// The refcounts of the clusters from `start` on, up to `len` of them.
    pub fn refcounts(&self, start: usize, len: usize) -> impl Iterator<Item = u16> {
        let end = start.saturating_add(len).min(self.counts.len());
        let counts = self.counts.get(start.min(end)..end).unwrap_or_default();
        counts.iter().map(|count| if *count == ALONE { 1 } else { *count })
    }

    pub fn is_free(&self, cluster: usize) -> bool {
        self.counts.get(cluster).is_none_or(|count| *count == 0)
    }

    /// Marks a free cluster, or one just past the end of the file, as used by one.
    pub fn take(&mut self, cluster: usize) {
        if cluster >= self.counts.len() {
            self.counts.resize(cluster + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(cluster) {
            *count = ALONE;
        }
    }

    /// Marks what was used in `len` bytes at `offset` as used by one less.
    pub fn release(&mut self, offset: u64, len: u64) {
        for cluster in self.clusters(offset, len) {
            if let Some(count) = self.counts.get_mut(cluster) {
                *count = if *count == ALONE { 0 } else { count.saturating_sub(1) };
            }
        }
    }

    fn clusters(&self, offset: u64, len: u64) -> impl Iterator<Item = usize> + use<> {
        let index = |at: u64| usize::try_from(at >> self.cluster_bits).unwrap_or(usize::MAX);
        let end = if len == 0 { index(offset) } else { index(offset.saturating_add(len - 1)).saturating_add(1) };
        index(offset)..end
    }

    fn count_whole(&mut self, offset: u64) -> Result<(), &'static str> {
        let index = usize::try_from(offset >> self.cluster_bits).unwrap_or(usize::MAX);
        match self.counts.get_mut(index) {
            None => Err(PAST_THE_END),
            Some(0) => {
                self.take(index);
                Ok(())
            }
            Some(_) => Err("a cluster is used for two things"),
        }
    }

    fn count_packed(&mut self, offset: u64, len: u32) -> Result<(), &'static str> {
        for index in self.clusters(offset, u64::from(len)) {
            let most = self.most;
            match self.counts.get_mut(index) {
                // The length is counted in sectors, and the file may end in any of them.
                None => {
                    self.counts.resize(index + 1, 0);
                    self.counts.last_mut().into_iter().for_each(|count| *count = 1);
                }
                Some(count) if *count >= most => return Err("a cluster is used too often"),
                Some(count) => *count += 1,
            }
        }
        Ok(())
    }
}

/// Counts, and holds everything that is wrong against the image: nobody may write to it then.
pub struct Strict<'a> {
    pub storage: &'a dyn Storage,
    pub counts: &'a mut Counts,
}

impl Strict<'_> {
    fn judge(&mut self, result: Result<(), &'static str>, slot: u64) -> io::Result<()> {
        result.map_err(|problem| Damage::new(self.storage, slot, "table entry", problem).into())
    }
}

impl Visitor for Strict<'_> {
    fn whole(&mut self, place: u64, slot: u64) -> io::Result<()> {
        let result = self.counts.count_whole(place);
        self.judge(result, slot)
    }

    fn packed(&mut self, place: u64, len: u32, slot: u64) -> io::Result<()> {
        let is_there = place < self.storage.size();
        let result = if is_there { self.counts.count_packed(place, len) } else { Err(PAST_THE_END) };
        self.judge(result, slot)
    }

    fn damage(&mut self, damage: Damage) -> io::Result<()> {
        Err(damage.into())
    }
}

/// Where the refcounts are kept.
#[derive(Debug, Clone)]
pub struct Kept {
    pub table: RefcountTable,
    /// The places of the refcount blocks; 0 where there is none.
    pub blocks: Vec<u64>,
}

impl Kept {
    /// Nowhere.
    pub fn nowhere() -> Self {
        Self { table: RefcountTable { offset: 0, clusters: 0 }, blocks: Vec::new() }
    }

    /// Looks where the refcounts of an image are kept that nobody may have finished writing, and counts their clusters. If
    /// they are in anybody's way, they are nowhere, and new ones will be made.
    pub fn find(header: &Header, storage: &dyn Storage, counts: &mut Counts) -> io::Result<Self> {
        let mut found = Found { counts, taken: Vec::new() };
        match found.find(header, storage) {
            Ok(kept) => Ok(kept),
            Err(error) => {
                let taken = std::mem::take(&mut found.taken);
                taken.into_iter().for_each(|place| counts.release(place, 1));
                // Only what is wrong with the refcounts is mended.
                error.downcast::<Damage>().map(|_| Self::nowhere())
            }
        }
    }
}

/// Counts what can be given up again.
struct Found<'a> {
    counts: &'a mut Counts,
    taken: Vec<u64>,
}

impl Found<'_> {
    fn find(&mut self, header: &Header, storage: &dyn Storage) -> io::Result<Kept> {
        let table = header.refcounts;
        let len = u64::from(table.clusters) * header.cluster();
        if len > spec::MAX_REFCOUNT_TABLE {
            return Err(Damage::new(storage, table.offset, "refcount table", "it is too large").into());
        }
        walk::rows(header, storage, table.offset, len, &mut Taking { storage, found: self })?;
        let mut blocks = Vec::new();
        let per_block = (header.cluster() * 8) >> header.refcount_order;
        // What is said of clusters that the file does not have is of no interest.
        let entries = (self.counts.len() as u64).div_ceil(per_block).min(len / spec::ENTRY);
        walk::entries(storage, table.offset, entries * spec::ENTRY, spec::ENTRY, &mut |slot, entry| {
            let place = walk::word(entry) & spec::REFCOUNT_BLOCK_OFFSET;
            let index = usize::try_from((slot - table.offset) / spec::ENTRY).map_err(io::Error::other)?;
            if place != 0 {
                if !place.is_multiple_of(header.cluster()) {
                    return Err(Damage::new(storage, slot, "refcount table entry", "it is not on a cluster").into());
                }
                Taking { storage, found: self }.whole(place, slot)?;
                blocks.resize(index, 0);
                blocks.push(place);
            }
            Ok(())
        })?;
        Ok(Kept { table, blocks })
    }
}

struct Taking<'f, 'c, 's> {
    storage: &'s dyn Storage,
    found: &'f mut Found<'c>,
}

impl Visitor for Taking<'_, '_, '_> {
    fn whole(&mut self, place: u64, slot: u64) -> io::Result<()> {
        Strict { storage: self.storage, counts: self.found.counts }.whole(place, slot)?;
        self.found.taken.push(place);
        Ok(())
    }

    fn packed(&mut self, _: u64, _: u32, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn damage(&mut self, damage: Damage) -> io::Result<()> {
        Err(damage.into())
    }
}
