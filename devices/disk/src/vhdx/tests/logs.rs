//! Images that were not closed.

use super::*;

/// `small`, not closed: its table is zeroes in its place, and in the log. `seal` may change the log.
fn dirty(seal: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut image = small(false);
    let clean = image.build();
    let data = clean[BAT_AT..BAT_AT + 4096].to_vec();
    let size = clean.len() as u64;
    let changes = [Change::Zero(BAT_AT as u64, 8192), Change::Data(BAT_AT as u64, data)];
    image.log.0 = [5; 16];
    image.log.1 = log_entry([5; 16], 9, 0, size, &changes);
    seal(&mut image.log.1);
    let mut bytes = image.build();
    bytes[BAT_AT..BAT_AT + 4096].fill(0xff);
    bytes
}

#[test]
fn a_log_is_replayed_without_changing_the_image() {
    let storage = Memory::new(dirty(|_| ()));
    let before = storage.bytes();
    let layout = read(Arc::<Memory>::clone(&storage)).unwrap().layout;
    assert_eq!([0, MIB, 2 * MIB, 3 * MIB].map(|offset| byte_at(layout.as_ref(), offset)), [1, 0, 0, 0]);
    assert_eq!(check(layout.as_ref()).unwrap().count, 0);
    assert!(layout.details().iter().any(|(name, _)| *name == "log"));
    assert!(before == storage.bytes());
}

#[test]
fn the_newest_whole_sequence_of_a_log_counts() {
    let guid = [5; 16];
    let clean = small(false).build();
    let (size, at) = (clean.len() as u64, BAT_AT as u64);
    let good = Change::Data(at, clean[BAT_AT..BAT_AT + 4096].to_vec());
    let bad = || Change::Data(at, vec![0xee; 4096]);
    let entry = |sequence, tail, change: &Change| log_entry(guid, sequence, tail, size, std::slice::from_ref(change));
    let end = (1 << 20) - 8192;
    let ring = |parts: &[(usize, Vec<u8>)]| {
        dirty(|log| {
            *log = vec![0; 1 << 20];
            for (at, part) in parts {
                log[*at..at + part.len()].copy_from_slice(part);
            }
        })
    };
    let mut torn = entry(4, 0, &bad());
    torn[5000] ^= 1;
    let cases = [
        ("later entries win", ring(&[(0, entry(1, 0, &bad())), (8192, entry(2, 0, &good))])),
        ("a torn entry ends it", ring(&[(0, entry(3, 0, &good)), (8192, torn.clone())])),
        ("round the end", ring(&[(end, entry(7, end, &bad())), (0, entry(8, end, &good))])),
        ("newest", ring(&[(0, entry(9, 0, &good)), (16384, entry(6, 16384, &bad()))])),
        ("the tail is gone", ring(&[(0, entry(9, 32768, &bad())), (16384, entry(6, 16384, &good))])),
        ("another log's", ring(&[(0, log_entry([6; 16], 9, 0, size, &[bad()])), (16384, entry(6, 16384, &good))])),
        ("no entry has number 0", ring(&[(0, entry(0, 0, &bad())), (16384, entry(6, 16384, &good))])),
        (
            "only from the tail on",
            ring(&[(0, entry(3, 0, &bad())), (8192, entry(4, 8192, &Change::Zero(at + 4096, 4096)))]),
        ),
    ];
    for (what, bytes) in cases {
        let mut bytes = bytes;
        if what.starts_with("only") {
            bytes[BAT_AT..BAT_AT + 4096].copy_from_slice(&clean[BAT_AT..BAT_AT + 4096]);
        }
        // `build` signs what was torn.
        if what.starts_with("a torn") {
            bytes[LOG_AT + 8192..LOG_AT + 16384].copy_from_slice(&torn);
        }
        assert_eq!(byte_at(layout_of(bytes).as_ref(), 0), 1, "{what}");
    }
}

