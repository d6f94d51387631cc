//! Raw images, read as `qemu-img` reads them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where its expectation does not hold")]

mod judge;

use judge::{Bench, assert_same, odd_size};
use ovum_disk::{Access, open};

#[test]
fn sparse_files_are_read_whole() {
    for seed in 0..8 {
        let bench = Bench::new();
        let raw = bench.sparse("disk.img", odd_size(seed) + seed % 3, seed);
        assert_same(&open(&raw, None, Access::ReadOnly).unwrap(), &raw, seed);
    }
}
