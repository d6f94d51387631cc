//! Making the disk larger.

use std::io;
use std::sync::PoisonError;

use super::header::L1;
use super::in_place::{Changes, Freed, InPlace};
use super::{head, spec};
use crate::image::Below;
use crate::image::layout::Layout;
use crate::storage::{Storage, read_bytes, write_bytes};

impl InPlace {
    /// As [`crate::image::Changeable::grow`].
    pub(super) fn grow_disk(&self, size: u64, below: Below<'_>) -> io::Result<()> {
        let before = self.size();
        if size < before {
            let what = "qcow2 images are only made larger: make a smaller disk, and copy what you need";
            return Err(io::Error::new(io::ErrorKind::Unsupported, what));
        }
        let needed = self.header.l1_needed(size);
        if needed > spec::MAX_L1 / spec::ENTRY {
            let what = format!("{size} bytes are too many for clusters of {}", self.header.cluster());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        // All that fits into an L1 table fits into 32 bits.
        let needed = u32::try_from(needed).map_err(io::Error::other)?;
        self.begin()?;
        self.grow_l1(&mut self.lock(), needed)?;
        // What is new reads as zero, also where an image below is longer, or something stands behind the old end.
        let shown = below.size().max(before.next_multiple_of(self.header.cluster())).min(size);
        if shown > before {
            self.zero(before..shown, size, true, below)?;
        }
        let mut changes = self.lock();
        self.write_back(&mut changes)?;
        let l1 = *self.l1.read().unwrap_or_else(PoisonError::into_inner);
        head::set_size(self.storage(), size, l1)?;
        self.storage().flush()?;
        self.set_disk_size(size);
        Ok(())
    }

    /// Makes room for `needed` entries in the L1 table.
    fn grow_l1(&self, changes: &mut Changes, needed: u32) -> io::Result<()> {
        let before = *self.l1.read().unwrap_or_else(PoisonError::into_inner);
        if needed <= before.entries {
            return Ok(());
        }
        self.write_back(changes)?;
        let len = |entries: u32| u64::from(entries) * spec::ENTRY;
        let room = |entries: u32| len(entries).next_multiple_of(self.header.cluster());
        let place = changes.space.take_table(len(needed))?;
        let l1 = L1 { offset: place, entries: needed };
        if let Err(error) = copy_l1(self.storage(), before, l1, room(needed)) {
            changes.space.release(place, room(needed));
            return Err(error);
        }
        // Both tables say the same until the header names the new one, and pages are written only then.
        self.cache.forget(place, room(needed));
        *self.l1.write().unwrap_or_else(PoisonError::into_inner) = l1;
        self.cache.forget(before.offset, room(before.entries));
        changes.l1_has_moved = true;
        if before.entries > 0 {
            changes.free(Freed { offset: before.offset, len: room(before.entries), whole: true });
        }
        self.write_back(changes)
    }
}

/// Copies a table to one of `room` bytes, the rest of which is zero.
fn copy_l1(storage: &dyn Storage, from: L1, to: L1, room: u64) -> io::Result<()> {
    // At most 32 MiB.
    let mut bytes = vec![0; usize::try_from(room).map_err(io::Error::other)?];
    let len = usize::try_from(u64::from(from.entries) * spec::ENTRY).map_err(io::Error::other)?;
    read_bytes(storage, from.offset, bytes.get_mut(..len).unwrap_or_default())?;
    write_bytes(storage, to.offset, &bytes)
}
