//! Writing to the disk.

use std::io;
use std::ops::Range;

use vm_memory::VolatileSlice;

use super::entry::Cluster;
use super::in_place::{Changes, InPlace};
use super::lookup::Slot;
use super::packed;
use super::spec;
use crate::buffers::{Cursor, total};
use crate::image::layout::{Layout, Packed, Piece};
use crate::image::{Below, Changeable};

/// The most that is written to new clusters in one go, in bytes.
const AT_ONCE: u64 = 4 << 20;

/// Clusters of the disk, one after the other, that get new places in the file.
struct Fresh {
    slot: Slot,
    /// What they were; each gets a place of its own.
    before: Vec<Cluster>,
    /// Where on the disk the first one begins.
    start: u64,
}

impl Changeable for InPlace {
    fn write_at(&self, mut offset: u64, from: &[VolatileSlice<'_>], below: Below<'_>) -> io::Result<()> {
        self.begin()?;
        let mut cursor = Cursor::new(from);
        let mut left = total(from);
        while left > 0 {
            let mut done = self.write_stored(offset, left, &mut cursor)?;
            if done == 0 {
                done = self.write_fresh(offset, left, &mut cursor, below)?;
            }
            offset += done;
            left -= done;
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.flush_all()
    }

    fn discard(&self, range: Range<u64>, below: Below<'_>) -> io::Result<()> {
        self.discard_range(range, below)
    }

    fn write_zeroes(&self, range: Range<u64>, may_unmap: bool, below: Below<'_>) -> io::Result<()> {
        self.zero_range(range, may_unmap, below)
    }

    fn close(&self) -> io::Result<()> {
        self.settle()
    }

    fn grow(&self, size: u64, below: Below<'_>) -> io::Result<()> {
        self.grow_disk(size, below)
    }

    fn hold(&self, read: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        let _held = self.data_in_flight();
        read()
    }
}

impl InPlace {
    /// Writes to clusters that have their places already. Returns how many bytes: none if the first one has none.
    fn write_stored(&self, offset: u64, left: u64, cursor: &mut Cursor<'_, '_>) -> io::Result<u64> {
        // Until the data is written, nobody else may get these clusters.
        let _held = self.data_in_flight();
        let run = self.map(offset, left)?;
        match run.piece {
            Piece::Stored { offset: place, .. } => {
                let len = run.len.min(left);
                self.storage().write_at(place, &cursor.take(len))?;
                Ok(len)
            }
            _ => Ok(0),
        }
    }

    /// Writes to clusters that have no places yet. Returns how many bytes: none if another thread was faster.
    fn write_fresh(&self, offset: u64, left: u64, cursor: &mut Cursor<'_, '_>, below: Below<'_>) -> io::Result<u64> {
        let mut changes = self.lock();
        let changes = &mut *changes;
        self.mark(changes)?;
        let mut fresh = self.find_fresh(changes, offset, left)?;
        let cluster = self.header.cluster();
        let Some(first) = fresh.before.first().copied() else { return Ok(0) };
        let (place, count) = match first.place() {
            // A place is kept for it, of which nobody has read anything.
            Some(place) => (place, 1),
            None => changes.space.take(fresh.before.len())?,
        };
        fresh.before.truncate(count);
        let within = offset - fresh.start;
        let len = left.min(count as u64 * cluster - within);
        let mut entered = 0;
        let result = self
            .write_around(&fresh, place, within, len, cursor, below)
            .and_then(|()| self.enter(changes, &fresh, place, &mut entered));
        if result.is_err() && first.place().is_none() {
            changes.space.release(place + entered * cluster, (count as u64 - entered) * cluster);
        }
        result.map(|()| len)
    }

    /// The clusters from `offset` on that have no places yet, as many as are next to each other and are of use for `left`
    /// bytes.
    fn find_fresh(&self, changes: &mut Changes, offset: u64, left: u64) -> io::Result<Fresh> {
        let cluster = self.header.cluster();
        let slot = self.table_for(changes, offset)?;
        let start = offset - offset % cluster;
        let count = (offset - start + left.min(AT_ONCE)).div_ceil(cluster).min(self.header.l2_entries() - slot.index);
        let mut before = Vec::new();
        for index in slot.index..slot.index + count {
            match self.look(|lookup| lookup.cluster(Slot { index, ..slot }))? {
                Cluster::Stored(_) => break,
                Cluster::Zero(Some(place)) => {
                    if before.is_empty() {
                        before.push(Cluster::Zero(Some(place)));
                    }
                    break;
                }
                other => before.push(other),
            }
        }
        Ok(Fresh { slot, before, start })
    }

    /// Writes `len` bytes, which begin `within` the first of the clusters, to `place`, and what these clusters held beside
    /// them.
    fn write_around(
        &self,
        fresh: &Fresh,
        place: u64,
        within: u64,
        len: u64,
        cursor: &mut Cursor<'_, '_>,
        below: Below<'_>,
    ) -> io::Result<()> {
        let cluster = self.header.cluster();
        let end = within + len;
        let last = fresh.before.last().copied().unwrap_or(Cluster::Absent);
        let first = fresh.before.first().copied().unwrap_or(Cluster::Absent);
        let mut front = self.content(first, fresh.start, 0..within, below)?;
        let mut back = match end % cluster {
            0 => Vec::new(),
            back => self.content(last, fresh.start + end - back, back..cluster, below)?,
        };
        let mut buffers = vec![VolatileSlice::from(front.as_mut_slice())];
        buffers.extend(cursor.take(len));
        buffers.push(VolatileSlice::from(back.as_mut_slice()));
        self.storage().write_at(place, &buffers)
    }

    /// What is read in a part of a cluster that begins at `start` of the disk. What is past the end of the disk is zero,
    /// whatever is below: it may come to light when the disk grows.
    fn content(&self, cluster: Cluster, start: u64, part: Range<u64>, below: Below<'_>) -> io::Result<Vec<u8>> {
        let len = usize::try_from(part.end - part.start).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        match cluster {
            Cluster::Absent => {
                let offset = start + part.start;
                let on_disk = self.size().saturating_sub(offset).min(len as u64);
                let on_disk = usize::try_from(on_disk).map_err(io::Error::other)?;
                below.read(offset, bytes.get_mut(..on_disk).unwrap_or_default())?;
            }
            Cluster::Packed(offset, packed_len) if len > 0 => {
                let cluster = u32::try_from(self.header.cluster()).map_err(io::Error::other)?;
                let packed = Packed { start, len: cluster, storage: 0, offset, packed_len };
                let block = packed::unpack(self.storage(), self.header.compression, &packed)?;
                let from = usize::try_from(part.start).map_err(io::Error::other)?;
                let block = block.get(from..).unwrap_or_default();
                bytes.iter_mut().zip(block).for_each(|(to, from)| *to = *from);
            }
            // Neither is ever stored: zeroes.
            _ => (),
        }
        Ok(bytes)
    }

    /// Enters the clusters' places, which begin at `place`, into their L2 table; counts how many.
    fn enter(&self, changes: &mut Changes, fresh: &Fresh, place: u64, entered: &mut u64) -> io::Result<()> {
        for (index, before) in (fresh.slot.index..).zip(&fresh.before) {
            let entry = (place + *entered * self.header.cluster()) | spec::COPIED;
            self.replace(changes, Slot { index, ..fresh.slot }, *before, entry)?;
            *entered += 1;
        }
        Ok(())
    }
}
