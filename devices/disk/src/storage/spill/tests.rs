use std::sync::Arc;

use super::*;
use crate::storage::testing::Memory;
use crate::storage::unpack::testing::{Numbers, bytes, read};
use crate::storage::{read_bytes, write_bytes};

fn spill(pages: usize) -> (tempfile::TempDir, Spill) {
    let dir = tempfile::tempdir().unwrap();
    let spill = Spill::new(dir.path(), pages * PAGE_LEN);
    (dir, spill)
}

fn held(spill: &Spill) -> (usize, bool) {
    (spill.pages().len(), spill.file.get().is_some())
}

#[test]
fn what_is_absent_costs_nothing() {
    let (_dir, spill) = spill(2);
    spill.set_size(1 << 62).unwrap();
    assert_eq!(read(&spill, 1 << 61, 200_000), vec![0; 200_000]);
    assert_eq!(spill.data_after(0).unwrap(), 1 << 62..1 << 62);
    spill.discard(0..1 << 62).unwrap();
    spill.write_zeroes(5..1 << 60, false).unwrap();
    assert_eq!(held(&spill), (0, false));
    write_bytes(&spill, (1 << 61) + 1, b"abc").unwrap();
    assert_eq!(held(&spill), (1, false));
    assert_eq!(read(&spill, 1 << 61, 6), b"\0abc\0\0");
    assert_eq!(spill.data_after(0).unwrap(), 1 << 61..(1 << 61) + PAGE);
    assert_eq!(spill.data_after((1 << 61) + 10).unwrap(), (1 << 61) + 10..(1 << 61) + PAGE);
    spill.set_size(1 << 61).unwrap();
    assert_eq!(held(&spill), (0, false));
}

#[test]
fn nothing_but_the_range_is_changed() {
    let (_dir, spill) = spill(4);
    write_bytes(&spill, 0, &[7; 100]).unwrap();
    assert_eq!(spill.size(), 100);
    for range in [50..101, 0..u64::MAX] {
        assert_eq!(spill.discard(range.clone()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(spill.write_zeroes(range, true).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
    assert_eq!(read_bytes(&spill, 90, &mut [0; 11]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(read_bytes(&spill, u64::MAX, &mut [0; 11]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    write_bytes(&spill, u64::MAX, &[1; 2]).unwrap_err();
    spill.discard(10..20).unwrap();
    assert_eq!(read(&spill, 0, 100), [&[7; 10][..], &[0; 10], &[7; 80]].concat());
    // Cut, and longer again: what was cut off is gone.
    spill.set_size(30).unwrap();
    spill.set_size(40).unwrap();
    assert_eq!(read(&spill, 25, 15), [&[7; 5][..], &[0; 10]].concat());
}

#[test]
fn it_is_the_same_as_plain_memory_whatever_is_done() {
    for limit in [0, 3, 100] {
        let (dir, spill) = spill(limit);
        let model = Memory::new(Vec::new());
        let mut numbers = Numbers(7);
        for step in 0..400 {
            let size = usize::try_from(model.size()).unwrap();
            let start = numbers.below(12 * PAGE_LEN);
            let longest = [1, 5000, 3 * PAGE_LEN][numbers.below(3)];
            let len = 1 + numbers.below(longest);
            let range = start.min(size) as u64..(start + len).min(size) as u64;
            for storage in [&spill as &dyn Storage, model.as_ref()] {
                match step % 7 {
                    0..3 => write_bytes(storage, start as u64, &bytes(len, step)),
                    3 => storage.discard(range.clone()),
                    4 => storage.write_zeroes(range.clone(), step % 2 == 0),
                    5 if step % 5 == 0 => storage.set_size(start as u64),
                    _ => Ok(()),
                }
                .unwrap();
            }
            assert_eq!(spill.size(), model.size());
            let expected = model.bytes();
            let from = start.min(size).saturating_sub(10);
            let len = (len + 20).min(expected.len().saturating_sub(from));
            assert!(read(&spill, from, len) == expected[expected.len().min(from)..][..len]);
            assert!(held(&spill).0 <= limit);
        }
        let expected = model.bytes();
        assert!(read(&spill, 0, expected.len()) == expected);
        assert_eq!(held(&spill).1, limit < 100);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
        // What data_after leaves out is zero.
        let (mut at, mut rest) = (0, expected);
        while at < rest.len() as u64 {
            let data = spill.data_after(at).unwrap();
            assert!(data.start >= at && (!data.is_empty() || data.start == rest.len() as u64));
            rest[usize::try_from(data.start).unwrap()..usize::try_from(data.end).unwrap()].fill(0);
            at = data.end;
        }
        assert!(rest.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn discarding_gives_memory_and_file_back() {
    let (_dir, spill) = spill(2);
    write_bytes(&spill, 0, &vec![1; 6 * PAGE_LEN]).unwrap();
    assert_eq!(held(&spill), (2, true));
    let blocks = || {
        use std::os::unix::fs::MetadataExt;
        spill.file.get().unwrap().file().metadata().unwrap().blocks()
    };
    let before = blocks();
    spill.discard(PAGE..5 * PAGE).unwrap();
    assert_eq!(held(&spill), (1, true));
    assert!(blocks() < before, "{} blocks of {before}", blocks());
    assert_eq!(spill.data_after(PAGE).unwrap(), 5 * PAGE..6 * PAGE);
    // The page that was in memory goes to the file, and what was there is not seen again.
    write_bytes(&spill, PAGE + 5, &[2]).unwrap();
    assert_eq!(held(&spill), (1, true));
    assert_eq!(read(&spill, PAGE_LEN, 10), [0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
}

#[test]
fn a_host_that_fails_fails_only_the_write_that_needed_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("later");
    let spill = Spill::new(&folder, PAGE_LEN);
    write_bytes(&spill, 0, b"memory").unwrap();
    let error = write_bytes(&spill, PAGE, b"file").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_eq!(spill.size(), 6, "what was not written is not there");
    write_bytes(&spill, 3, b"ories").unwrap();
    assert_eq!(read(&spill, 0, 8), b"memories");
    std::fs::create_dir(&folder).unwrap();
    write_bytes(&spill, PAGE, b"file").unwrap();
    // The largest offset that there is, which no file system has.
    write_bytes(&spill, (1 << 63) - 10, &[1; 100]).unwrap_err();
    assert_eq!(read(&spill, PAGE_LEN, 4), b"file");
    assert_eq!(read(&spill, 0, 8), b"memories");
}

#[test]
fn threads_read_and_write_at_the_same_time() {
    let (_dir, spill) = spill(3);
    let spill = Arc::new(spill);
    spill.set_size(8 * PAGE).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let spill = Arc::clone(&spill);
            scope.spawn(move || {
                let start = u64::from(thread) * 2 * PAGE;
                for round in 0..50 {
                    write_bytes(spill.as_ref(), start + PAGE - 50, &[round ^ thread; 100]).unwrap();
                    let mut back = [0; 100];
                    read_bytes(spill.as_ref(), start + PAGE - 50, &mut back).unwrap();
                    assert_eq!(back, [round ^ thread; 100]);
                    spill.discard(start..start + 2 * PAGE).unwrap();
                }
            });
        }
    });
    assert_eq!(held(&spill).0, 0);
}
