use std::io::{self, Write};
use std::sync::Arc;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use super::*;
use crate::storage::testing::{Faulty, Memory};
use crate::storage::unpack::testing::{assert_same, bytes, read};
use crate::storage::unpack::{CHUNK, CHUNK_LEN, Stream, Tuning};
use crate::storage::{Part, Storage, read_bytes};
use crate::{Damage, LayoutError, OpenErrorKind};

const SMALL: Tuning = Tuning { spacing: CHUNK, kept: 4, live: 2, cache: 2 * CHUNK_LEN };

fn pack(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn open(packed: Vec<u8>) -> Result<Gzip, LayoutError> {
    Gzip::tuned(Memory::new(packed), None, 1 << 30, SMALL)
}

fn problem(packed: Vec<u8>) -> Damage {
    match open(packed).unwrap_err() {
        LayoutError::Damaged(damage) => damage,
        other => panic!("{other:?}"),
    }
}

#[test]
fn any_place_can_be_read_whatever_was_read_before() {
    for (len, seed) in [(0, 1), (1, 2), (65_535, 3), (65_536, 4), (65_537, 5), (1_000_000, 6), (3_000_000, 7)] {
        for level in [0, 1, 6, 9] {
            let expected = bytes(len, seed);
            assert_same(&open(pack(&expected, level)).unwrap(), &expected, 40);
        }
    }
}

#[test]
fn members_follow_one_another() {
    let sizes = [0, 1, 65_536, 0, 0, 131_072 - 65_537, 300_000, 5];
    let parts: Vec<_> = (0..).zip(sizes).map(|(seed, len)| bytes(len, seed)).collect();
    let mut packed: Vec<u8> = parts.iter().flat_map(|part| pack(part, 6)).collect();
    assert_same(&open(packed.clone()).unwrap(), &parts.concat(), 100);
    packed.extend([0; 1000]);
    assert_same(&open(packed.clone()).unwrap(), &parts.concat(), 10);
    packed.push(7);
    assert_eq!(problem(packed).field, "padding");
}

#[test]
fn a_declared_size_is_a_limit_and_no_more() {
    let expected = bytes(1_000_000, 1);
    let packed = pack(&expected, 6);
    let declared = |size| Gzip::tuned(Memory::new(packed.clone()), Some(size), 1 << 30, SMALL).unwrap();
    assert_same(&declared(1_000_000), &expected, 20);
    assert_same(&declared(777_777), &expected[..777_777], 20);
    let long = declared(2_000_000);
    assert!(read(&long, 999_000, 1000) == expected[999_000..]);
    for (offset, len) in [(999_001, 1000), (1_000_000, 1), (1_500_000, 100), (1_999_999, 2), (u64::MAX, 1)] {
        let error = read_bytes(&long, offset, &mut vec![0; len]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{offset}: {error}");
    }
    assert!(read(&long, 0, 1_000_000) == expected);
}

#[test]
fn header_fields_are_skipped_and_checked() {
    let build = |extra: usize, name: usize| {
        let builder = GzBuilder::new().extra(vec![7; extra]).filename(vec![b'n'; name]).comment("comment");
        let mut encoder = builder.write(Vec::new(), Compression::fast());
        encoder.write_all(b"data").unwrap();
        encoder.finish().unwrap()
    };
    for (extra, name) in [(0, 0), (65_535, 65_000)] {
        assert_same(&open(build(extra, name)).unwrap(), b"data", 5);
    }
    assert_eq!(problem(build(0, 70_000)).field, "file name");
    let packed = pack(b"data", 6);
    for (at, value, field) in [(0, 0, "ID1, ID2"), (1, 0, "ID1, ID2"), (2, 7, "CM"), (3, 0x20, "FLG"), (3, 0x80, "FLG")]
    {
        let mut packed = packed.clone();
        packed[at] = value;
        assert_eq!(problem(packed).field, field);
    }
    // A header with a checksum of its own.
    let mut header = packed[..10].to_vec();
    header[3] = spec::FHCRC;
    let [low, high, ..] = crc32fast::hash(&header).to_le_bytes();
    let with = |crc: [u8; 2]| [&header, &crc[..], &packed[10..]].concat();
    assert_same(&open(with([low, high])).unwrap(), b"data", 5);
    assert_eq!(problem(with([low, !high])).field, "CRC16");
}

#[test]
fn checksum_and_length_are_checked_from_wherever_a_read_goes_on() {
    let expected = bytes(500_000, 1);
    let whole = pack(&expected, 6);
    for (from_end, field) in [(8, "CRC32"), (5, "CRC32"), (4, "ISIZE"), (1, "ISIZE")] {
        let mut packed = whole.clone();
        let at = packed.len() - from_end;
        packed[at] ^= 0x10;
        assert_eq!(problem(packed.clone()).field, field);
        let gzip = Gzip::tuned(Memory::new(packed), Some(500_000), 1 << 30, SMALL).unwrap();
        for first in [0, 300_000, 440_000] {
            assert!(read(&gzip, first, 1000) == expected[first..first + 1000]);
            let error = read_bytes(&gzip, 499_999, &mut [0]).unwrap_err();
            assert_eq!(error.downcast::<Damage>().unwrap().field, field);
        }
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let expected = bytes(1000, 3);
    let packed = [pack(&expected, 6), pack(&expected, 0)].concat();
    let first = pack(&expected, 6).len();
    for len in 0..packed.len() {
        match open(packed[..len].to_vec()) {
            Ok(gzip) => {
                assert_eq!(len, first, "the end of a member is no cut");
                assert_same(&gzip, &expected, 3);
            }
            Err(LayoutError::Damaged(damage)) => assert!(damage.offset <= len as u64),
            Err(other) => panic!("{other:?}"),
        }
        if let Ok(gzip) = Gzip::new(Memory::new(packed[..len].to_vec()), Some(2000), 2000) {
            assert!(read_bytes(&gzip, 0, &mut [0; 2000]).is_err());
        }
    }
}

#[test]
fn a_flipped_bit_is_found_or_means_nothing() {
    let expected = bytes(1500, 4);
    let packed = pack(&expected, 6);
    for bit in 0..packed.len() * 8 {
        let mut packed = packed.clone();
        packed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(gzip) = open(packed) {
            // Fields that nobody reads, or codes that nothing uses.
            assert_same(&gzip, &expected, 1);
        }
    }
}

#[test]
fn a_distance_before_the_member_is_refused() {
    // A fixed block (RFC 1951, 3.2.6) with one match of length 3 at distance 1, and the end of the block.
    let stream = [0b0000_0011, 0b0000_0010, 0, 0];
    let mut packed = pack(&bytes(100, 1), 6);
    packed.extend(&pack(b"", 6)[..10]);
    packed.extend(stream);
    assert_eq!(problem(packed).field, "deflate stream");
}

#[test]
fn bombs_are_refused_and_memory_has_a_bound() {
    let packed = Memory::new(pack(&vec![0; 1 << 28], 6).repeat(4));
    let gzip = Gzip::new(packed.clone(), None, 1 << 30).unwrap();
    assert_eq!(gzip.size(), 1 << 30);
    for offset in [0, (1 << 30) - 100, 500_000_000, 123_456_789] {
        assert_eq!(read(&gzip, offset, 100), [0; 100]);
    }
    let (now, most) = gzip.memory(Place::KEPT, Place::LIVE);
    assert!(now <= most && most < 8 << 20, "{now} of {most} bytes");
    let (kept, spacing, _) = gzip.places();
    assert!((Place::TUNING.kept / 2 - 1..=Place::TUNING.kept).contains(&kept), "{kept} places");
    assert_eq!(spacing, 8 * Place::TUNING.spacing);
    let error = Gzip::new(packed.clone(), None, 1 << 27).unwrap_err();
    let error = crate::OpenError::from_layout(std::path::Path::new("bomb"), error);
    assert!(
        matches!(error.kind(), OpenErrorKind::Damaged(_))
            && error.to_string().contains("unpacked size at byte 0: it is more than 134217728 bytes")
    );
    Gzip::new(packed, Some(u64::MAX), 1 << 30).unwrap_err();
}

#[test]
fn readers_in_order_do_not_go_back() {
    let expected = bytes(4 << 20, 9);
    let tuning = Tuning { spacing: 1 << 40, kept: 4, live: 4, cache: 0 };
    let packed = Memory::new(pack(&expected, 6));
    let gzip = Gzip::tuned(packed, Some(expected.len() as u64), 1 << 30, tuning).unwrap();
    let places = || gzip.places().2;
    for step in 0..8 {
        for reader in [0, 1 << 20, 3 << 20] {
            let start = reader + step * 65_536;
            assert!(read(&gzip, start, 65_536) == expected[start..start + 65_536]);
        }
    }
    // One place for each of them, and one that nobody needs any more.
    for reader in [0, 1 << 20, 3 << 20] {
        assert!(places().contains(&(reader + 8 * 65_536)), "{:?}", places());
    }
}

#[test]
fn parts_and_faults_go_through() {
    let expected = bytes(300_000, 2);
    let packed = pack(&expected, 6);
    let around = [&[9; 100][..], &packed, &[9; 100]].concat();
    let part = Part::new("member", Memory::new(around), 100..100 + packed.len() as u64).unwrap();
    let gzip = Arc::new(Gzip::new(Arc::new(part), None, 1 << 30).unwrap());
    assert_same(gzip.as_ref(), &expected, 20);
    let part = Part::new("inner", gzip, 1000..200_000).unwrap();
    let mut bytes = vec![0; 199_000];
    read_bytes(&part, 0, &mut bytes).unwrap();
    assert!(bytes == expected[1000..200_000]);

    let faulty = Faulty::new(Memory::new(pack(&expected, 0)), 1, libc::EIO, true);
    let gzip = Gzip::new(faulty, Some(300_000), 1 << 30).unwrap();
    let error = read_bytes(&gzip, 299_000, &mut [0; 10]).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EIO));
}

#[test]
fn threads_read_at_the_same_time() {
    let expected = bytes(2 << 20, 11);
    let gzip = open(pack(&expected, 6)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (gzip, expected) = (&gzip, &expected);
            scope.spawn(move || {
                for step in 0..40 {
                    let start = (step * 7 + thread * 11) % 32 * 65_000;
                    assert!(read(gzip, start, 10_000) == expected[start..start + 10_000]);
                }
            });
        }
    });
}
