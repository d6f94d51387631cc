//! Images that somebody damaged.

mod logs;

use std::ops::Range;
use std::sync::Arc;

use super::testing::{
    BAT_AT, BLOCKS_AT, Block, Change, ITEMS_AT, Image, LOG_AT, METADATA_AT, fold, log_entry, sign, unfold,
};
use super::*;
use crate::check::check;
use crate::image::layout::{Layout, Piece};
use crate::storage::testing::{Faulty, Memory};
use crate::storage::{read_bytes, write_bytes};
use crate::{Format, fuzz};

const LINKAGE: &str = "{07070707-0707-0707-0707-070707070707}";
const MIB: u64 = 1 << 20;
const HEADER_AT: usize = 64 << 10;
const REGIONS_AT: usize = 192 << 10;

/// Three blocks and a bit: present, of zeroes, partly present (if there is a parent), absent.
fn small(parent: bool) -> Image {
    let mut image = Image::new(3 * MIB + 4096, 1 << 20);
    image.blocks = vec![Block::Present(vec![1; 1 << 20]), Block::Nowhere(spec::ZERO)];
    if parent {
        image = image.parent(&[("parent_linkage", LINKAGE), ("relative_path", ".\\base.vhdx")]);
        let bits = (0..2048).map(|sector| sector % 3 == 0).collect();
        image.blocks.push(Block::Partial(bits, vec![3; 1 << 20]));
    }
    image
}

fn open(bytes: Vec<u8>) -> Result<Layer, LayoutError> {
    read(Memory::new(bytes))
}

fn layout_of(bytes: Vec<u8>) -> Arc<dyn Layout> {
    open(bytes).unwrap().layout
}

fn field_of(result: Result<Layer, LayoutError>) -> &'static str {
    match result {
        Err(LayoutError::Damaged(damage)) => damage.field,
        other => panic!("{:?}", other.map(|layer| layer.layout.details())),
    }
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// `small` with a value put to each of some places, and right checksums.
fn with(parent: bool, places: &[usize], value: u32) -> Vec<u8> {
    let mut bytes = small(parent).build();
    places.iter().for_each(|at| put(&mut bytes, *at, value));
    sign(&mut bytes);
    bytes
}

fn byte_at(layout: &dyn Layout, offset: u64) -> u8 {
    match layout.map(offset, 1).unwrap().piece {
        Piece::Stored { offset, .. } => {
            let mut byte = [0];
            read_bytes(layout.storages()[0].as_ref(), offset, &mut byte).unwrap();
            byte[0]
        }
        _ => 0,
    }
}

#[test]
fn one_good_header_and_one_good_region_table_are_enough() {
    let whole = small(false).build();
    assert_eq!(check(layout_of(whole.clone()).as_ref()).unwrap().count, 0);
    for at in [HEADER_AT + 100, (128 << 10) + 100, REGIONS_AT + 100, (256 << 10) + 100] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        let layout = layout_of(bytes);
        assert_eq!((layout.size(), byte_at(layout.as_ref(), 0)), (3 * MIB + 4096, 1));
        assert_eq!(check(layout.as_ref()).unwrap().count, 1, "a check sees it");
    }
    for (places, field) in
        [([64 << 10, 128 << 10], "Checksum of the header"), ([192 << 10, 256 << 10], "Checksum of the region table")]
    {
        let mut bytes = whole.clone();
        places.iter().for_each(|at: &usize| bytes[at + 200] ^= 1);
        assert_eq!(field_of(open(bytes)), field);
    }
}

#[test]
fn the_header_with_the_larger_number_counts() {
    let stamp = |first: u32| {
        let mut bytes = with(false, &[HEADER_AT + spec::header::DATA_WRITE_GUID], 0xabab_abab);
        put(&mut bytes, HEADER_AT + spec::header::SEQUENCE, first);
        sign(&mut bytes);
        layout_of(bytes).stamp()
    };
    assert_ne!(stamp(3), stamp(5));
    assert_eq!(stamp(3), layout_of(small(false).build()).stamp());
}

