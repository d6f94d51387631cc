//! Images made by hand, for tests and fuzz targets.

use super::spec;

/// Where [`build`] puts the table, in bytes.
pub const TABLE_AT: usize = 512;

/// An image with these entries in its table and `blocks` of `block_size` bytes each, number `n` of them filled with `n + 1`,
/// each after `extra` bytes.
#[must_use]
pub fn build(size: u64, block_size: u32, extra: u32, table: &[u32], blocks: u8) -> Vec<u8> {
    let data_at = (TABLE_AT + table.len() * 4).next_multiple_of(512);
    let mut bytes = vec![0; data_at];
    let mut put = |at: usize, value: &[u8]| {
        bytes.splice(at..at + value.len(), value.iter().copied());
    };
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let present = table.iter().filter(|entry| **entry < spec::ZERO).count();
    for (at, value) in [
        (spec::SIGNATURE, spec::MAGIC),
        (spec::VERSION, 0x0001_0001),
        (spec::HEADER_LENGTH, 0x190),
        (spec::KIND, spec::NORMAL),
        (spec::TABLE_AT, count(TABLE_AT)),
        (spec::DATA_AT, count(data_at)),
        (spec::BLOCK_SIZE, block_size),
        (spec::EXTRA_SIZE, extra),
        (spec::BLOCKS, count(table.len())),
        (spec::ALLOCATED, count(present)),
    ] {
        put(at, &value.to_le_bytes());
    }
    put(spec::DISK_SIZE, &size.to_le_bytes());
    put(spec::ID, &[7; 16]);
    for (number, entry) in table.iter().enumerate() {
        put(TABLE_AT + number * 4, &entry.to_le_bytes());
    }
    for number in 0..blocks {
        bytes.resize(bytes.len() + extra as usize, 0xee);
        bytes.resize(bytes.len() + block_size as usize, number + 1);
    }
    bytes
}
