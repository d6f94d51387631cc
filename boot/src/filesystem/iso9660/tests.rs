//! What xorriso makes only of files of 4 GiB, or not at all, laid down by hand.

use ovum_disk::storage::read_bytes;
use ovum_disk::storage::testing::Memory;

use super::super::{FileSystem, FsError};
use super::*;

fn record(name: &[u8], extent: u32, len: u32, flags: u8, system: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 33];
    bytes[2..6].copy_from_slice(&extent.to_le_bytes());
    bytes[10..14].copy_from_slice(&len.to_le_bytes());
    bytes[25] = flags;
    bytes[32] = u8::try_from(name.len()).unwrap();
    bytes.extend(name);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes.extend(system);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes[0] = u8::try_from(bytes.len()).unwrap();
    bytes
}

/// A volume whose root directory, of two sectors from 20 on, begins with `dot` and has `records`; the second sector begins
/// with the last one. Each byte from sector 22 on is its sector's number.
fn volume(dot: &[u8], records: &[Vec<u8>]) -> Arc<dyn FileSystem> {
    let mut bytes = vec![0; 40 * 2048];
    let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
    put(16 * 2048, b"\x01CD001\x01");
    put(16 * 2048 + 128, &2048_u16.to_le_bytes());
    put(16 * 2048 + 156, &record(&[0], 20, 4096, 2, &[]));
    put(17 * 2048, b"\xffCD001\x01");
    let mut at = 20 * 2048;
    let dots = [record(&[0], 20, 4096, 2, dot), record(&[1], 20, 4096, 2, &[])];
    for (index, record) in dots.iter().chain(records).enumerate() {
        if index == records.len() + 1 {
            at = 21 * 2048;
        }
        put(at, record);
        at += record.len();
    }
    for sector in 22..40 {
        put(sector * 2048, &[u8::try_from(sector).unwrap(); 2048]);
    }
    super::super::open(Memory::new(bytes) as _).unwrap().unwrap()
}

#[test]
fn a_file_in_parts_is_one_file() {
    let parts =
        [record(b"B.;1", 22, 4096, 0x80, &[]), record(b"B.;1", 30, 2048, 0x80, &[]), record(b"B.;1", 25, 7, 0, &[])];
    let system = volume(&[], &parts);
    assert_eq!(system.read_dir("/").unwrap().len(), 1);
    let file = system.open("/b").unwrap();
    assert_eq!((file.size(), system.metadata("/b").unwrap().len), (6151, 6151));
    let mut bytes = vec![0; 6151];
    read_bytes(file.as_ref(), 0, &mut bytes).unwrap();
    let expected = [[22; 2048], [23; 2048], [30; 2048]].concat();
    assert_eq!(bytes[..6144], expected);
    assert_eq!(bytes[6144..], [25; 7]);
    // The last part is another file.
    let system = volume(&[], &[record(b"B.;1", 22, 4096, 0x80, &[]), record(b"C.;1", 25, 7, 0, &[])]);
    assert!(matches!(system.open("/b"), Err(FsError::Damaged { .. })));
}

#[test]
fn what_goes_on_without_end_is_refused() {
    const SP: &[u8] = &[b'S', b'P', 7, 1, 0xbe, 0xef, 0];
    // What belongs to the name goes on where the record itself is.
    let place = 20 * 2048 + 42 + 34;
    let mut more = b"CE\x1c\x01".to_vec();
    for number in [20_u32, u32::try_from(place - 20 * 2048 + 38).unwrap(), 28] {
        more.extend([number.to_le_bytes(), number.to_be_bytes()].concat());
    }
    let system = volume(SP, &[record(b"B.;1", 22, 7, 0, &more), record(b"C.;1", 22, 7, 0, &[])]);
    assert!(matches!(system.metadata("/c"), Err(FsError::Damaged { .. })));
}

#[test]
fn a_directory_that_was_moved_is_where_its_name_is() {
    const SP: &[u8] = &[b'S', b'P', 7, 1, 0xbe, 0xef, 0];
    let mut moved = b"CL\x0c\x01".to_vec();
    moved.extend([20_u32.to_le_bytes(), 20_u32.to_be_bytes()].concat());
    let hidden = b"RE\x04\x01".to_vec();
    let system = volume(SP, &[record(b"B.;1", 0, 0, 0, &moved), record(b"C", 20, 4096, 2, &hidden)]);
    let entries = system.read_dir("/").unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].kind, FileKind::Directory);
    // It is the root itself here, so there is always one more.
    assert_eq!(system.metadata("/b/b/b").unwrap().kind, FileKind::Directory);
}