#[test]
fn fields_that_cannot_be_are_damage() {
    let headers = |offset: usize| vec![HEADER_AT + offset, (128 << 10) + offset];
    let regions = |offset: usize| vec![REGIONS_AT + 16 + offset, (256 << 10) + 16 + offset];
    let item = |number: usize, offset: usize| vec![METADATA_AT + 32 + 32 * number + offset];
    let cases = [
        (vec![0], 0, "Signature"),
        (headers(0), 0, "Signature of the header"),
        (regions(0).iter().map(|at| at - 16).collect(), 0, "Signature of the region table"),
        (regions(0).iter().map(|at| at - 8).collect(), 2048, "EntryCount"),
        (regions(0).iter().map(|at| at - 8).collect(), 1, "Region Table"),
        (regions(spec::region::OFFSET), 4096, "FileOffset"),
        (regions(spec::region::OFFSET + 4), 1 << 31, "FileOffset"),
        (regions(spec::region::LENGTH), u32::MAX, "FileOffset"),
        (regions(spec::region::LENGTH), 8, "BAT"),
        (vec![METADATA_AT], 0, "Signature of the metadata"),
        (vec![METADATA_AT + 10], 2048, "EntryCount"),
        (vec![METADATA_AT + 10], 4, "Metadata Table"),
        (item(0, spec::item::OFFSET), 0, "Offset of a metadata item"),
        (item(0, spec::item::OFFSET), u32::MAX, "Offset of a metadata item"),
        (item(1, spec::item::LENGTH), 4, "Virtual Disk Size"),
        (item(1, spec::item::LENGTH), 2 << 20, "Offset of a metadata item"),
        (vec![ITEMS_AT], 0, "BlockSize"),
        (vec![ITEMS_AT], 1 << 19, "BlockSize"),
        (vec![ITEMS_AT], 1 << 31, "BlockSize"),
        (vec![ITEMS_AT], 3 << 20, "BlockSize"),
        (vec![ITEMS_AT + 8], 511, "VirtualDiskSize"),
        (vec![ITEMS_AT + 12], 0x8000_0000, "VirtualDiskSize"),
        (vec![ITEMS_AT + 12], u32::MAX, "VirtualDiskSize"),
        (vec![ITEMS_AT + 12], 16384, "VirtualDiskSize"),
        (vec![ITEMS_AT + 12], 1024, "BAT"),
        (vec![ITEMS_AT + 16], 0, "LogicalSectorSize"),
        (vec![ITEMS_AT + 40 + 16], 0xffff_ffff, "Parent Locator"),
        (vec![ITEMS_AT + 40 + 20], 1 << 30, "Parent Locator Entry"),
        (vec![ITEMS_AT + 40 + 24], 1 << 30, "Parent Locator Entry"),
    ];
    for (places, value, field) in cases {
        assert_eq!(field_of(open(with(true, &places, value))), field, "{value:#x} at {places:x?}");
    }
    let newer = [headers(spec::header::VERSION), regions(0), item(0, 0), vec![ITEMS_AT + 40]];
    for places in newer {
        let result = open(with(true, &places, 2));
        assert!(matches!(result, Err(LayoutError::Unsupported { .. })), "{places:x?}");
    }
    assert_eq!(layout_of(Image::new(0, 1 << 20).build()).size(), 0);
    assert_eq!(layout_of(Image::new(16 << 40, 256 << 20).build()).size(), 16 << 40);
}

