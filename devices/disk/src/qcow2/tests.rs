use std::fs;

use vm_memory::VolatileSlice;

use super::*;
use crate::error::Damage;
use crate::image::Image;
use crate::storage::testing::{Faulty, Memory};
use crate::{Access, Disk, OpenErrorKind, check, fuzz, open};

const CLUSTER: u64 = 512;
/// The disk's size in bytes: two L2 tables and a bit.
const SIZE: u64 = 2 * 64 * CLUSTER + 1024;

fn patch(bytes: &mut [u8], at: u64, field: &[u8]) {
    let at = usize::try_from(at).unwrap();
    bytes[at..at + field.len()].copy_from_slice(field);
}

fn read_all(layout: Arc<dyn crate::image::layout::Layout>) -> std::io::Result<Vec<u8>> {
    let image = Image::fixed(layout, None);
    let mut bytes = vec![0; usize::try_from(image.size()).unwrap()];
    image.read_at(0, &[VolatileSlice::from(bytes.as_mut_slice())])?;
    Ok(bytes)
}

fn write(image: &Image, offset: u64, len: usize, value: u8) -> std::io::Result<()> {
    image.write_at(offset, &[VolatileSlice::from(vec![value; len].as_mut_slice())])
}

/// An image with data, zeroes, and a compressed cluster, and what it holds.
fn small() -> (Vec<u8>, Vec<u8>) {
    let memory = Memory::new(Vec::new());
    let options = Options { cluster_size: 512, backing: None };
    let image = Image::changeable(create(Arc::clone(&memory) as _, SIZE, &options).unwrap(), None);
    write(&image, 700, 5000, 1).unwrap();
    write(&image, SIZE - 600, 600, 2).unwrap();
    write(&image, 45_000, 9000, 4).unwrap();
    image.discard(51_200..51_712).unwrap();
    image.write_zeroes(2048..4096, false).unwrap();
    image.write_zeroes(40_000..50_000, true).unwrap();
    drop(image);
    let mut bytes = memory.bytes();
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, &[3; 512]).unwrap();
    let packed = encoder.finish().unwrap();
    // The compressed one is at the end of the file, for cluster 100 of the disk; the first L2 entry that is not used here.
    let place = bytes.len() as u64;
    bytes.extend(&packed);
    let l1 = bytes[512 + 8..][..8].try_into().map(u64::from_be_bytes).unwrap();
    let table = if l1 == 0 { 0 } else { l1 & spec::OFFSET };
    assert_ne!(table, 0, "the second L2 table");
    patch(&mut bytes, table + (100 - 64) * 8, &(spec::COMPRESSED | place).to_be_bytes());
    // Its refcount is not there, which the dirty bit admits.
    patch(&mut bytes, spec::at::INCOMPATIBLE_FEATURES + 7, &[1]);
    let content = read_all(read(Memory::new(bytes.clone())).unwrap().layout).unwrap();
    assert!(content[51_200..51_712].iter().all(|byte| *byte == 3));
    (bytes, content)
}

/// Opens an image that may be anything, and changes it.
fn change(bytes: &[u8]) {
    let memory = Memory::new(bytes.to_vec());
    let Ok((layer, _)) = open_changeable(Arc::clone(&memory) as _) else { return };
    let image = Image::changeable(layer, None);
    let end = image.size().min(100_000);
    for offset in (0..end).step_by(7000) {
        let _ = write(&image, offset, 3000.min(usize::try_from(image.size() - offset).unwrap()), 7);
    }
    let _ = image.discard(10_000.min(end)..20_000.min(end));
    let _ = image.write_zeroes(30_000.min(end)..45_000.min(end), true);
    let _ = image.grow(image.size().saturating_add(1 << 20));
    let _ = image.flush();
    if image.close().is_ok() {
        let layer = read(memory).expect("what was closed is read again");
        let findings = check::check(layer.layout.as_ref()).unwrap();
        assert_eq!((findings.count, findings.leaked), (0, 0), "{:?}", findings.damage);
    }
}

#[test]
fn no_bit_of_the_header_or_the_tables_brings_it_down() {
    let (bytes, _) = small();
    // The header, the L1 table, the refcounts, and the first L2 table's and the compressed entry's bytes.
    let l2 =
        |index: usize| usize::from(u16::from_be_bytes([bytes[512 + 8 * index + 6] & 0xfe, bytes[512 + 8 * index + 7]]));
    let second = l2(1) + (100 - 64) * 8;
    for at in (0..112).chain(512..536).chain(1024..1048).chain(l2(0)..l2(0) + 96).chain(second..second + 8) {
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            fuzz::image(Format::Qcow2, &bytes);
            change(&bytes);
        }
    }
}

