//! OVA files that lie.

use crate::cases::{Case, DISK, INSPECT, MINIMAL, RUN, VERIFY, judge_all};
use crate::tar::{Header, Tar, kind};

const GIB: u64 = 1 << 30;

/// The descriptor, as every archive begins.
fn begun() -> Tar {
    Tar::new().file("package.ovf", MINIMAL.as_bytes())
}

/// Where the header behind [`begun`] is.
fn second_header() -> String {
    (512 + MINIMAL.len().next_multiple_of(512)).to_string()
}

/// A whole package, and one member more.
fn with_member(name: &[u8], kind: u8) -> Vec<u8> {
    begun().file("disk.vmdk", DISK).member(&Header::new(name, 0, kind), &[]).end()
}

#[test]
fn a_right_archive_is_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("package.ova"), begun().file("disk.vmdk", DISK).end()).unwrap();
    for command in ["inspect", "verify"] {
        let call = ovum_tests::limited::ovum(folder.path(), [command, "package.ova"]).unwrap();
        assert_eq!(call.status, 0, "{command}: {}", call.errors);
    }
}

#[test]
fn names_of_members() {
    let mut cases = Vec::new();
    for name in ["../evil.txt", "/tmp/evil.txt", "a/../../../evil.txt", "..", "./../evil.txt"] {
        cases
            .push(Case::archive(&format!("a member {name:?}"), with_member(name.as_bytes(), kind::FILE)).names("evil"));
    }
    cases[3] = Case::archive("a member \"..\"", with_member(b"..", kind::FILE)).names("..");
    cases.push(Case::archive("a member without a name", with_member(b"", kind::FILE)).names("package.ova"));
    // Nobody asks for these, and they are shown to nobody as they are.
    for name in ["evil\ntxt", "evil\x1b[31m", "evil\u{9b}31m", "evil\u{202e}txt"] {
        cases.push(Case::archive(&format!("a member {name:?}"), with_member(name.as_bytes(), kind::FILE)).survived());
    }
    cases.push(Case::archive("a name that is not UTF-8", with_member(b"evil\xff", kind::FILE)).survived());
    cases.push(
        Case::archive("a name of pax", begun().file("disk.vmdk", DISK).pax(&["path=../evil.txt"]).file("x", b"").end())
            .names("evil"),
    );
    let long = Header::new(b"././@LongLink", 12, kind::GNU_LONG_NAME);
    let archive = begun().file("disk.vmdk", DISK).member(&long, b"../evil.txt\0").file("x", b"").end();
    cases.push(Case::archive("a long name", archive).names("evil"));
    judge_all(&cases);
}

#[test]
fn members_that_are_no_files() {
    let kinds = [
        ("a link", kind::LINK),
        ("a hard link", kind::HARD_LINK),
        ("a character device", kind::CHARACTER_DEVICE),
        ("a block device", kind::BLOCK_DEVICE),
        ("a pipe", kind::FIFO),
        ("a member of an unknown type", b'Z'),
    ];
    let mut cases = Vec::new();
    for (what, kind) in kinds {
        let header = Header::new(b"disk.vmdk", 0, kind).link_to(b"/etc/hostname");
        cases.push(Case::archive(&format!("{what} for a disk"), begun().member(&header, &[]).end()).names("disk.vmdk"));
        let header = Header::new(b"package.ovf", 0, kind).link_to(b"/etc/hostname");
        let archive = Tar::new().member(&header, &[]).file("disk.vmdk", DISK).end();
        cases.push(Case::archive(&format!("{what} for a descriptor"), archive).names("package.ov"));
    }
    let folder = begun().member(&Header::new(b"disk.vmdk/", 0, kind::FOLDER), &[]).end();
    cases.push(Case::archive("a folder for a disk", folder).refused_by(&[VERIFY, RUN]).names("disk.vmdk"));
    judge_all(&cases);
}