#[test]
fn entries_that_cannot_be_are_damage_when_they_are_read() {
    let far = BLOCKS_AT as u64 + 3 * MIB;
    for entry in [4, 6, 6 | far, !1, 7 | BLOCKS_AT as u64] {
        let mut bytes = small(false).build();
        bytes[BAT_AT..BAT_AT + 8].copy_from_slice(&entry.to_le_bytes());
        let layout = layout_of(bytes);
        let error = layout.map(0, 4096).unwrap_err().downcast::<Damage>().unwrap();
        assert_eq!((error.field, error.offset), ("BAT Entry", BAT_AT as u64), "{entry:#x}");
        assert_eq!(layout.map(MIB, 4096).unwrap().piece, Piece::Zero);
    }
    for state in [1, 2, 3, 5] {
        let layout = layout_of(with(true, &[BAT_AT], state));
        assert_eq!(layout.map(0, 3).unwrap().piece, Piece::Zero);
    }
    // A bitmap that is not there.
    let layout = layout_of(with(true, &[BAT_AT + 4096 * 8], 0));
    let error = layout.map(2 * MIB, 1).unwrap_err().downcast::<Damage>().unwrap();
    assert_eq!(error.offset, BAT_AT as u64 + 4096 * 8);
}

#[test]
fn a_check_finds_blocks_in_the_wrong_place() {
    for (entry, what) in [(LOG_AT, "Log"), (METADATA_AT, "Metadata"), (BAT_AT, "BAT"), (6 << 20, "sector bitmap")] {
        let bytes = with(true, &[BAT_AT], u32::try_from(entry).unwrap() | 6);
        let found = check(layout_of(bytes).as_ref()).unwrap().damage;
        assert!(found.iter().any(|damage| damage.problem.contains(what)), "{what}: {found:?}");
    }
    let twice = with(true, &[BAT_AT + 8], u32::try_from(BLOCKS_AT).unwrap() | 6);
    assert!(check(layout_of(twice).as_ref()).unwrap().damage[0].problem.contains("two places"));
}

#[test]
fn locators_without_names_or_linkage_are_damage() {
    let locator = |pairs: &[(&str, &str)]| open(Image::new(MIB, 1 << 20).parent(pairs).build());
    let (linkage, path) = (("parent_linkage", LINKAGE), ("relative_path", "base.vhdx"));
    let parent = locator(&[path, ("other", "x"), linkage, ("absolute_win32_path", "C:\\a\\b.vhdx")]).unwrap().parent;
    assert_eq!(parent.unwrap().names, ["base.vhdx", "C:/a/b.vhdx", "b.vhdx"]);
    for wrong in [
        vec![],
        vec![path],
        vec![linkage],
        vec![path, ("parent_linkage", "{0707}")],
        vec![linkage, ("relative_path", "\u{7}")],
    ] {
        assert_eq!(field_of(locator(&wrong)), "Parent Locator", "{wrong:?}");
    }
    assert_eq!(field_of(locator(&[path, path, linkage])), "Parent Locator Entry");
    let mut garbage = small(true).build();
    let at = ITEMS_AT + 40 + garbage[ITEMS_AT + 40..].windows(4).position(|text| text == b".\0\\\0").unwrap();
    garbage[at + 1] = 0xd8;
    assert_eq!(field_of(open(garbage)), "Parent Locator");
}

/// Flips each bit of the bytes in `range`, one at a time, and lets `look` see the image.
fn flip(storage: &Memory, range: Range<usize>, seal: Option<&Range<usize>>, look: impl Fn()) {
    let put = |at: usize, bytes: &[u8]| write_bytes(storage, at as u64, bytes).unwrap();
    let seal = || {
        if let Some(structure) = seal {
            let mut bytes = vec![0; structure.len()];
            read_bytes(storage, structure.start as u64, &mut bytes).unwrap();
            put(structure.start + spec::CHECKSUM, &checksum::of_structure(&bytes).to_le_bytes());
        }
    };
    let before = storage.bytes()[range.clone()].to_vec();
    for (place, byte) in before.iter().enumerate() {
        for bit in 0..8 {
            put(range.start + place, &[byte ^ (1 << bit)]);
            seal();
            look();
        }
        put(range.start + place, &[*byte]);
    }
    seal();
}

