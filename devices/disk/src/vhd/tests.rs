//! Images that somebody damaged.

use std::sync::Arc;

use super::testing::{Blocks, HEADER_AT, TABLE_AT, sign};
use super::*;
use crate::check::check;
use crate::image::layout::{Layout, Piece};
use crate::storage::testing::{Faulty, Memory};
use crate::{Damage, Format, fuzz};

/// Three blocks of 4 KiB of which the first and the last are there.
fn small(parent: bool) -> Vec<u8> {
    let mut image = Blocks::new(10240, 4096).locator(*b"W2ru", ".\\base.vhd").locator(*b"MacX", "base");
    image.parent = parent.then_some([1; 16]);
    let mut bitmap = vec![0; 512];
    bitmap[0] = 0b1010_0101;
    image.blocks = vec![(0, bitmap.clone(), vec![1; 4096]), (2, bitmap, vec![2; 4096])];
    image.build()
}

fn open(bytes: Vec<u8>) -> Result<Layer, LayoutError> {
    read(Memory::new(bytes))
}

fn damage(bytes: Vec<u8>) -> Damage {
    match open(bytes) {
        Err(LayoutError::Damaged(damage)) => damage,
        other => panic!("{other:?}"),
    }
}

/// `small` with the four bytes at `at` changed to `value` in every copy of the footer, and right checksums.
fn with(parent: bool, at: &[usize], value: u32) -> Vec<u8> {
    let mut bytes = small(parent);
    for at in at {
        bytes[*at..at + 4].copy_from_slice(&value.to_be_bytes());
    }
    sign(&mut bytes);
    bytes
}

fn in_footers(offset: usize) -> [usize; 2] {
    [offset, small(false).len() - 512 + offset]
}

fn layout_of(bytes: Vec<u8>) -> Arc<dyn Layout> {
    open(bytes).unwrap().layout
}

#[test]
fn one_good_copy_of_the_footer_is_enough() {
    let whole = small(false);
    let end = whole.len() - 512;
    for cut in [1, 511, 512, 513] {
        assert_eq!(layout_of(whole[..whole.len() - cut].to_vec()).size(), 10240, "{cut} bytes less");
    }
    for at in [end, end + 50, end + 300, 0, 50] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        let layout = layout_of(bytes);
        assert_eq!(layout.size(), 10240);
        assert_eq!(check(layout.as_ref()).unwrap().count, 1, "a check sees it");
    }
    assert_eq!(check(layout_of(whole.clone()).as_ref()).unwrap().count, 0);
    let mut both = whole;
    both[end + 300] ^= 1;
    both[300] ^= 1;
    assert_eq!(damage(both).field, "Checksum of the footer");
}

#[test]
fn a_guest_that_writes_a_footer_to_its_first_sector_changes_nothing() {
    let mut disk = small(false);
    let footer = disk.len() - 512;
    disk[footer + spec::footer::KIND + 3] = 2;
    disk[footer + spec::footer::CURRENT_SIZE..][..8].copy_from_slice(&(footer as u64).to_be_bytes());
    sign(&mut disk);
    let layout = layout_of(disk);
    assert_eq!(layout.size(), footer as u64);
    assert!(matches!(layout.map(0, 9).unwrap().piece, Piece::Stored { offset: 0, .. }));
}

#[test]
fn footers_of_511_bytes_are_footers() {
    let mut bytes = small(false);
    bytes[..512].fill(0);
    let last = bytes.pop();
    assert_eq!(last, Some(0));
    assert!(is_magic(&bytes[..1024], &bytes[bytes.len() - 1024..]));
    assert_eq!(layout_of(bytes).size(), 10240);
}

#[test]
fn fields_that_cannot_be_are_damage() {
    use spec::{footer, header};
    let in_header = |offset: usize| [HEADER_AT + offset];
    let cases: &[(&[usize], u32, &str)] = &[
        (&in_footers(footer::CURRENT_SIZE), 0x8000_0000, "Current Size"),
        (&in_footers(footer::CURRENT_SIZE), u32::MAX, "Current Size"),
        (&in_footers(footer::KIND), 5, "Disk Type"),
        (&in_footers(footer::DATA_OFFSET), u32::MAX, "Data Offset"),
        (&in_footers(footer::DATA_OFFSET + 4), 1 << 20, "Data Offset"),
        (&in_footers(footer::DATA_OFFSET + 4), 0, "Cookie of the dynamic disk header"),
        (&in_header(header::TABLE_OFFSET), u32::MAX, "Table Offset"),
        (&in_header(header::TABLE_OFFSET + 4), 1 << 20, "Table Offset"),
        (&in_header(header::ENTRIES), 2, "Max Table Entries"),
        (&in_header(header::BLOCK_SIZE), 0, "Block Size"),
        (&in_header(header::BLOCK_SIZE), 1 << 31, "Block Size"),
        (&in_header(header::BLOCK_SIZE), 4097, "Block Size"),
        (&in_header(header::LOCATORS + 8), 1 << 30, "Parent Locator Entry"),
        (&in_header(header::LOCATORS + 16), 1 << 30, "Parent Locator Entry"),
    ];
    for (at, value, field) in cases {
        assert_eq!(damage(with(true, at, *value)).field, *field, "{value:#x}");
    }
    let unsupported = [in_footers(footer::VERSION).to_vec(), in_header(header::VERSION).to_vec()];
    for at in unsupported {
        assert!(matches!(open(with(false, &at, 0x20000)), Err(LayoutError::Unsupported { .. })));
    }
    let mut bytes = small(false);
    bytes[HEADER_AT + 700] ^= 1;
    assert_eq!(damage(bytes).field, "Checksum of the dynamic disk header");
    assert_eq!(damage(vec![0; 100]).field, "Cookie");
    assert_eq!(damage(vec![0; 5000]).field, "Cookie");
}

