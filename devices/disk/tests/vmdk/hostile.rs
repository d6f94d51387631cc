//! Images that somebody damaged, or made to do harm.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ovum_disk::storage::testing::{Faulty, Memory};
use ovum_disk::storage::{Alone, Neighbours, Storage};
use ovum_disk::vmdk::spec;
use ovum_disk::{Access, Damage, Disk, Format, Image, OpenError, OpenErrorKind, check, fuzz, open_storage};
use vm_memory::VolatileSlice;

use super::small::{Small, TEXT, disk, pack, put, sparse, stream};
use crate::judge::read;

pub fn open_bytes(bytes: Vec<u8>) -> Result<Arc<Image>, OpenError> {
    open_on(Memory::new(bytes))
}

fn open_on(storage: Arc<dyn Storage>) -> Result<Arc<Image>, OpenError> {
    let neighbours: Arc<dyn Neighbours> = Arc::new(Alone);
    open_storage(storage, &neighbours, Format::Vmdk, Access::ReadOnly)
}

fn read_all(image: &Image) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(image.size()).unwrap()];
    image.read_at(0, &[VolatileSlice::from(bytes.as_mut_slice())])?;
    Ok(bytes)
}

/// What reading grain `grain` of a changed image says.
fn damage(small: &Small, grain: u64, change: impl FnOnce(&mut Vec<u8>)) -> Damage {
    let mut bytes = small.bytes.clone();
    change(&mut bytes);
    let image = match open_bytes(bytes) {
        Ok(image) => image,
        Err(error) => match error.into_kind() {
            OpenErrorKind::Damaged(damage) => return damage,
            other => panic!("{other:?}"),
        },
    };
    let mut buffer = [0; 1];
    let error = image.read_at(grain * 4096 + 77, &[VolatileSlice::from(&mut buffer[..])]).unwrap_err();
    error.downcast().unwrap()
}

#[test]
fn small_images_are_read() {
    for small in [sparse(), stream()] {
        let image = open_bytes(small.bytes.clone()).unwrap();
        assert!(read_all(&image).unwrap() == small.disk);
        let findings = check::check(image.layout()).unwrap();
        assert_eq!(findings.count, 0, "{findings:?}");
        // Nothing behind the footer, and padding, are both seen.
        for len in [small.bytes.len() - 512, small.bytes.len() + 5000] {
            let mut bytes = small.bytes.clone();
            bytes.resize(len, 0);
            if small.header > 0 {
                assert!(read_all(&open_bytes(bytes).unwrap()).unwrap() == small.disk);
            }
        }
    }
}

#[test]
fn a_grain_unpacks_to_itself_and_nothing_else() {
    let small = stream();
    let at = small.grains[3];
    let replace = |bytes: &mut Vec<u8>, packed: &[u8]| {
        put(bytes, at + 8, u32::try_from(packed.len()).unwrap().to_le_bytes());
        bytes[at + 12..at + 12 + packed.len()].copy_from_slice(packed);
    };
    let told = |problem: &str, damage: Damage| assert!(damage.problem.contains(problem), "{damage}");
    told("sector 25", damage(&small, 3, |bytes| bytes[at] = 25));
    told("0 is not the size", damage(&small, 3, |bytes| put(bytes, at + 8, [0; 4])));
    told("is not the size", damage(&small, 3, |bytes| put(bytes, at + 8, [255; 4])));
    told("past the end", damage(&small, 3, |bytes| put(bytes, at + 8, 68_000_u32.to_le_bytes())));
    told("more than the 4096", damage(&small, 3, |bytes| replace(bytes, &pack(&[0; 4097]))));
    told("more than the 4096", damage(&small, 3, |bytes| replace(bytes, &pack(&vec![0; 400_000]))));
    told("to 4095 bytes", damage(&small, 3, |bytes| replace(bytes, &pack(&[0; 4095]))));
    told("does not unpack", damage(&small, 3, |bytes| bytes[at + 12] ^= 0xff));
    told("does not unpack", damage(&small, 3, |bytes| replace(bytes, &[0x78, 0x9c, 0xff, 0xff])));
    told("no end", damage(&small, 3, |bytes| put(bytes, at + 8, 100_u32.to_le_bytes())));
    // The others are still there.
    let mut bytes = small.bytes.clone();
    bytes[at] = 25;
    let image = open_bytes(bytes).unwrap();
    assert!(read(image.as_ref(), 0, 3 * 4096) == small.disk[..3 * 4096]);
    // One that lies before the grain in front of it, so that the tables do not tell how long it is.
    let mut bytes = small.bytes.clone();
    let moved = bytes.len();
    bytes.extend_from_within(small.grains[2]..small.grains[3]);
    put(&mut bytes, small.table + 2 * 4, u32::try_from(moved / 512).unwrap().to_le_bytes());
    bytes.extend_from_within(small.header - 512..moved);
    assert!(read_all(&open_bytes(bytes).unwrap()).unwrap() == small.disk);
}