#[test]
fn members_that_are_twice_there() {
    judge_all(&[
        Case::archive("a disk twice", begun().file("disk.vmdk", DISK).file("disk.vmdk", b"other").end())
            .names("disk.vmdk"),
        Case::archive("a descriptor twice", begun().file("disk.vmdk", DISK).file("package.ovf", b"<x/>").end())
            .names("package.ovf"),
        Case::archive(
            "a disk twice, once with ./",
            begun().file("disk.vmdk", DISK).file("./disk.vmdk", b"other").end(),
        )
        .names("disk.vmdk"),
        Case::archive("two descriptors", begun().file("disk.vmdk", DISK).file("other.ovf", MINIMAL.as_bytes()).end())
            .survived(),
    ]);
}

#[test]
fn sparse_members() {
    let sparse = |records: &[&str]| begun().pax(records).file("disk.vmdk", DISK).end();
    judge_all(&[
        Case::archive("GNU's old form", begun().member(&Header::new(b"disk.vmdk", 2000, kind::GNU_SPARSE), DISK).end())
            .names("disk.vmdk"),
        Case::archive(
            "pax 0.1",
            sparse(&["GNU.sparse.size=42949672960", "GNU.sparse.numblocks=1", "GNU.sparse.map=0,2000"]),
        )
        .names("sparse"),
        Case::archive(
            "pax 1.0",
            sparse(&[
                "GNU.sparse.major=1",
                "GNU.sparse.minor=0",
                "GNU.sparse.name=disk.vmdk",
                "GNU.sparse.realsize=9999999999",
            ]),
        )
        .names("sparse"),
    ]);
}

#[test]
fn sizes_that_lie() {
    let disk = |header: Header| begun().member(&header, DISK).end();
    let plain = || Header::new(b"disk.vmdk", 0, kind::FILE);
    let claims = |record: &str| begun().pax(&[record]).file("disk.vmdk", DISK).end();
    let negative = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];
    let huge = [0x80, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let wide_descriptor = Header::new(b"package.ovf", 0, kind::FILE).wide_size(40 * GIB);
    let mut cases = vec![
        Case::archive("40 GB in 10 KB", disk(plain().wide_size(40 * GIB))),
        Case::archive("8 GiB less one in octal", disk(plain().size_field(*b"77777777777\0"))),
        Case::archive("2^63 - 1", disk(plain().wide_size(u64::MAX >> 1))),
        Case::archive("2^64 - 1", disk(plain().wide_size(u64::MAX))),
        Case::archive("a negative size", disk(plain().size_field(negative))),
        Case::archive("2^87", disk(plain().size_field(huge))),
        Case::archive("letters", disk(plain().size_field(*b"0000000009x\0"))),
        Case::archive("pax: negative", claims("size=-1")),
        Case::archive("pax: 10^30", claims("size=1000000000000000000000000000000")),
        Case::archive("pax: a fraction", claims("size=1.5")),
        Case::archive("pax: letters", claims("size=0x10")),
    ];
    // Where no name was read yet, the place is the offset.
    cases = cases.into_iter().map(|case| case.names("package.ova").names(&second_header())).collect();
    let wide = Tar::new().member(&wide_descriptor, MINIMAL.as_bytes()).end();
    cases.push(Case::archive("pax: 40 GB", claims("size=42949672960")).names("disk.vmdk"));
    cases.push(Case::archive("a descriptor of 40 GB", wide).names("package.ov"));
    judge_all(&cases);
}

#[test]
fn pax_headers_that_lie() {
    let raw = |data: &[u8]| begun().raw_pax(kind::PAX, data).file("disk.vmdk", DISK).end();
    let long = "x".repeat(3_000_000);
    let claimed = Header::new(b"PaxHeaders/x", 1 << 32, kind::PAX);
    let global = begun().raw_pax(kind::PAX_GLOBAL, b"13 size=4000\n").file("disk.vmdk", DISK).end();
    let name = Header::new(b"././@LongLink", 1 << 32, kind::GNU_LONG_NAME);
    let mut cases = vec![
        Case::archive("a record longer than the header", raw(b"999999 path=x\n")),
        Case::archive("a record of length 0", raw(b"0 path=x\n")),
        Case::archive("a length of many digits", raw(b"99999999999999999999999999 path=x\n")),
        Case::archive("a negative length", raw(b"-9 path=x\n")),
        Case::archive("a record without =", raw(b"8 path x\n")),
        Case::archive("a record without an end", raw(b"9 path=xy")),
        Case::archive("no number", raw(b"path=x\n")),
        Case::archive("4 GiB of pax header", begun().member(&claimed, b"9 path=x\n").end()),
        Case::archive("4 GiB of name", begun().member(&name, b"x").end()),
        Case::archive("3 MB of pax header", begun().pax(&[&format!("comment={long}")]).file("disk.vmdk", DISK).end())
            .survived(),
        Case::archive("a size for all members", global).survived(),
        Case::archive("a header and nothing behind it", begun().pax(&["path=x"]).end()).survived(),
    ];
    cases = cases.into_iter().map(|case| case.names("package.ova")).collect();
    judge_all(&cases);
}