#[test]
fn no_flipped_bit_makes_it_panic() {
    let mut image = small(true);
    let table = image.build()[BAT_AT..BAT_AT + 4096].to_vec();
    let changes = [Change::Data(BAT_AT as u64, table), Change::Zero(8 << 20, 4096)];
    image.log = ([5; 16], log_entry([5; 16], 1, 0, 0, &changes));
    let storage = Memory::new(image.build());
    let (header, regions) = (Header::find(storage.as_ref()).unwrap(), Regions::find(storage.as_ref()).unwrap());
    let replay = |header: &Header| log::replay(Arc::<Memory>::clone(&storage), header);
    let read_metadata = |from: &dyn Storage, regions: Regions| drop(Metadata::read(from, regions.metadata));
    assert!(read(Arc::<Memory>::clone(&storage)).is_ok());
    let at = 128 << 10;
    flip(&storage, at + 8..at + 80, Some(&(at..at + 4096)), || {
        let _ =
            replay(&Header::find(storage.as_ref()).unwrap()).map(|storage| read_metadata(storage.as_ref(), regions));
    });
    flip(&storage, LOG_AT + 8..LOG_AT + 128, Some(&(LOG_AT..LOG_AT + 8192)), || {
        let _ = replay(&header).map(|storage| read_metadata(storage.as_ref(), regions));
    });
    flip(&storage, REGIONS_AT + 8..REGIONS_AT + 80, Some(&(REGIONS_AT..REGIONS_AT + 65536)), || {
        let _ =
            Regions::read(storage.as_ref(), REGIONS_AT as u64).map(|regions| read_metadata(storage.as_ref(), regions));
    });
    // Behind the checksums.
    let look = || {
        let shared = Arc::<Memory>::clone(&storage);
        let Ok(metadata) = Metadata::read(storage.as_ref(), regions.metadata) else { return };
        let _ = metadata.parent.map(|locator| parent::read(storage.as_ref(), locator));
        if let Ok(blocks) = Blocks::new(shared, header.clone(), regions, metadata, String::new()) {
            for offset in [0, MIB, 2 * MIB, 3 * MIB].into_iter().filter(|offset| *offset < blocks.size()) {
                let _ = blocks.map(offset, blocks.size() - offset);
            }
        }
    };
    for (at, len) in [(METADATA_AT, 224), (ITEMS_AT, 280), (BAT_AT, 32), (BAT_AT + 4096 * 8, 8)] {
        flip(&storage, at..at + len, None, look);
    }
}

#[test]
fn what_is_folded_unfolds_to_the_same() {
    let mut image = small(true);
    image.blocks.truncate(2);
    let built = image.build();
    let unfolded = unfold(&fold(&built));
    for range in [HEADER_AT..HEADER_AT + 4096, REGIONS_AT..REGIONS_AT + 65536, METADATA_AT..BLOCKS_AT] {
        assert!(built[range.clone()] == unfolded[range.clone()], "{range:?}");
    }
    fuzz::image(Format::Vhdx, &unfolded);
    assert_eq!(layout_of(unfolded).size(), 3 * MIB + 4096);
    fuzz::image(Format::Vhdx, &unfold(&[]));
}

#[test]
fn an_image_cut_anywhere_errs_or_reads_right() {
    let whole = small(true).build();
    for len in [
        0,
        7,
        8,
        100,
        65535,
        65536,
        70000,
        131_072,
        200_000,
        262_144,
        300_000,
        327_680,
        1 << 20,
        2 << 20,
        3 << 20,
        4 << 20,
        (4 << 20) + 1,
        5 << 20,
        whole.len() - 1,
    ] {
        fuzz::image(Format::Vhdx, &whole[..len]);
        if let Ok(layer) = open(whole[..len].to_vec()) {
            assert!(len >= BLOCKS_AT && layer.layout.size() == 3 * MIB + 4096);
            assert_eq!(layer.layout.map(0, MIB).is_ok(), len >= BLOCKS_AT + (1 << 20), "{len}");
        }
    }
}