#[test]
fn tables_lie_in_their_file() {
    for small in [sparse(), stream()] {
        let far = u32::try_from(small.bytes.len() / 512).unwrap();
        let table = damage(&small, 3, |bytes| put(bytes, small.directory, (far - 3).to_le_bytes()));
        assert_eq!((table.field, table.offset), ("grain directory entry", small.directory as u64));
        let entry = damage(&small, 3, |bytes| put(bytes, small.table + 12, far.to_le_bytes()));
        assert_eq!((entry.field, entry.offset), ("grain table entry", small.table as u64 + 12));
        let directory = damage(&small, 3, |bytes| put(bytes, small.header + 56, u64::from(far).to_le_bytes()));
        assert_eq!((directory.field, directory.offset), ("gdOffset", small.header as u64 + 56));
    }
    let small = stream();
    assert_eq!(damage(&small, 3, |bytes| put(bytes, small.table + 12, [1, 0, 0, 0])).field, "grain table entry");
    // Tables that are used twice hold the same grains for two places.
    let small = sparse();
    let mut bytes = small.bytes.clone();
    bytes.copy_within(small.table + 12..small.table + 16, small.table);
    let image = open_bytes(bytes).unwrap();
    assert!(read(image.as_ref(), 0, 4096) == small.disk[3 * 4096..4 * 4096]);
    assert_eq!(check::check(image.layout()).unwrap().count, 1);
    // One behind the end is found by a check, and nothing else is.
    let mut bytes = small.bytes.clone();
    put(&mut bytes, small.table, [0, 0, 0, 0x80]);
    assert_eq!(check::check(open_bytes(bytes).unwrap().layout()).unwrap().count, 1);
}

/// Every number that a header can claim, in every field.
#[test]
fn no_number_does_harm() {
    let numbers =
        [0, 1, 7, 8, 9, 511, 4096, 8192, 1 << 31, 1 << 32, 1 << 54, 1 << 55, 1 << 62, 1 << 63, u64::MAX - 1, u64::MAX];
    for small in [sparse(), stream()] {
        for (field, len) in [(4, 4), (8, 4), (12, 8), (20, 8), (28, 8), (36, 8), (44, 4), (48, 8), (56, 8), (77, 2)] {
            for number in numbers {
                let mut bytes = small.bytes.clone();
                let value = number.to_le_bytes();
                bytes[small.header + field..][..len].copy_from_slice(&value[..len]);
                fuzz::image(Format::Vmdk, &bytes);
                bytes[field..][..len].copy_from_slice(&value[..len]);
                fuzz::image(Format::Vmdk, &bytes);
            }
        }
        let capacity = |sectors: u64| damage(&small, 0, |bytes| put(bytes, small.header + 12, sectors.to_le_bytes()));
        assert_eq!(capacity(1 << 63).field, "capacity");
        assert_eq!(capacity(u64::MAX).field, "capacity");
        assert_eq!(capacity((1 << 54) + 1).field, "gdOffset", "such a disk has a larger directory");
    }
    let mut none = sparse().bytes;
    put(&mut none, 12, [0; 8]);
    put(&mut none, 28, [0; 16]);
    assert_eq!(open_bytes(none).unwrap().size(), 0);
}

#[test]
fn what_is_not_known_is_refused_in_plain_words() {
    let unsupported = |bytes: Vec<u8>| {
        let error = open_bytes(bytes).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::Unsupported { .. }), "{error}");
        assert!(!error.remedy().is_empty());
    };
    let mut bytes = sparse().bytes;
    bytes[4] = 4;
    unsupported(bytes);
    let mut bytes = vec![0; 4096];
    put(&mut bytes, 0, spec::SE_SPARSE_MAGIC);
    unsupported(bytes);
    for (at, value) in [(8 + 3, 1), (77, 1), (77, 2), (8 + 2, 1), (20, 4), (20, 9), (44 + 1, 0x20)] {
        let mut bytes = sparse().bytes;
        bytes[at] = value;
        let error = open_bytes(bytes).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::Damaged(_)), "{at}: {error}");
    }
}

