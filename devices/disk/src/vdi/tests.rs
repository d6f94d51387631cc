//! Images that somebody damaged, and some that no program here makes.

use std::sync::Arc;

use super::testing::{TABLE_AT, build};
use super::*;
use crate::check::check;
use crate::image::Image;
use crate::image::layout::{Layout, Piece};
use crate::storage::read_bytes;
use crate::storage::testing::{Faulty, Memory};
use crate::{Damage, Format, fuzz};

const ABSENT: u32 = spec::ABSENT;
const ZERO: u32 = spec::ZERO;

fn small() -> Vec<u8> {
    build(5 * 4096 - 512, 4096, 512, &[1, ABSENT, 0, ZERO, 2], 3)
}

fn open(bytes: Vec<u8>) -> Result<Layer, LayoutError> {
    read(Memory::new(bytes))
}

fn layout_of(bytes: Vec<u8>) -> Arc<dyn Layout> {
    open(bytes).unwrap().layout
}

fn with(at: usize, value: u32) -> Vec<u8> {
    let mut bytes = small();
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    bytes
}

#[test]
fn blocks_lie_behind_their_extra_bytes() {
    let layout = layout_of(small());
    assert_eq!(check(layout.as_ref()).unwrap().count, 0);
    let storage = Arc::clone(&layout.storages()[0]);
    for (block, expected) in [(0, Some(2)), (1, None), (2, Some(1)), (4, Some(3))] {
        let run = layout.map(block * 4096 + 5, 9999).unwrap();
        match (run.piece, expected) {
            (Piece::Absent, None) => assert_eq!(run.len, 4091),
            (Piece::Stored { offset, .. }, Some(byte)) => {
                let mut bytes = vec![0; usize::try_from(run.len).unwrap()];
                read_bytes(storage.as_ref(), offset, &mut bytes).unwrap();
                // The last block is longer than what the disk has of it.
                assert_eq!(bytes, vec![byte; if block == 4 { 3579 } else { 4091 }]);
            }
            (piece, _) => panic!("{piece:?}"),
        }
    }
    assert_eq!(layout.map(3 * 4096, 1).unwrap().piece, Piece::Zero);
    assert_eq!(layout.size(), 5 * 4096 - 512);
    assert_eq!(layout.stamp(), Some(crate::image::layout::Stamp::Uuid([7; 16])));
}

#[test]
fn rows_of_blocks_are_one_run() {
    let layout = layout_of(build(8 * 4096, 4096, 0, &[0, 1, 2, 4, ABSENT, ABSENT, ZERO, 9], 5));
    let runs = |offset| layout.map(offset, 1 << 40).unwrap().len;
    assert_eq!([runs(0), runs(4097), runs(3 * 4096), runs(4 * 4096)], [12288, 8191, 4096, 8192]);
    assert_eq!(layout.map(1, 5000).unwrap().len, 5000);
    layout.map(7 * 4096, 1).unwrap_err();
    // The row goes on, and the file does not.
    let mut cut = build(2 * 4096, 4096, 0, &[0, 1], 2);
    cut.truncate(cut.len() - 1);
    let layout = layout_of(cut);
    assert_eq!(layout.map(0, 8192).unwrap().len, 8191);
    layout.map(4096, 4096).unwrap_err();
}

#[test]
fn fields_that_cannot_be_are_damage() {
    for (at, value, field) in [
        (spec::SIGNATURE, 1, "signature"),
        (spec::HEADER_LENGTH, 100, "header size"),
        (spec::KIND, 0, "image type"),
        (spec::KIND, 5, "image type"),
        (spec::BLOCK_SIZE, 0, "block size"),
        (spec::BLOCK_SIZE, 4095, "block size"),
        (spec::BLOCK_SIZE, 1 << 31, "block size"),
        (spec::EXTRA_SIZE, u32::MAX, "block extra size"),
        (spec::BLOCKS, 4, "disk size"),
        (spec::DISK_SIZE + 4, 0x8000_0000, "disk size"),
        (spec::DISK_SIZE + 4, u32::MAX, "disk size"),
        (spec::TABLE_AT, u32::MAX, "offset of the blocks' table"),
    ] {
        match open(with(at, value)) {
            Err(LayoutError::Damaged(damage)) => assert_eq!(damage.field, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    let unsupported =
        [(spec::VERSION, 1), (spec::VERSION, 0x20000), (spec::KIND, 4), (spec::KIND, 3), (spec::PARENT_ID, 1)];
    for (at, value) in unsupported {
        assert!(matches!(open(with(at, value)), Err(LayoutError::Unsupported { .. })), "{at:#x}");
    }
    assert_eq!(layout_of(with(spec::VERSION, 0x10000)).size(), 5 * 4096 - 512, "version 1.0");
    assert_eq!(layout_of(build(0, 4096, 0, &[], 0)).size(), 0);
}

#[test]
fn blocks_outside_of_the_file_are_damage_when_they_are_read() {
    for entry in [3, ZERO - 1, 0x8000_0000] {
        let layout = layout_of(with(TABLE_AT, entry));
        let error = layout.map(0, 4096).unwrap_err();
        assert_eq!(error.downcast::<Damage>().unwrap().offset, TABLE_AT as u64);
        layout.map(4096, 4096).unwrap();
    }
}

#[test]
fn a_check_finds_blocks_in_the_wrong_place() {
    let findings = |bytes| check(layout_of(bytes).as_ref()).unwrap().damage;
    let twice = findings(with(TABLE_AT, 2));
    assert!(twice[0].problem.contains("two places"), "{twice:?}");
    let over = findings(with(spec::DATA_AT, 0));
    assert!(over.iter().any(|damage| damage.problem.contains("header")), "{over:?}");
    let wrong = findings(with(spec::ALLOCATED, 5));
    assert_eq!(wrong[0].field, "number of allocated blocks");
}

#[test]
fn no_flipped_bit_makes_it_panic() {
    let whole = small();
    for byte in (0x40..spec::HEADER_SIZE).filter(|byte| !(0x54..0x154).contains(byte)).chain(TABLE_AT..TABLE_AT + 20) {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[byte] ^= 1 << bit;
            fuzz::image(Format::Vdi, &bytes);
        }
    }
}

#[test]
fn an_image_cut_anywhere_errs_or_reads_right() {
    let whole = small();
    for len in (0..whole.len()).step_by(37) {
        fuzz::image(Format::Vdi, &whole[..len]);
        if let Ok(layer) = open(whole[..len].to_vec()) {
            assert_eq!(layer.layout.size(), 5 * 4096 - 512);
            if let Ok(run) = layer.layout.map(0, 4096) {
                assert!(matches!(run.piece, Piece::Stored { offset, .. } if offset + 4096 <= len as u64));
            }
        }
    }
}

#[test]
fn what_the_host_says_is_passed_on() {
    let error = read(Faulty::new(Memory::new(small()), 0, libc::EIO, true)).unwrap_err();
    assert!(matches!(error, LayoutError::Io(error) if error.raw_os_error() == Some(libc::EIO)));
    let layer = read(Faulty::new(Memory::new(small()), 1, libc::EIO, true)).unwrap();
    let image = Image::fixed(layer.layout, None);
    assert_eq!(image.locate(0, 1).unwrap_err().raw_os_error(), Some(libc::EIO));
}
