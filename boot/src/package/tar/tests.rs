use std::sync::Arc;

use ovum_disk::storage::Storage;
use ovum_disk::storage::testing::Memory;

use super::testing::{archive, file, header, padded, record, sum, typed};
use super::{Entry, TarError, TarProblem, is_tar, read};

fn entries(bytes: Vec<u8>) -> Result<Vec<(String, u64, u64)>, TarError> {
    let storage: Arc<dyn Storage> = Memory::new(bytes);
    let entries = read(&storage)?;
    Ok(entries.into_iter().map(|Entry { name, start, size }| (name, start, size)).collect())
}

/// What is wrong, of which member, where.
fn wrong(bytes: Vec<u8>) -> (Option<String>, u64, TarProblem) {
    let TarError { member, offset, problem } = entries(bytes).unwrap_err();
    assert!(!problem.to_string().is_empty() && !problem.remedy().is_empty());
    (member, offset, problem)
}

#[test]
fn members_are_found_by_every_way_to_write_their_names_and_sizes() {
    let long = format!("{}/disk.vmdk", "d".repeat(120));
    let mut prefixed = header(b"disk.vmdk", b'0', 3);
    prefixed[345..352].copy_from_slice(b"a/b/c/d");
    sum(&mut prefixed);
    let mut gnu = header(b"gnu", b'0', 3);
    gnu[257..265].copy_from_slice(b"ustar  \0");
    gnu[345..348].copy_from_slice(b"123");
    gnu[124..136].copy_from_slice(b"\x80\0\0\0\0\0\0\0\0\0\0\x03");
    sum(&mut gnu);
    let mut old = header(b"./old", 0, 3);
    old[257..265].fill(0);
    sum(&mut old);
    let pax = record("path", "pax") + &record("size", "3") + &record("mtime", "1.5");
    let found = entries(archive(&[
        file("x.ovf", b"abc"),
        typed("folder/", b'5', b""),
        prefixed,
        padded(b"abc"),
        gnu,
        padded(b"abc"),
        old,
        padded(b"abc"),
        typed("whatever", b'g', record("comment", "hello").as_bytes()),
        typed("whatever", b'x', pax.as_bytes()),
        header(b"ustar", b'0', 0),
        padded(b"abc"),
        typed("././@LongLink", b'L', format!("{long}\0").as_bytes()),
        file(&long[..100], b"abc"),
        file("empty", b""),
    ]))
    .unwrap();
    let names: Vec<_> = found.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["a/b/c/d/disk.vmdk", &long, "empty", "gnu", "old", "pax", "x.ovf"]);
    assert!(found.iter().all(|(name, start, size)| start % 512 == 0 && (*size == 3 || name == "empty")));
}

#[test]
fn sizes_beyond_8_gib_are_told_by_base_256_or_pax() {
    // Memory cannot hold it, so the refusal tells what was understood.
    let size = 10_u64 << 30;
    let mut base256 = header(b"a", b'0', 0);
    base256[124..136].copy_from_slice(b"\x80\0\0\0\0\0\0\0\0\0\0\0");
    base256[128..136].copy_from_slice(&size.to_be_bytes());
    sum(&mut base256);
    let saturated = header(b"a", b'0', 0o777_7777_7777);
    let pax = typed("p", b'x', record("size", &size.to_string()).as_bytes());
    for bytes in [base256, [pax.clone(), header(b"a", b'0', 0)].concat(), [pax, saturated].concat()] {
        let (_, _, problem) = wrong(archive(&[bytes]));
        assert!(matches!(problem, TarProblem::Truncated { size: found, .. } if found == size), "{problem}");
    }
}

#[test]
fn an_end_may_be_missing_or_cut() {
    let whole = archive(&[file("a", &[1; 700])]);
    for end in [512 + 700, 512 + 1024, 512 + 1024 + 100, 512 + 1024 + 512] {
        assert_eq!(entries(whole[..end].to_vec()).unwrap(), [("a".to_owned(), 512, 700)], "{end}");
    }
    let (member, offset, problem) = wrong(whole[..512 + 699].to_vec());
    assert_eq!((member.as_deref(), offset), (Some("a"), 0));
    assert!(matches!(problem, TarProblem::Truncated { start: 512, size: 700, end: 1211 }));
    let two = archive(&[file("a", b"1"), file("b", b"2")]);
    assert!(matches!(wrong(two[..1024 + 300].to_vec()), (None, 1024, TarProblem::CutHeader { end: 1324 })));
    let alone = typed("p", b'x', record("path", "b").as_bytes());
    assert!(matches!(wrong(archive(&[alone])), (None, 1024, TarProblem::NoMember)));
}