#[test]
fn what_a_check_finds_beyond_the_map() {
    let count = |small: &Small, change: fn(&mut Vec<u8>)| {
        let mut bytes = small.bytes.clone();
        change(&mut bytes);
        let findings = check::check(open_bytes(bytes).unwrap().layout()).unwrap();
        findings.damage.iter().map(|damage| damage.field).collect::<Vec<_>>()
    };
    assert_eq!(count(&sparse(), |bytes| bytes[75] = b'\n'), ["singleEndLineChar"]);
    assert_eq!(count(&sparse(), |bytes| bytes[72] = 1), ["uncleanShutdown"]);
    assert_eq!(count(&stream(), |bytes| bytes[20] = 16), ["footer"]);
    assert_eq!(count(&stream(), |bytes| put(bytes, 12, [0; 8])), [""; 0]);
    assert_eq!(count(&sparse(), |bytes| bytes[512 + 32] = b'X'), ["CID"]);
    assert_eq!(
        count(&sparse(), |bytes| {
            bytes[8] |= 2;
            put(bytes, 48, [255; 8])
        }),
        ["rgdOffset"]
    );
    // The directory as its own copy; the table's copy somewhere else.
    assert_eq!(
        count(&sparse(), |bytes| {
            bytes[8] |= 2;
            bytes[48] = 2
        }),
        [""; 0]
    );
    assert_eq!(
        count(&sparse(), |bytes| {
            bytes[8] |= 2;
            bytes[48] = 3
        }),
        ["redundant grain directory"]
    );
}

/// Cut off anywhere, an image is refused, or an error, or right.
#[test]
fn every_cut_is_seen() {
    for small in [sparse(), stream()] {
        let mut whole = 0;
        for len in (0..small.bytes.len()).step_by(97).chain((0..small.bytes.len()).step_by(512)) {
            let Ok(image) = open_bytes(small.bytes[..len].to_vec()) else { continue };
            if let Ok(bytes) = read_all(&image) {
                assert!(bytes == small.disk, "{len}");
                whole += 1;
            }
        }
        // Padding at the end of the file may be cut off.
        assert!(whole < 60, "{whole}");
    }
}

/// Every bit of the headers, the tables, the markers and the text.
#[test]
fn no_bit_does_harm() {
    for small in [sparse(), stream()] {
        let marker = small.grains[3];
        let parts = [0..80, 540..600, small.header..small.header + 80, marker..marker + 20];
        let tables = [small.directory..small.directory + 4, small.table + 8..small.table + 20];
        for at in parts.into_iter().chain(tables).flatten() {
            for bit in 0..8 {
                let mut bytes = small.bytes.clone();
                bytes[at] ^= 1 << bit;
                fuzz::image(Format::Vmdk, &bytes);
            }
        }
    }
}

/// When the host cannot read, that is said, and nothing else.
#[test]
fn a_failing_host_is_an_error() {
    for small in [sparse(), stream()] {
        let mut failures = 0;
        for calls in 0.. {
            let storage = Faulty::new(Memory::new(small.bytes.clone()), calls, libc::EIO, true);
            let result = open_on(storage).map_err(|_| ()).and_then(|image| read_all(&image).map_err(|_| ()));
            match result {
                Ok(bytes) => {
                    assert!(bytes == small.disk);
                    break;
                }
                Err(()) => failures += 1,
            }
        }
        assert!(failures > 3, "{failures}");
    }
}

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds/disk_vmdk")
}

#[test]
fn the_fuzzers_seeds_are_harmless() {
    for seed in fs::read_dir(seeds()).unwrap() {
        fuzz::image(Format::Vmdk, &fs::read(seed.unwrap().path()).unwrap());
    }
}

/// `cargo test -p ovum-disk --test vmdk -- --ignored`
#[test]
#[ignore = "writes into the source tree"]
fn write_the_fuzzers_seeds() {
    fs::create_dir_all(seeds()).unwrap();
    let raw = disk()[..4096].to_vec();
    let zero = "# Disk DescriptorFile\nversion=1\nCID=00000007\nparentCID=ffffffff\ncreateType=\"custom\"\nRW 4 ZERO\n";
    let child = TEXT.replace("parentCID=ffffffff", "parentCID=00000001\nparentFileNameHint=\"a/b.vmdk\"");
    let seeds_of: [(&str, Vec<u8>); 5] = [
        ("sparse", sparse().bytes),
        ("stream", stream().bytes),
        ("descriptor", zero.into()),
        ("child", child.into()),
        ("cowd", super::extents::cowd(&raw, 1)),
    ];
    for (name, bytes) in seeds_of {
        assert!(bytes.len() <= 65536, "{name}: {}", bytes.len());
        fs::write(seeds().join(name), bytes).unwrap();
    }
}