#[test]
fn a_file_that_is_cut_off_is_an_error_or_read_right() {
    let (bytes, content) = small();
    for len in (0..bytes.len()).step_by(40).chain([bytes.len() - 1]) {
        let cut = &bytes[..len];
        if let Ok(layer) = read(Memory::new(cut.to_vec())) {
            match read_all(layer.layout) {
                Ok(read) => assert_eq!(read, content, "cut to {len}"),
                Err(error) => assert!(error.downcast::<Damage>().is_ok(), "cut to {len}"),
            }
        }
        change(cut);
    }
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let (bytes, _) = small();
    let refuses = |at: u64, field: &[u8]| {
        let mut bytes = bytes.clone();
        patch(&mut bytes, at, field);
        match read(Memory::new(bytes)) {
            Err(LayoutError::Damaged(damage)) => damage.field,
            other => panic!("{at} {field:?}: {other:?}"),
        }
    };
    for size in [1 << 63, u64::MAX, SIZE + 64 * CLUSTER * 64] {
        let field = refuses(spec::at::SIZE, &size.to_be_bytes());
        assert!(field == "size" || field == "l1_size", "{field}");
    }
    for bits in [0_u32, 8, 22, 63, 64, u32::MAX] {
        assert_eq!(refuses(spec::at::CLUSTER_BITS, &bits.to_be_bytes()), "cluster_bits");
    }
    assert_eq!(refuses(spec::at::REFCOUNT_ORDER, &[0, 0, 0, 7]), "refcount_order");
    assert_eq!(refuses(spec::at::HEADER_LENGTH, &u32::MAX.to_be_bytes()), "header_length");
    assert_eq!(refuses(spec::at::L1_TABLE_OFFSET, &(1_u64 << 40).to_be_bytes()), "l1_table_offset");
    assert_eq!(refuses(spec::at::VERSION, &[0, 0, 0, 4]), "version");
    // The disk of nothing is a disk.
    let mut empty = bytes.clone();
    patch(&mut empty, spec::at::SIZE, &[0; 8]);
    assert_eq!(read(Memory::new(empty)).unwrap().layout.size(), 0);
}

#[test]
fn a_disk_that_ends_inside_a_sector_is_only_read() {
    let memory = Memory::new(Vec::new());
    drop(create(Arc::clone(&memory) as _, 4096, &Options::default()).unwrap());
    let mut bytes = memory.bytes();
    open_changeable(Memory::new(bytes.clone())).unwrap();
    // Its last sector would take in what is written to it, and forget a part.
    patch(&mut bytes, spec::at::SIZE, &4000_u64.to_be_bytes());
    assert!(matches!(open_changeable(Memory::new(bytes.clone())), Err(LayoutError::Unsupported { .. })));
    assert_eq!(read_all(read(Memory::new(bytes)).unwrap().layout).unwrap(), [0; 4096]);
    assert!(matches!(create(Memory::new(Vec::new()), 4000, &Options::default()), Err(LayoutError::Unsupported { .. })));
}

#[test]
fn features_that_nobody_knows_are_named() {
    let (mut bytes, _) = small();
    patch(&mut bytes, spec::at::INCOMPATIBLE_FEATURES, &(1_u64 << 40 | 1 << 5).to_be_bytes());
    // A table with the name of one of them.
    patch(&mut bytes, 112, &spec::extension::FEATURE_NAMES.to_be_bytes());
    patch(&mut bytes, 116, &48_u32.to_be_bytes());
    patch(&mut bytes, 120, b"\0\x28time travel\0");
    let Err(LayoutError::Unsupported { what, .. }) = read(Memory::new(bytes)) else { panic!() };
    assert!(what.ends_with(": bit 5, time travel"), "{what}");
}

#[test]
fn entries_that_lead_nowhere_are_damage_where_they_are_used() {
    let (bytes, _) = small();
    let l2 = u64::from_be_bytes(bytes[512..520].try_into().unwrap()) & spec::OFFSET;
    // In turn: the L1 entry, and the L2 entry of the disk's second cluster.
    for (slot, field) in [(512, "L2 table"), (l2 + 16, "L2 entry")] {
        for place in [1_u64 << 50, 0x00ff_ffff_ffff_fe00, (bytes.len() as u64 + 10) & !511] {
            let mut bytes = bytes.clone();
            patch(&mut bytes, slot, &(place | spec::COPIED).to_be_bytes());
            let error = read_all(read(Memory::new(bytes.clone())).unwrap().layout).unwrap_err();
            assert_eq!(error.downcast::<Damage>().unwrap().field, field);
            assert!(matches!(open_changeable(Memory::new(bytes)), Err(LayoutError::Damaged(_))));
        }
    }
    // Whoever wrote to such a disk would write to the image's own tables: the header, the L1 table, the L2 table.
    for place in [0, 512, l2] {
        let mut bytes = bytes.clone();
        patch(&mut bytes, l2 + 16, &(place | spec::COPIED).to_be_bytes());
        if place != 0 {
            assert!(matches!(open_changeable(Memory::new(bytes)), Err(LayoutError::Damaged(_))), "{place}");
        }
    }
}