#[test]
fn logs_that_cannot_be_replayed_are_damage() {
    let damaged = |seal: fn(&mut Vec<u8>)| field_of(open(dirty(seal)));
    assert_eq!(damaged(|log| log.fill(0)), "Log", "no entry");
    assert_eq!(damaged(|log| log[16] = 8), "Log", "another number than its descriptors have");
    assert_eq!(damaged(|log| log[24] = 200), "Log", "more descriptors than there are");
    assert_eq!(damaged(|log| put(log, 24, u32::MAX)), "Log");
    assert_eq!(damaged(|log| put(log, 8, 0)), "Log");
    assert_eq!(damaged(|log| put(log, 8, 8193)), "Log");
    assert_eq!(damaged(|log| put(log, 8, u32::MAX)), "Log");
    assert_eq!(damaged(|log| put(log, 64 + 16, 1)), "Log", "an odd place");
    let past_all_files = |log: &mut Vec<u8>| [12, 20].iter().for_each(|at| put(log, 64 + at, u32::MAX));
    assert_eq!(damaged(past_all_files), "Log");
    assert_eq!(damaged(|log| put(log, 52, 1)), "FlushedFileOffset");
    let header = |offset: usize, value: u32| {
        let mut bytes = dirty(|_| ());
        [HEADER_AT, 128 << 10].iter().for_each(|at| put(&mut bytes, at + offset, value));
        sign(&mut bytes);
        open(bytes)
    };
    assert_eq!(field_of(header(spec::header::LOG_OFFSET, 4096)), "LogOffset");
    assert_eq!(field_of(header(spec::header::LOG_OFFSET + 4, u32::MAX)), "LogOffset");
    assert_eq!(field_of(header(spec::header::LOG_LENGTH, 0)), "LogOffset");
    assert_eq!(field_of(header(spec::header::LOG_LENGTH, 0xfff0_0000)), "LogOffset");
    assert!(matches!(header(spec::header::LOG_VERSION, 0x1_0001), Err(LayoutError::Unsupported { .. })));
}

#[test]
fn a_log_of_entries_that_overlap_ends() {
    let mut bytes = dirty(|_| ());
    // Each sector begins an entry that claims all that follow.
    let mut claim = log_entry([5; 16], 1, 0, 0, &[]);
    put(&mut claim, 8, 1 << 20);
    (0..256).for_each(|sector| bytes[LOG_AT + sector * 4096..][..4096].copy_from_slice(&claim));
    match open(bytes) {
        Err(LayoutError::Damaged(damage)) => assert!(damage.problem.contains("overlap"), "{damage}"),
        _ => panic!("it has no whole entry"),
    }
}

#[test]
fn a_log_may_make_the_file_longer() {
    let mut image = small(false);
    let mut clean = image.build();
    put(&mut clean, BAT_AT + 24, (6 << 20) | 6);
    let changes = [
        Change::Data(BAT_AT as u64, clean[BAT_AT..BAT_AT + 4096].to_vec()),
        Change::Data(6 << 20, vec![8; 4096]),
        Change::Zero(u64::MAX - 8191, 4096),
    ];
    image.log = ([5; 16], log_entry([5; 16], 1, 0, 0, &changes));
    put(&mut image.log.1, spec::entry::LAST, 8 << 20);
    let layout = layout_of(image.build());
    assert_eq!([0, 3 * MIB, 3 * MIB + 4095].map(|offset| byte_at(layout.as_ref(), offset)), [1, 8, 8]);
}

#[test]
fn what_the_host_says_is_passed_on() {
    let memory = Memory::new(dirty(|_| ()));
    let mut calls = 0;
    let opened = loop {
        match read(Faulty::new(Arc::<Memory>::clone(&memory), calls, libc::EIO, true)) {
            Ok(layer) => break layer,
            Err(LayoutError::Io(error)) => assert_eq!(error.raw_os_error(), Some(libc::EIO), "{calls}"),
            Err(error) => panic!("{error:?}"),
        }
        calls += 1;
    };
    assert!(calls > 10);
    assert_eq!(opened.layout.map(0, 1).unwrap_err().raw_os_error(), Some(libc::EIO));
}