#[test]
fn what_is_no_plain_file_is_refused_with_its_place() {
    let before = file("a", b"1");
    for (flag, part) in [
        (b'1', "hard link"),
        (b'2', "symbolic link"),
        (b'3', "character device"),
        (b'4', "block device"),
        (b'6', "pipe"),
        (b'S', "sparse"),
        (b'M', "unknown kind 'M'"),
        (0xff, "unknown kind '\\xff'"),
    ] {
        let (member, offset, problem) = wrong(archive(&[before.clone(), header(b"bad", flag, 0)]));
        assert_eq!((member.as_deref(), offset), (Some("bad"), 1024));
        assert!(problem.to_string().contains(part), "{problem}");
    }
    let (_, _, problem) = wrong(archive(&[typed("d", b'5', &[0; 512])]));
    assert!(matches!(problem, TarProblem::NotEmpty { size: 512, .. }));
    let sparse = typed("p", b'x', record("GNU.sparse.major", "1").as_bytes());
    assert!(matches!(wrong(archive(&[sparse, file("a", b"")])), (_, 0, TarProblem::Sparse)));
}

#[test]
fn names_do_not_lead_out_and_come_once() {
    for name in ["../a", "a/../../b", "/etc/passwd", "a/..", ".", "./"] {
        let (_, offset, problem) = wrong(archive(&[file("x", b""), header(name.as_bytes(), b'7', 0)]));
        assert_eq!(offset, 512, "{name}");
        assert!(matches!(problem, TarProblem::Name(_)), "{name}: {problem}");
    }
    let long = typed("p", b'x', record("path", &"a".repeat(5000)).as_bytes());
    assert!(matches!(wrong(archive(&[long, file("a", b"")])).2, TarProblem::Name(_)));
    let (member, offset, problem) = wrong(archive(&[file("a/b", b"1"), file("c", b""), file("a//./b", b"2")]));
    assert_eq!((member.as_deref(), offset), (Some("a/b"), 1536));
    assert!(matches!(problem, TarProblem::Duplicate(0)));
}

#[test]
fn headers_that_lie_are_refused() {
    let mut changed = file("a", b"1");
    changed[0] = b'b';
    assert!(matches!(wrong([file("x", b""), changed].concat()), (None, 512, TarProblem::Checksum)));
    let mut sized = header(b"a", b'0', 0);
    sized[124..136].copy_from_slice(b"-0000000001\0");
    sum(&mut sized);
    assert!(matches!(wrong(sized).2, TarProblem::NoNumber("size")));
    // 40 GB in a file of 10 KB.
    let mut huge = header(b"disk.vmdk", b'0', 0);
    huge[124..136].copy_from_slice(b"\x80\0\0\0\0\0\0\x09\x50\x2f\x90\0");
    sum(&mut huge);
    let (member, _, problem) = wrong([huge, vec![0; 9728]].concat());
    assert_eq!(member.as_deref(), Some("disk.vmdk"));
    assert!(matches!(problem, TarProblem::Truncated { size: 40_000_000_000, end: 10_240, .. }), "{problem}");

    let pax = |key: &str, value: &str| typed("p", b'x', record(key, value).as_bytes());
    for parts in [
        // The header and the extended header differ: where is the next member?
        vec![pax("size", "1024"), file("a", &[0; 512]), vec![0; 512]],
        vec![pax("path", "a"), pax("path", "b"), file("c", b"")],
        vec![pax("path", "a"), typed("l", b'L', b"b\0"), file("c", b"")],
        vec![typed("l", b'L', b"a\0"), typed("l", b'L', b"b\0"), file("c", b"")],
        vec![typed("p", b'x', b"99 path=a\n"), file("c", b"")],
    ] {
        let problem = wrong(archive(&parts)).2;
        assert!(matches!(problem, TarProblem::Pax(_)), "{problem}");
    }
    let problem = wrong([header(b"p", b'x', 1 << 32), vec![0; 4096]].concat()).2;
    assert!(matches!(problem, TarProblem::TooMany { .. }), "{problem}");
}

#[test]
fn an_archive_is_told_by_its_first_header() {
    let is = |bytes: &[u8]| is_tar(Memory::new(bytes.to_vec()).as_ref()).unwrap();
    assert!(is(&archive(&[file("a", b"")])));
    assert!(!is(&[0; 1024]) && !is(b"") && !is(&[b' '; 512]) && !is(&archive(&[file("a", b"")])[..511]));
}