#[test]
fn blocks_outside_of_the_file_are_damage_when_they_are_read() {
    for entry in [u32::MAX - 1, 0x8000_0000, 28] {
        let layout = layout_of(with(true, &[TABLE_AT], entry));
        let error = layout.map(0, 4096).unwrap_err();
        assert_eq!(error.downcast::<Damage>().unwrap().offset, TABLE_AT as u64);
        layout.map(4096, 4096).unwrap();
    }
}

#[test]
fn a_check_finds_blocks_in_the_wrong_place() {
    let findings = |bytes| check(layout_of(bytes).as_ref()).unwrap().damage;
    let second = u32::from_be_bytes(small(false)[TABLE_AT + 8..][..4].try_into().unwrap());
    let twice = findings(with(false, &[TABLE_AT], second));
    assert!(twice[0].problem.contains("two places"), "{twice:?}");
    for (entry, what) in [(0, "copy of"), (2, "header"), (16, "table"), (27, "where the footer")] {
        let found = findings(with(false, &[TABLE_AT], entry));
        assert!(found.iter().any(|damage| damage.problem.contains(what)), "{found:?}");
    }
}

#[test]
fn names_that_are_no_text_leave_no_parent() {
    let mut image = Blocks::new(4096, 4096);
    image.parent = Some([1; 16]);
    image.locators = vec![(*b"W2ru", vec![0, 0xd8, 65, 0]), (*b"MacX", vec![0xff]), (*b"W2ku", vec![])];
    assert_eq!(damage(image.build()).field, "Parent Locator Entry");
    image.parent_name = "base.vhd".into();
    assert_eq!(open(image.build()).unwrap().parent.unwrap().names, ["base.vhd"]);
}

#[test]
fn no_flipped_bit_makes_it_panic() {
    let whole = small(true);
    let structures = [0..90, HEADER_AT..HEADER_AT + 64, HEADER_AT + 576..HEADER_AT + 624, TABLE_AT..TABLE_AT + 12];
    for bit in structures.into_iter().flatten().flat_map(|byte| (0..8).map(move |bit| (byte, bit))) {
        for parent in [false, true] {
            let mut bytes = if parent { whole.clone() } else { small(false) };
            // Without the one at the end, the copy at the front is what counts.
            bytes.truncate(bytes.len() - 512);
            bytes[bit.0] ^= 1 << bit.1;
            fuzz::image(Format::Vhd, &bytes);
            sign(&mut bytes);
            fuzz::image(Format::Vhd, &bytes);
            // Without its parent, no differencing image gets so far.
            if let Ok(Layer { layout, .. }) = open(bytes) {
                let _ = (layout.map(0, layout.size()), check(layout.as_ref()));
            }
        }
    }
}

#[test]
fn an_image_cut_anywhere_errs_or_reads_right() {
    let whole = small(false);
    for len in (0..whole.len()).step_by(37) {
        fuzz::image(Format::Vhd, &whole[..len]);
        if let Ok(layer) = open(whole[..len].to_vec()) {
            assert_eq!(layer.layout.size(), 10240);
            if let Ok(run) = layer.layout.map(0, 4096) {
                assert!(matches!(run.piece, Piece::Stored { offset, .. } if offset + 4096 <= len as u64));
            }
        }
    }
}

#[test]
fn what_the_host_says_is_passed_on() {
    let mut calls = 0;
    let opened = loop {
        let storage = Faulty::new(Memory::new(small(true)), calls, libc::EIO, true);
        match read(storage) {
            Ok(layer) => break layer,
            Err(LayoutError::Io(error)) => assert_eq!(error.raw_os_error(), Some(libc::EIO)),
            Err(error) => panic!("{error:?}"),
        }
        calls += 1;
    };
    assert!(calls > 1);
    assert_eq!(opened.layout.map(0, 1).unwrap_err().raw_os_error(), Some(libc::EIO));
}
