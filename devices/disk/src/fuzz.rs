//! What the fuzz targets do with their inputs; plain functions, so that tests replay the seeds.

use std::sync::Arc;

use vm_memory::VolatileSlice;

use crate::storage::testing::Memory;
use crate::storage::{Alone, Neighbours, Storage};
use crate::{Access, Disk, Format, check, open_storage};

/// The most that is read of a disk, at its front and at its back, in bytes.
const READ: u64 = 4 << 20;
/// How much is read at a time: an odd number, so that reads begin at any place of a block.
const CHUNK: u64 = 100_001;
/// Larger disks are not walked from end to end.
const WALKED: u64 = 1 << 30;

/// Opens `bytes` as an image of `format`, then reads and checks it.
pub fn image(format: Format, bytes: &[u8]) {
    let neighbours: Arc<dyn Neighbours> = Arc::new(Alone);
    let storage: Arc<dyn Storage> = Memory::new(bytes.to_vec());
    let _ = Format::of_bytes(storage.as_ref());
    let Ok(image) = open_storage(storage, &neighbours, format, Access::ReadOnly) else { return };
    let size = image.size();
    let mut buffer = vec![0; usize::try_from(CHUNK).unwrap_or_default()];
    let ranges = [0..size.min(READ), size.saturating_sub(READ)..size];
    for range in ranges {
        let mut offset = range.start;
        while offset < range.end {
            let len = CHUNK.min(range.end - offset);
            let chunk = buffer.get_mut(..usize::try_from(len).unwrap_or_default()).unwrap_or_default();
            // An error is an answer.
            let _ = image.read_at(offset, &[VolatileSlice::from(chunk)]);
            offset += len;
        }
    }
    let _ = image.layout().details();
    if size <= WALKED {
        let _ = check::check(image.layout());
    }
}
