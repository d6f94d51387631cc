//! Free and used clusters of an image that is changed, and the refcounts that say so in the file.
//!
//! While an image is changed its refcounts are kept in memory only; the dirty bit in the header says so. They are written when
//! the image is closed.

use std::io;

use super::counts::{Counts, Kept, MAX_CLUSTERS, Strict};
use super::header::{Header, RefcountTable};
use super::{spec, walk};
use crate::storage::{Storage, write_bytes};

/// The clusters of an image.
#[derive(Debug)]
pub struct Space {
    cluster: u64,
    refcount_order: u32,
    counts: Counts,
    kept: Kept,
    /// Refcount tables that are of no use once the one in `kept` is written.
    stale: Vec<RefcountTable>,
    /// No cluster before this one is free.
    hint: usize,
    /// The most clusters that the file may have.
    limit: usize,
}

impl Space {
    /// Counts the clusters of the image in `storage`, which has no snapshots.
    ///
    /// # Errors
    /// Damage, where the tables name clusters that are not there, or one for two things.
    pub fn count(header: &Header, storage: &dyn Storage) -> io::Result<Self> {
        let mut counts = Counts::new(header, storage)?;
        if counts.len() > 0 {
            counts.take(0);
        }
        let mut strict = Strict { storage, counts: &mut counts };
        // No L2 table is counted twice, so this takes no longer than reading the file.
        walk::l1(header, storage, header.l1, &mut strict, &mut |table, strict| {
            walk::l2(header, storage, table, strict)
        })?;
        let kept = Kept::find(header, storage, &mut counts)?;
        let per_block = (header.cluster() * 8) >> header.refcount_order;
        let limit = MAX_CLUSTERS.min(spec::MAX_REFCOUNT_TABLE / spec::ENTRY * per_block);
        let limit = usize::try_from(limit).map_err(io::Error::other)?;
        Ok(Self {
            cluster: header.cluster(),
            refcount_order: header.refcount_order,
            counts,
            kept,
            stale: Vec::new(),
            hint: 1,
            limit,
        })
    }

    /// Takes up to `wanted` free clusters that are next to each other: the first ones that are free, else at the end of the
    /// file. Returns where they are, and how many: at least one.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] when the file has as many clusters as the format, or Ovum, can count.
    pub fn take(&mut self, wanted: usize) -> io::Result<(u64, usize)> {
        let first = (self.hint..self.counts.len()).find(|cluster| self.counts.is_free(*cluster));
        let first = first.unwrap_or(self.counts.len());
        let end = first.saturating_add(wanted.max(1)).min(self.limit);
        let count = (first..end).take_while(|cluster| self.counts.is_free(*cluster)).count();
        self.hint = first;
        self.take_all(first, count)
    }

    /// Takes `wanted` clusters in one piece.
    fn take_row(&mut self, wanted: usize) -> io::Result<u64> {
        let (mut start, mut len) = (self.counts.len(), 0);
        for cluster in self.hint..self.counts.len() {
            if !self.counts.is_free(cluster) {
                len = 0;
                continue;
            }
            if len == 0 {
                start = cluster;
            }
            len += 1;
            if len == wanted {
                break;
            }
        }
        if len == 0 {
            start = self.counts.len();
        }
        let count = if start.saturating_add(wanted) <= self.limit { wanted } else { 0 };
        self.take_all(start, count).map(|(place, _)| place)
    }

    fn take_all(&mut self, first: usize, count: usize) -> io::Result<(u64, usize)> {
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        (first..first + count).for_each(|cluster| self.counts.take(cluster));
        if first == self.hint {
            self.hint = first + count;
        }
        Ok((first as u64 * self.cluster, count))
    }

    /// Gives back the use of `len` bytes at `offset`.
    pub fn release(&mut self, offset: u64, len: u64) {
        self.counts.release(offset, len);
        let first = usize::try_from(offset / self.cluster).unwrap_or(usize::MAX);
        self.hint = self.hint.min(first).max(1);
    }

    /// Takes clusters in one piece for a table of `len` bytes.
    ///
    /// # Errors
    /// As [`Space::take`].
    pub fn take_table(&mut self, len: u64) -> io::Result<u64> {
        self.take_row(usize::try_from(len.div_ceil(self.cluster)).map_err(io::Error::other)?)
    }

    /// How many refcounts a block holds.
    fn per_block(&self) -> usize {
        // At most 2 MiB of single bits.
        usize::try_from((self.cluster * 8) >> self.refcount_order).unwrap_or(usize::MAX)
    }

