//! What the fuzz targets do with their inputs; plain functions, so that tests replay the seeds.

mod write;

use std::sync::Arc;

use vm_memory::VolatileSlice;

use crate::storage::testing::Memory;
use crate::storage::unpack::Tuning;
use crate::storage::{Alone, Bzip2, Gzip, Neighbours, Storage, read_bytes};
use crate::{Access, Disk, Format, LayoutError, check, open_storage};

pub use write::qcow2_write;

/// The most that is read of a disk, at its front and at its back, in bytes.
const READ: u64 = 4 << 20;
/// How much is read at a time: an odd number, so that reads begin at any place of a block.
const CHUNK: u64 = 100_001;
/// Larger disks are not walked from end to end.
const WALKED: u64 = 1 << 30;

/// The most that a packed input may unpack to, in bytes.
const UNPACKED: u64 = 1 << 20;
/// So little that inputs of a few kilobytes get everywhere.
const TUNING: Tuning = Tuning { spacing: 1, kept: 3, live: 2, cache: 128 * 1024 };

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

/// Reads what is packed in a gzip file, in order and at odd places.
pub fn gzip(bytes: &[u8]) {
    unpack(bytes, |storage, size| Gzip::tuned(storage, size, UNPACKED, TUNING));
}

/// Reads what is packed in a bzip2 file, in order and at odd places.
pub fn bzip2(bytes: &[u8]) {
    unpack(bytes, |storage, size| Bzip2::tuned(storage, size, UNPACKED, TUNING));
}

/// Whatever is read of a file, and from wherever, must be the same bytes.
fn unpack<S: Storage>(bytes: &[u8], open: impl Fn(Arc<dyn Storage>, Option<u64>) -> Result<S, LayoutError>) {
    let read = |storage: &S, offset: u64, len: u64| {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        read_bytes(storage, offset, &mut bytes).map(|()| bytes)
    };
    let expected = match open(Memory::new(bytes.to_vec()), None) {
        Ok(storage) => {
            let whole = read(&storage, 0, storage.size()).ok();
            // It was unpacked once already, without an error.
            assert!(whole.is_some(), "what could be measured cannot be read");
            whole
        }
        Err(_) => None,
    };
    // The same without knowing its size, so that errors come up later.
    let Ok(storage) = open(Memory::new(bytes.to_vec()), Some(UNPACKED)) else { return };
    let size = expected.as_ref().map_or(UNPACKED, |bytes| bytes.len() as u64);
    let mut offset = 0;
    for step in 0..32_u64 {
        // Odd steps of many lengths, forward and back.
        offset = (offset + step * step * 77_777 + 65_521) % size.max(1);
        let len = (step * 4_099 % 150_000).min(size - offset);
        let (first, second) = (read(&storage, offset, len), read(&storage, offset, len));
        if let (Ok(first), Ok(second)) = (&first, &second) {
            assert!(first == second, "two reads differ");
        }
        if let Some(expected) = &expected {
            let from = usize::try_from(offset).unwrap_or_default();
            let expected = expected.get(from..).and_then(|bytes| bytes.get(..usize::try_from(len).unwrap_or_default()));
            assert!(first.ok().as_deref() == expected, "a read in order and one at {offset} differ");
        }
    }
}
