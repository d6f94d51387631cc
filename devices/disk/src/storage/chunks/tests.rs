use std::fs;
use std::io::Write;

use super::*;
use crate::storage::unpack::testing::{assert_same, bytes};
use crate::storage::{Folder, Gzip, read_bytes};

/// A folder with a file in chunks of `chunk` bytes.
fn cut(bytes: &[u8], chunk: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (number, chunk) in bytes.chunks(chunk).enumerate() {
        fs::write(dir.path().join(format!("disk.{number:09}")), chunk).unwrap();
    }
    dir
}

fn open(dir: &tempfile::TempDir, chunk_size: Option<u64>, size: Option<u64>) -> Result<Chunks, OpenError> {
    Chunks::open(Arc::new(Folder::open(dir.path()).unwrap()), "disk", chunk_size, size)
}

/// Opening fails, and the cause names the chunk.
fn refusal(dir: &tempfile::TempDir, chunk_size: Option<u64>, size: Option<u64>, chunk: &str) -> OpenErrorKind {
    let error = open(dir, chunk_size, size).unwrap_err();
    assert!(error.to_string().contains(chunk), "{error}");
    error.into_kind()
}

#[test]
fn names_have_nine_digits() {
    assert_eq!(chunk_name("disk.vmdk", 12), "disk.vmdk.000000012");
    assert_eq!(whole_name("disk.vmdk.000000000"), Some("disk.vmdk"));
    for name in ["disk.vmdk.00000000", "disk.vmdk.0000000000", "disk.000000001", "disk.00000000o", ".000000000", "disk"]
    {
        assert_eq!(whole_name(name), None, "{name}");
    }
}

#[test]
fn chunks_are_one_file_however_many_there_are() {
    let expected = bytes(100_000, 1);
    for chunk in [100_000, 99_999, 50_000, 33_333, 4096, 1001] {
        let dir = cut(&expected, chunk);
        for chunk_size in [None, Some(chunk as u64)] {
            for size in [None, Some(100_000)] {
                let chunks = open(&dir, chunk_size, size).unwrap();
                assert_same(&chunks, &expected, 20);
                assert!(chunks.open.lock().unwrap().len() <= OPEN);
                for (offset, len) in [(99_999, 2), (100_000, 1), (u64::MAX, 1)] {
                    let error = read_bytes(&chunks, offset, &mut vec![0; len]).unwrap_err();
                    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                }
            }
        }
    }
}

#[test]
fn a_chunk_that_is_missing_or_of_another_size_is_named() {
    let expected = bytes(10_000, 1);
    let sizes = [(None, None), (Some(1000), None), (None, Some(10_000)), (Some(1000), Some(10_000))];
    for (chunk_size, size) in sizes {
        for number in [0, 1, 5, 8] {
            let dir = cut(&expected, 1000);
            let chunk = format!("disk.{number:09}");
            let path = dir.path().join(&chunk);
            fs::remove_file(&path).unwrap();
            assert!(matches!(refusal(&dir, chunk_size, size, &chunk), OpenErrorKind::Missing));
            for len in [0, 999, 1001] {
                fs::write(&path, vec![1; len]).unwrap();
                // Of the first one, nobody knows better, so the others are wrong or it is.
                let named = if number == 0 && chunk_size.is_none() { "disk.00000000" } else { &chunk };
                refusal(&dir, chunk_size, size, named);
            }
        }
        let dir = cut(&expected, 1000);
        fs::write(dir.path().join("disk.000000009"), vec![1; 1001]).unwrap();
        assert!(matches!(refusal(&dir, chunk_size, size, "disk.000000009"), OpenErrorKind::Damaged(_)));
    }
    // The last one: without a size, nobody knows that it is missing.
    let dir = cut(&expected, 1000);
    fs::remove_file(dir.path().join("disk.000000009")).unwrap();
    assert_same(&open(&dir, None, None).unwrap(), &expected[..9000], 5);
    refusal(&dir, None, Some(10_000), "disk.000000009");
}

#[test]
fn a_chunk_that_changes_later_is_noticed() {
    let expected = bytes(20_000, 1);
    let dir = cut(&expected, 1000);
    let chunks = open(&dir, None, None).unwrap();
    let path = dir.path().join("disk.000000005");
    fs::write(&path, b"short").unwrap();
    let error = read_bytes(&chunks, 5000, &mut [0]).unwrap_err().downcast::<Damage>().unwrap();
    assert!(error.to_string().contains("disk.000000005") && error.to_string().contains("5 bytes"), "{error}");
    fs::remove_file(&path).unwrap();
    let error = read_bytes(&chunks, 5000, &mut [0]).unwrap_err();
    assert!(error.to_string().contains("disk.000000005"), "{error}");
    fs::write(&path, &expected[5000..6000]).unwrap();
    assert_same(&chunks, &expected, 5);
}

#[test]
fn declared_sizes_have_limits() {
    let dir = cut(&[1; 10], 10);
    for (chunk_size, size) in [(Some(10), Some(u64::MAX)), (Some(1), Some(MAX_CHUNKS + 1)), (None, Some(u64::MAX))] {
        assert!(matches!(refusal(&dir, chunk_size, size, "more than 100000 chunks"), OpenErrorKind::Damaged(_)));
    }
    for (chunk_size, size) in [(Some(u64::MAX), Some(u64::MAX)), (Some(0), None), (Some(11), Some(11)), (Some(9), None)]
    {
        refusal(&dir, chunk_size, size, "disk.000000000");
    }
    assert_eq!(open(&dir, Some(u64::MAX), None).unwrap().size(), 10);
    let dir = cut(&[], 1);
    fs::write(dir.path().join("disk.000000000"), b"").unwrap();
    assert!(matches!(refusal(&dir, None, None, "disk.000000000"), OpenErrorKind::Empty));
}

#[test]
fn holes_are_seen_through_chunks() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..3 {
        let file = fs::File::create(dir.path().join(format!("disk.{number:09}"))).unwrap();
        file.set_len(1 << 20).unwrap();
    }
    fs::write(dir.path().join("disk.000000001"), vec![1; 1 << 20]).unwrap();
    let chunks = open(&dir, None, None).unwrap();
    assert_eq!(chunks.data_after(5).unwrap(), 1 << 20..2 << 20);
    assert_eq!(chunks.data_after((1 << 20) + 5).unwrap(), (1 << 20) + 5..2 << 20);
    assert_eq!(chunks.data_after(2 << 20).unwrap(), 3 << 20..3 << 20);
}

#[test]
fn a_compressed_file_may_be_cut() {
    let expected = bytes(300_000, 1);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&expected).unwrap();
    let dir = cut(&encoder.finish().unwrap(), 5000);
    let chunks = open(&dir, None, None).unwrap();
    assert_same(&Gzip::new(Arc::new(chunks), None, 1 << 30).unwrap(), &expected, 10);
}
