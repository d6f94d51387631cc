use std::io::{self, Write};
use std::sync::Arc;

use bzip2::Compression;
use bzip2::write::BzEncoder;

use super::*;
use crate::storage::testing::{Faulty, Memory};
use crate::storage::unpack::testing::{assert_same, bytes, read};
use crate::storage::unpack::{CHUNK_LEN, Tuning};
use crate::storage::{Part, Storage, read_bytes};
use crate::{Damage, LayoutError};

const SMALL: Tuning = Tuning { spacing: 1, kept: 4, live: 2, cache: 4 * CHUNK_LEN };

fn pack(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = BzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn open(packed: Vec<u8>) -> Result<Bzip2, LayoutError> {
    Bzip2::tuned(Memory::new(packed), None, 1 << 30, SMALL)
}

fn problem(packed: Vec<u8>) -> Damage {
    match open(packed).unwrap_err() {
        LayoutError::Damaged(damage) => damage,
        other => panic!("{other:?}"),
    }
}

#[test]
fn any_place_can_be_read_whatever_was_read_before() {
    for (len, level) in [(0, 9), (1, 1), (65_535, 1), (65_536, 1), (65_537, 9), (1_000_000, 1), (2_500_000, 9)] {
        let expected = bytes(len, level);
        assert_same(&open(pack(&expected, u32::try_from(level).unwrap())).unwrap(), &expected, 15);
    }
}

#[test]
fn streams_follow_one_another() {
    let sizes = [0, 1, 65_536, 0, 0, 131_072 - 65_537, 300_000, 5];
    let parts: Vec<_> = (1..).zip(sizes).map(|(seed, len)| bytes(len, seed)).collect();
    let mut packed: Vec<u8> = (1..).zip(&parts).flat_map(|(level, part)| pack(part, level)).collect();
    assert_same(&open(packed.clone()).unwrap(), &parts.concat(), 20);
    packed.extend([0; 1000]);
    assert_same(&open(packed.clone()).unwrap(), &parts.concat(), 2);
    packed.push(7);
    assert_eq!(problem(packed).field, "padding");
}

#[test]
fn blocks_of_runs_are_larger_than_they_say() {
    // Each is some 46 MB of zeroes.
    let mut expected = vec![0; 100 << 20];
    expected[70_000_000..70_001_000].copy_from_slice(&bytes(1000, 1));
    let packed = Memory::new(pack(&expected, 9));
    let disk = Bzip2::new(packed.clone(), None, 100 << 20).unwrap();
    assert_eq!(disk.size(), 100 << 20);
    for at in [70_000_000, 1, 104_000_000, 69_999_000] {
        assert!(read(&disk, at, 2000) == expected[at..at + 2000]);
    }
    let (now, most) = disk.memory(100, 900_000 * 4 + 100_000);
    assert!(now <= most && most < 21 << 20, "{now} of {most} bytes");
    let error = Bzip2::new(packed, None, 10 << 20).unwrap_err();
    assert!(matches!(error, LayoutError::Damaged(damage) if damage.field == "unpacked size"));
}

#[test]
fn places_are_thinned_out() {
    let expected = bytes(900_000, 5);
    let packed: Vec<u8> = expected.chunks(30_000).flat_map(|part| pack(part, 1)).collect();
    let disk = open(packed).unwrap();
    let (kept, spacing, _) = disk.places();
    assert!((1..=4).contains(&kept) && spacing > 100_000, "{kept} places, {spacing} bytes apart");
    assert_same(&disk, &expected, 20);
}

#[test]
fn a_declared_size_is_a_limit_and_no_more() {
    let expected = bytes(300_000, 1);
    let packed = pack(&expected, 1);
    let declared = |size| Bzip2::tuned(Memory::new(packed.clone()), Some(size), 1 << 30, SMALL).unwrap();
    assert_same(&declared(300_000), &expected, 5);
    assert_same(&declared(177_777), &expected[..177_777], 5);
    let long = declared(1 << 30);
    assert!(read(&long, 299_000, 1000) == expected[299_000..]);
    for (offset, len) in [(299_001, 1000), (300_000, 1), (1_500_000, 100), (u64::MAX, 1)] {
        let error = read_bytes(&long, offset, &mut vec![0; len]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{offset}: {error}");
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let expected = bytes(300, 3);
    let first = pack(&expected, 1);
    let packed = [first.clone(), first.clone()].concat();
    for len in 0..packed.len() {
        match open(packed[..len].to_vec()) {
            Ok(disk) => {
                assert_eq!(len, first.len(), "the end of a stream is no cut");
                assert_same(&disk, &expected, 3);
            }
            Err(LayoutError::Damaged(damage)) => assert!(damage.offset <= len as u64),
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_flipped_bit_is_found_or_means_nothing() {
    let expected = bytes(500, 4);
    let packed = pack(&expected, 1);
    let mut fields = std::collections::BTreeSet::new();
    for bit in 0..packed.len() * 8 {
        let mut packed = packed.clone();
        packed[bit / 8] ^= 1 << (bit % 8);
        match open(packed) {
            // The level, tables that nothing uses, bits after the end.
            Ok(disk) => assert_same(&disk, &expected, 1),
            Err(LayoutError::Damaged(damage)) => {
                fields.insert(damage.field);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    for field in ["stream header", "block or footer magic", "block", "block CRC", "stream CRC"] {
        assert!(fields.contains(field), "{field} in {fields:?}");
    }
}

#[test]
fn a_stream_checksum_is_checked_from_wherever_a_read_goes_on() {
    let expected = bytes(350_000, 1);
    let mut packed = pack(&expected, 1);
    let at = packed.len() - 3;
    packed[at] ^= 0x10;
    let disk = Bzip2::tuned(Memory::new(packed), Some(350_000), 1 << 30, SMALL).unwrap();
    for first in [0, 250_000, 100_000] {
        assert!(read(&disk, first, 1000) == expected[first..first + 1000]);
        let error = read_bytes(&disk, 349_999, &mut [0]).unwrap_err();
        assert_eq!(error.downcast::<Damage>().unwrap().field, "stream CRC");
    }
}

#[test]
fn parts_and_faults_go_through() {
    let expected = bytes(200_000, 2);
    let packed = pack(&expected, 1);
    let around = [&[9; 100][..], &packed, &[9; 100]].concat();
    let part = Part::new("member", Memory::new(around), 100..100 + packed.len() as u64).unwrap();
    assert_same(&Bzip2::new(Arc::new(part), None, 1 << 30).unwrap(), &expected, 5);
    let faulty = Faulty::new(Memory::new(packed), 0, libc::EIO, true);
    let error = Bzip2::new(faulty, None, 1 << 30).unwrap_err();
    assert!(matches!(error, LayoutError::Io(error) if error.raw_os_error() == Some(libc::EIO)));
}