    /// Writes all refcounts, and makes room for them first where there is none. Returns where the table is that the header
    /// has to name: until it does, these refcounts are not looked for.
    ///
    /// # Errors
    /// When there is no room for them, or the storage cannot be written; it can be tried again.
    pub fn write_refcounts(&mut self, storage: &dyn Storage) -> io::Result<RefcountTable> {
        self.make_room()?;
        for table in std::mem::take(&mut self.stale) {
            self.release(table.offset, u64::from(table.clusters) * self.cluster);
        }
        self.write_blocks(storage)?;
        let mut table = Vec::new();
        self.kept.blocks.iter().for_each(|place| table.extend(place.to_be_bytes()));
        let len = u64::from(self.kept.table.clusters) * self.cluster;
        table.resize(usize::try_from(len).map_err(io::Error::other)?, 0);
        write_bytes(storage, self.kept.table.offset, &table)?;
        Ok(self.kept.table)
    }

    /// Takes clusters for refcounts until there are refcounts for all of them.
    fn make_room(&mut self) -> io::Result<()> {
        loop {
            let blocks = self.counts.len().div_ceil(self.per_block());
            self.kept.blocks.resize(self.kept.blocks.len().max(blocks), 0);
            let table = self.kept.table;
            let table_len = self.kept.blocks.len() as u64 * spec::ENTRY;
            if table_len > u64::from(table.clusters) * self.cluster {
                // Half as much again, so that it does not move often.
                let len = (table_len + table_len / 2).min(spec::MAX_REFCOUNT_TABLE.max(self.cluster));
                let offset = self.take_table(len)?;
                let clusters = u32::try_from(len.div_ceil(self.cluster)).map_err(io::Error::other)?;
                self.kept.table = RefcountTable { offset, clusters };
                self.stale.push(table);
                continue;
            }
            let per_block = self.per_block();
            let is_missing = |(index, place): (usize, &u64)| {
                let is_used = self.counts.refcounts(index * per_block, per_block).any(|count| count != 0);
                (*place == 0 && is_used).then_some(index)
            };
            let missing: Vec<usize> = self.kept.blocks.iter().enumerate().filter_map(is_missing).collect();
            if missing.is_empty() {
                return Ok(());
            }
            for index in missing {
                let place = self.take_table(self.cluster)?;
                self.kept.blocks.get_mut(index).into_iter().for_each(|block| *block = place);
            }
        }
    }

    fn write_blocks(&self, storage: &dyn Storage) -> io::Result<()> {
        let per_block = self.per_block();
        for (index, place) in self.kept.blocks.iter().enumerate().filter(|(_, place)| **place != 0) {
            let refcounts = self.counts.refcounts(index * per_block, per_block);
            let mut bytes = encode(refcounts, self.refcount_order);
            bytes.resize(usize::try_from(self.cluster).map_err(io::Error::other)?, 0);
            write_bytes(storage, *place, &bytes)?;
        }
        Ok(())
    }
}

/// Refcounts as they are in a refcount block. All fit: they were counted with what the image's can hold in mind.
fn encode(refcounts: impl Iterator<Item = u16>, order: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (bits, mut shift) = (1_u32 << order, 8);
    for count in refcounts {
        match order {
            0..=2 => {
                if shift == 8 {
                    bytes.push(0);
                    shift = 0;
                }
                let [low, _] = (count << shift).to_le_bytes();
                bytes.last_mut().into_iter().for_each(|byte| *byte |= low);
                shift += bits;
            }
            _ => {
                let wide = u64::from(count).to_be_bytes();
                let skip = 8_usize.saturating_sub((bits / 8) as usize);
                bytes.extend(wide.get(skip..).unwrap_or_default());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refcounts_of_all_widths() {
        let counts = [1_u16, 0, 1, 1, 0, 0, 0, 1, 1];
        assert_eq!(encode(counts.into_iter(), 0), [0b1000_1101, 1]);
        assert_eq!(encode([3_u16, 0, 2, 1, 1].into_iter(), 1), [0b01_10_00_11, 1]);
        assert_eq!(encode([15_u16, 1, 7].into_iter(), 2), [0x1f, 7]);
        assert_eq!(encode([255_u16, 1].into_iter(), 3), [255, 1]);
        assert_eq!(encode([0x102_u16, 1].into_iter(), 4), [1, 2, 0, 1]);
        assert_eq!(encode([0x102_u16].into_iter(), 5), [0, 0, 1, 2]);
        assert_eq!(encode([0x102_u16].into_iter(), 6), [0, 0, 0, 0, 0, 0, 1, 2]);
    }
}
