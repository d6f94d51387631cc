//! What mkfs.xfs cannot make: a file with a tree of extents, laid down by hand.

use ovum_disk::storage::read_bytes;
use ovum_disk::storage::testing::Memory;

use super::super::{FileSystem, FsError};
use super::*;

const BLOCK: usize = 1024;

/// A volume of 64 blocks in one group, whose root directory, in inode 32 of block 8, has the file `f` in inode 33.
fn volume(v5: bool) -> Vec<u8> {
    let mut bytes = vec![0; 64 * BLOCK];
    let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
    put(0, b"XFSB");
    put(4, &u32::try_from(BLOCK).unwrap().to_be_bytes());
    put(56, &32_u64.to_be_bytes());
    put(84, &64_u32.to_be_bytes());
    put(88, &1_u32.to_be_bytes());
    put(100, &if v5 { 0xb4a5_u16 } else { 0xb4a4 }.to_be_bytes());
    put(104, &256_u16.to_be_bytes());
    put(123, &[2, 6]);
    let core = if v5 { 176 } else { 100 };
    let version = if v5 { 3 } else { 2 };
    let root = 8 * BLOCK;
    put(root, &[b'I', b'N', 0x40, 0, version, spec::FORMAT_LOCAL]);
    put(root + core, &[2, 0, 0, 0, 0, 32, 1, 0, 0x60, b'f', 0, 0, 0, 33, 1, 0, 0x70, b'l', 0, 0, 0, 34]);
    // A link of two blocks, at 46 and 47.
    let link = root + 512;
    put(link, &[b'I', b'N', 0xa0, 0, version, spec::FORMAT_EXTENTS]);
    put(link + 56, &1003_u64.to_be_bytes());
    put(link + 76, &1_u32.to_be_bytes());
    put(link + core + 8, &(46_u64 << 21 | 2).to_be_bytes());
    let payload = if v5 { BLOCK - spec::SYMLINK_HEADER } else { BLOCK };
    for (block, text) in format!("{}f", "./".repeat(501)).as_bytes().chunks(payload).enumerate() {
        put((46 + block) * BLOCK, b"XSLM");
        put((47 + block) * BLOCK - payload, text);
    }
    let file = root + 256;
    put(file, &[b'I', b'N', 0x80, 0, version, spec::FORMAT_BTREE]);
    put(file + 56, &(100 * BLOCK as u64 + 7).to_be_bytes());
    // A root with two keys: blocks from 10 on in the node at 20, those from 50 on in the node at 21.
    put(file + core, &[0, 1, 0, 2]);
    let room = (256 - core - 4) / 16;
    for (index, (key, child)) in [(10_u64, 20_u64), (50, 21)].into_iter().enumerate() {
        put(file + core + 4 + index * 8, &key.to_be_bytes());
        put(file + core + 4 + room * 8 + index * 8, &child.to_be_bytes());
    }
    let header = if v5 { 72 } else { 24 };
    for (node, extents) in
        [(20, [(10_u64, 30_u64, 2_u64, 0_u64), (12, 40, 1, 1)]), (21, [(50, 32, 3, 0), (99, 35, 4, 0)])]
    {
        put(node * BLOCK, if v5 { b"BMA3" } else { b"BMAP" });
        put(node * BLOCK + 4, &[0, 0, 0, 2]);
        for (index, (offset, start, len, unwritten)) in extents.into_iter().enumerate() {
            let at = node * BLOCK + header + index * 16;
            put(at, &(unwritten << 63 | offset << 9).to_be_bytes());
            put(at + 8, &(start << 21 | len).to_be_bytes());
        }
    }
    for block in 30..45 {
        put(block * BLOCK, &[u8::try_from(block).unwrap(); BLOCK]);
    }
    bytes
}

fn system(bytes: Vec<u8>) -> Arc<dyn FileSystem> {
    super::super::open(Memory::new(bytes) as _).unwrap().unwrap()
}

#[test]
fn a_tree_of_extents_is_followed() {
    for v5 in [false, true] {
        let file = system(volume(v5)).open("/f").unwrap();
        let mut all = vec![1; 100 * BLOCK + 7];
        read_bytes(file.as_ref(), 0, &mut all).unwrap();
        for (index, block) in all.chunks(BLOCK).enumerate() {
            let expected = match index {
                10 => 30,
                11 => 31,
                50..=52 => u8::try_from(index - 50 + 32).unwrap(),
                99 => 35,
                100 => 36,
                _ => 0,
            };
            assert!(block.iter().all(|byte| *byte == expected), "block {index}");
        }
        assert_eq!(file.data_after(0).unwrap(), 10 * BLOCK as u64..12 * BLOCK as u64);
        assert_eq!(file.data_after(12 * BLOCK as u64).unwrap().start, 50 * BLOCK as u64);
    }
}

#[test]
fn a_link_of_several_blocks_is_put_together() {
    for v5 in [false, true] {
        assert_eq!(system(volume(v5)).metadata("/l").unwrap().len, 100 * BLOCK as u64 + 7);
    }
    let mut bytes = volume(true);
    bytes[47 * BLOCK] = 0;
    assert!(matches!(system(bytes).metadata("/l"), Err(FsError::Damaged { .. })));
}

#[test]
fn a_tree_that_runs_in_circles_is_refused() {
    let mut bytes = volume(true);
    // The node is where the root says that a level is below it.
    bytes[8 * BLOCK + 256 + 176 + 1] = 2;
    let file = system(bytes.clone()).open("/f").unwrap();
    let error = read_bytes(file.as_ref(), 10 * BLOCK as u64, &mut [0]).unwrap_err();
    assert!(error.to_string().contains("level"), "{error}");
    bytes[8 * BLOCK + 256 + 176 + 1] = 200;
    let file = system(bytes).open("/f").unwrap();
    assert!(read_bytes(file.as_ref(), 10 * BLOCK as u64, &mut [0]).is_err());
}

#[test]
fn what_is_not_known_is_refused() {
    let with = |at: usize, byte: u8| {
        let mut bytes = volume(true);
        bytes[at] = byte;
        super::super::open(Memory::new(bytes) as _)
    };
    for (at, byte) in [(101, 0xa3), (218, 2), (6, 3), (192, 9), (104, 0), (123, 3), (124, 99), (124, 5), (91, 0)] {
        assert!(matches!(with(at, byte), Err(FsError::Damaged { .. })), "{at}");
    }
    assert!(!with(219, 0x10).unwrap().unwrap().notes().is_empty());
    assert!(with(0, b'Y').unwrap().is_none());
}
