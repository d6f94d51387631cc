//! Discarding parts of the disk, and making them zero.

use std::io;
use std::ops::Range;

use vm_memory::VolatileSlice;

use super::entry::Cluster;
use super::in_place::{Changes, InPlace};
use super::lookup::Slot;
use super::spec;
use crate::image::layout::{Layout, Piece};
use crate::image::{Below, Changeable};

/// What becomes of a cluster as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clear {
    /// It holds nothing, and there is nothing below it.
    Absent,
    /// It reads as zero and takes up nothing.
    Zero,
    /// It reads as zero and keeps its place, if it has one.
    ZeroInPlace,
}

impl InPlace {
    /// As [`Changeable::discard`]: clusters that are not in `range` as a whole stay as they are.
    pub(super) fn discard_range(&self, range: Range<u64>, below: Below<'_>) -> io::Result<()> {
        let (_, whole, _) = self.split(&range, self.size());
        let clear = if below.is_nothing() { Clear::Absent } else { Clear::Zero };
        self.clear(whole, clear, below)
    }

    /// As [`Changeable::write_zeroes`].
    pub(super) fn zero_range(&self, range: Range<u64>, may_unmap: bool, below: Below<'_>) -> io::Result<()> {
        self.zero(range, self.size(), may_unmap, below)
    }

    /// Makes `range` of a disk of `size` bytes zero.
    pub(super) fn zero(&self, range: Range<u64>, size: u64, may_unmap: bool, below: Below<'_>) -> io::Result<()> {
        let (front, whole, back) = self.split(&range, size);
        self.zero_part(front, may_unmap, below)?;
        self.clear(whole, if may_unmap { Clear::Zero } else { Clear::ZeroInPlace }, below)?;
        self.zero_part(back, may_unmap, below)
    }

    /// Cuts a range into what is part of a cluster, whole clusters, and part of one again. The last cluster of the disk is
    /// whole when the range goes to the end.
    fn split(&self, range: &Range<u64>, size: u64) -> (Range<u64>, Range<u64>, Range<u64>) {
        let cluster = self.header.cluster();
        let up = |at: u64| at.checked_next_multiple_of(cluster).unwrap_or(u64::MAX - u64::MAX % cluster);
        let end = if range.end >= size { up(range.end) } else { range.end };
        let whole = up(range.start)..end - end % cluster;
        if whole.is_empty() {
            // Two parts of two clusters, or one of one.
            let middle = up(range.start).min(range.end);
            return (range.start..middle, 0..0, middle..range.end);
        }
        (range.start..whole.start, whole.clone(), whole.end..end)
    }

    /// Makes a part of one cluster zero.
    fn zero_part(&self, mut range: Range<u64>, may_unmap: bool, below: Below<'_>) -> io::Result<()> {
        while !range.is_empty() {
            let len = range.end - range.start;
            let done = self.zero_stored(range.start, len, may_unmap, below)?;
            if done == 0 {
                // Less than a cluster.
                let mut zeroes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
                return self.write_at(range.start, &[VolatileSlice::from(zeroes.as_mut_slice())], below);
            }
            range.start += done;
        }
        Ok(())
    }

    /// Makes zero what is zero already, or has a place of its own. Returns for how many bytes that is so.
    fn zero_stored(&self, offset: u64, len: u64, may_unmap: bool, below: Below<'_>) -> io::Result<u64> {
        self.begin()?;
        let _held = self.data_in_flight();
        let run = self.map(offset, len)?;
        match run.piece {
            Piece::Zero => Ok(run.len),
            Piece::Absent if below.is_nothing() => Ok(run.len),
            Piece::Stored { offset: place, .. } => {
                self.storage().write_zeroes(place..place + run.len, may_unmap)?;
                Ok(run.len)
            }
            Piece::Absent | Piece::Packed(_) => Ok(0),
        }
    }

    /// Clears whole clusters, L2 table by L2 table; others may come in between.
    fn clear(&self, range: Range<u64>, clear: Clear, below: Below<'_>) -> io::Result<()> {
        let span = self.header.l2_span();
        let mut at = range.start;
        while at < range.end {
            let next = (at - at % span).saturating_add(span).min(range.end);
            self.clear_in_table(&mut self.lock(), at..next, clear, below)?;
            at = next;
        }
        Ok(())
    }

    fn clear_in_table(
        &self,
        changes: &mut Changes,
        range: Range<u64>,
        clear: Clear,
        below: Below<'_>,
    ) -> io::Result<()> {
        let slot = match self.look(|lookup| lookup.slot(range.start))? {
            Some(slot) => slot,
            None if below.is_nothing() => return Ok(()),
            None => self.table_for(changes, range.start)?,
        };
        let count = (range.end - range.start) >> self.header.cluster_bits;
        for index in slot.index..slot.index + count {
            let slot = Slot { index, ..slot };
            let before = self.look(|lookup| lookup.cluster(slot))?;
            if let Some(entry) = cleared(before, clear, below.is_nothing()) {
                self.replace(changes, slot, before, entry)?;
            }
        }
        Ok(())
    }
}

/// The entry of a cluster once it is cleared; nothing if it is as it should be.
fn cleared(before: Cluster, clear: Clear, nothing_below: bool) -> Option<u64> {
    match (before, clear) {
        (Cluster::Absent, _) if nothing_below => None,
        (Cluster::Zero(None), _) | (Cluster::Zero(_), Clear::ZeroInPlace) => None,
        (_, Clear::Absent) => Some(0),
        (Cluster::Stored(place), Clear::ZeroInPlace) => Some(place | spec::COPIED | spec::ZERO),
        _ => Some(spec::ZERO),
    }
}