#[test]
fn refcounts_that_are_in_the_way_are_made_anew() {
    let (mut bytes, content) = small();
    // The refcount table is said to be where the L1 table is.
    patch(&mut bytes, spec::at::REFCOUNT_TABLE_OFFSET, &512_u64.to_be_bytes());
    let memory = Memory::new(bytes);
    let (layer, _) = open_changeable(Arc::clone(&memory) as _).unwrap();
    layer.close().unwrap();
    let layer = read(memory).unwrap();
    let findings = check::check(layer.layout.as_ref()).unwrap();
    assert_eq!((findings.count, findings.leaked), (0, 0), "{:?}", findings.damage);
    assert_eq!(read_all(layer.layout).unwrap(), content);
}

#[test]
fn a_host_that_fails_leaves_an_image_that_is_mended() {
    let (bytes, _) = small();
    for calls in 0..60 {
        for reads in [false, true] {
            let memory = Memory::new(bytes.clone());
            let faulty = Faulty::new(Arc::clone(&memory) as _, calls, libc::ENOSPC, reads);
            if let Ok((layer, _)) = open_changeable(faulty) {
                let image = Image::changeable(layer, None);
                let _ = write(&image, 51_300, 20_000, 7);
                let _ = image.flush();
                let _ = image.discard(0..SIZE);
                let _ = image.grow(SIZE * 40);
                let _ = write(&image, 0, 3000, 8);
            }
            change(&memory.bytes());
            let (layer, _) = open_changeable(memory).unwrap();
            layer.close().unwrap();
        }
    }
}

#[test]
fn backing_files_are_only_those_beside_the_image() {
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(dir.path().join("secret"), [1; 4096]).unwrap();
    let path = inside.join("image.qcow2");
    let secret = dir.path().join("secret").to_str().unwrap().to_owned();
    for (name, format) in [("image.qcow2", Format::Qcow2), ("../secret", Format::Raw), (&secret, Format::Raw)] {
        let memory = Memory::new(Vec::new());
        let options = Options { backing: Some((name.to_owned(), Some(format))), ..Options::default() };
        drop(create(Arc::clone(&memory) as _, 1 << 20, &options).unwrap());
        fs::write(&path, memory.bytes()).unwrap();
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let error = open(&path, None, access).unwrap_err();
            match error.kind() {
                OpenErrorKind::Outside => assert!(name.contains("secret")),
                // A writer has locked the file that it finds below itself.
                OpenErrorKind::EndlessChain | OpenErrorKind::Locked => assert_eq!(name, "image.qcow2"),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
    let too_long = Options { backing: Some(("a".repeat(1024), Some(Format::Raw))), ..Options::default() };
    assert!(matches!(create(Memory::new(Vec::new()), 512, &too_long), Err(LayoutError::Unsupported { .. })));
}

#[test]
fn names_of_backing_files_are_in_the_first_cluster() {
    let (bytes, _) = small();
    for (offset, len) in [(400_u64, 1024_u32), (600, 5), (500, 13), (u64::MAX, 5), (400, u32::MAX)] {
        let mut bytes = bytes.clone();
        patch(&mut bytes, spec::at::BACKING_FILE_OFFSET, &offset.to_be_bytes());
        patch(&mut bytes, spec::at::BACKING_FILE_SIZE, &len.to_be_bytes());
        assert!(matches!(read(Memory::new(bytes)), Err(LayoutError::Damaged(_))), "{offset} {len}");
    }
}

#[test]
fn images_with_wrong_bits_are_harmless() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds/disk_qcow2");
    let mut state = 1_u64;
    let mut random = |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % end
    };
    for seed in fs::read_dir(folder).unwrap() {
        let seed = fs::read(seed.unwrap().path()).unwrap();
        // Where something is, there is most to be said wrongly.
        let used: Vec<usize> = (0..seed.len()).filter(|at| seed[*at] != 0).collect();
        for _ in 0..60 {
            let mut bytes = seed.clone();
            for _ in 0..=random(8) {
                let at = if random(3) == 0 { random(seed.len().min(8192)) } else { used[random(used.len())] };
                bytes[at] ^= 1 << random(8);
            }
            fuzz::image(Format::Qcow2, &bytes);
            change(&bytes);
        }
    }
}

#[test]
fn more_tables_than_are_kept_are_written_back() {
    let memory = Memory::new(Vec::new());
    let options = Options { cluster_size: 512, backing: None };
    let image = Image::changeable(create(Arc::clone(&memory) as _, 100 << 20, &options).unwrap(), None);
    // An L2 table, and so a page, for each.
    let places = || (0..100_u64 << 20).step_by(64 * 512);
    places().for_each(|at| write(&image, at + 1024, 100, 5).unwrap());
    drop(image);
    let layer = read(memory).unwrap().layout;
    let findings = check::check(layer.as_ref()).unwrap();
    assert_eq!((findings.count, findings.leaked), (0, 0), "{:?}", findings.damage);
    let image = Image::fixed(layer, None);
    for at in places() {
        let mut bytes = [9; 101];
        image.read_at(at + 1024, &[VolatileSlice::from(&mut bytes[..])]).unwrap();
        assert!(bytes[..100].iter().all(|byte| *byte == 5) && bytes[100] == 0, "{at}");
    }
}
