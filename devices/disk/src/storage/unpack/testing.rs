//! What the tests of all storages that unpack need.

use crate::storage::{Storage, read_bytes};

/// Numbers that look random.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 24).unwrap() % end.max(1)
    }
}

/// Bytes that pack a little, with runs of zeroes.
pub fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut bytes = Vec::with_capacity(len + 4096);
    while bytes.len() < len {
        let word = numbers.below(usize::MAX).to_le_bytes();
        match numbers.below(16) {
            0 => bytes.extend([0; 4096]),
            1..8 => (0..8).for_each(|_| bytes.extend(word)),
            _ => bytes.extend(word),
        }
    }
    bytes.truncate(len);
    bytes
}

pub fn read(storage: &dyn Storage, offset: usize, len: usize) -> Vec<u8> {
    let mut bytes = vec![0xa5; len];
    read_bytes(storage, offset as u64, &mut bytes).unwrap();
    bytes
}

/// Asserts that `storage` holds what was expected, by `reads` at odd places and one in order.
pub fn assert_same(storage: &dyn Storage, expected: &[u8], reads: usize) {
    assert_eq!(storage.size(), expected.len() as u64);
    let mut numbers = Numbers(12345);
    for _ in 0..reads {
        let start = numbers.below(expected.len() + 1);
        let len = numbers.below((expected.len() - start).min(200_000) + 1);
        assert!(read(storage, start, len) == expected[start..start + len], "{len} bytes at {start}");
    }
    assert!(read(storage, 0, expected.len()) == expected);
}