#[test]
fn archives_that_are_cut_or_none() {
    let whole = begun().file("disk.vmdk", DISK).end();
    let wrong_sum = Header::new(b"disk.vmdk", 2000, kind::FILE).with_wrong_checksum();
    let ancient = Header::new(b"disk.vmdk", 2000, kind::FILE).without_magic();
    let many = (0..20_000).fold(begun(), |tar, n| tar.file(&format!("{n}.txt"), b""));
    let gzip = |bytes: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x"), bytes).unwrap();
        let packed = std::process::Command::new("gzip").args(["-c", "x"]).current_dir(folder.path()).output().unwrap();
        assert!(packed.status.success());
        packed.stdout
    };
    // Local header of one stored member (APPNOTE 4.3.7), as far as anybody looks.
    let zip =
        [&b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0b\0\0\0package.ovf"[..], &[0; 2000]].concat();
    let compressed =
        |name: &str, bytes: Vec<u8>, word: &str| Case::files(name, name, vec![(name, bytes)]).names(name).advises(word);
    judge_all(&[
        Case::archive("cut in a disk", whole[..whole.len() - 3000].to_vec()).names("disk.vmdk"),
        Case::archive("cut in a header", whole[..512 + MINIMAL.len().next_multiple_of(512) + 100].to_vec())
            .names("package.ova"),
        Case::archive("cut in the descriptor", whole[..1000].to_vec()).names("package.ov"),
        Case::archive("no end", begun().file("disk.vmdk", DISK).cut()).survived(),
        Case::archive("something behind the end", [whole.clone(), vec![7; 5000]].concat()).survived(),
        Case::archive("a wrong checksum", begun().member(&wrong_sum, DISK).end()).names("package.ova"),
        Case::archive("tar from before POSIX", begun().member(&ancient, DISK).end()).survived(),
        Case::archive("20,000 members", many.file("disk.vmdk", DISK).end()).survived(),
        Case::archive("nothing", Vec::new()).names("package.ova"),
        Case::archive("zeroes", vec![0; 10_240]).names("package.ova"),
        Case::archive("ones", vec![0xff; 10_240]).names("package.ova"),
        Case::archive("no descriptor", Tar::new().file("disk.vmdk", DISK).end()).names("package.ova"),
        Case::archive("text", b"not an archive at all ".repeat(100)).names("package.ova"),
        compressed("package.tar.gz", gzip(&whole), "tar"),
        compressed("packed.ova", gzip(&whole), "tar"),
        compressed("package.ovf.gz", gzip(MINIMAL.as_bytes()), "gunzip"),
        compressed("package.zip", zip.clone(), "unzip"),
        compressed("zipped.ova", zip, "unzip"),
    ]);
}

#[test]
fn a_descriptor_that_is_too_long() {
    let blanks = " ".repeat(80_000_000);
    judge_all(&[
        Case::descriptor("80 MB of blanks", format!("{MINIMAL}{blanks}"))
            .refused_by(&[INSPECT, VERIFY, RUN])
            .names("package.ovf"),
        Case::archive(
            "80 MB of blanks in an archive",
            Tar::new().file("package.ovf", format!("{MINIMAL}{blanks}").as_bytes()).end(),
        )
        .names("package.ov"),
    ]);
}
