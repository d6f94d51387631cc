#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::cmp::Ordering;

use super::*;
use ovum_disk::storage::testing::Memory;

/// A unified kernel image with that command line.
pub(crate) fn uki(cmdline: &str) -> Vec<u8> {
    image(&[
        (".osrel", b"NAME=x\nPRETTY_NAME=\"Test OS\"\n"),
        (".uname", b"6.6.6"),
        (".cmdline", cmdline.as_bytes()),
        (".linux", b"KERNEL"),
        (".initrd", b"INITRD"),
    ])
}

/// A PE image with those sections, each padded to 512 bytes.
fn image(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut image = vec![0; 64];
    image[..2].copy_from_slice(b"MZ");
    image[60] = 64;
    image.extend_from_slice(b"PE\0\0\x64\x86");
    image.extend_from_slice(&u16::try_from(sections.len()).unwrap().to_le_bytes());
    image.extend_from_slice(&[0; 12]);
    image.extend_from_slice(&[16, 0, 0, 0]);
    image.extend_from_slice(&[0; 16]);
    let mut start = 1024_u32;
    let mut data = Vec::new();
    for (name, bytes) in sections {
        let mut header = [0; 40];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[8..12].copy_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
        header[16..20].copy_from_slice(&512_u32.to_le_bytes());
        header[20..24].copy_from_slice(&start.to_le_bytes());
        image.extend_from_slice(&header);
        data.extend_from_slice(bytes);
        start += 512;
        data.resize(usize::try_from(start).unwrap() - 1024, 0);
    }
    image.resize(1024, 0);
    image.extend(data);
    image
}

#[test]
fn sections_are_as_long_as_they_are_in_memory() {
    let sections = pe::sections(&*Memory::new(uki("quiet"))).unwrap();
    let ranges: Vec<_> = sections.iter().map(|section| (section.name.as_str(), section.range.clone())).collect();
    assert_eq!(ranges[2], (".cmdline", 2048..2053));
    assert_eq!(ranges[3], (".linux", 2560..2566));
}

#[test]
fn images_that_are_cut_off_or_lie_are_refused() {
    let good = uki("quiet");
    assert!(pe::sections(&*Memory::new(good[..2000].to_vec())).is_none());
    assert!(pe::sections(&*Memory::new(good[..100].to_vec())).is_none());
    assert!(pe::sections(&*Memory::new(b"MZ".to_vec())).is_none());
    for (at, byte) in [(0, 0), (60, 0xff), (63, 0xff), (64, 0), (71, 0xff), (85, 0xff), (104 + 23, 0xff)] {
        let mut bad = good.clone();
        bad[at] = byte;
        assert!(pe::sections(&*Memory::new(bad)).is_none(), "{at}");
    }
}

#[test]
fn versions_are_ordered_as_the_specification_says() {
    let ascending = [
        "",
        "~1",
        "a",
        "b",
        "0",
        "1",
        "1.0~rc1",
        "1.0",
        "1.0-1",
        "1.0-2",
        "1.0-10",
        "1.0^git",
        "1.0.1",
        "1.1",
        "5.10.0-9-amd64",
        "5.10.0-21-amd64",
        "6.1",
        "10",
        "122.1",
    ];
    // The first three of the specification's oddities aside, each is later than the one before.
    for pair in ascending.windows(2).skip(4) {
        assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
    }
    for (one, other, order) in [
        ("11", "11", Ordering::Equal),
        ("systemd-123", "systemd-123~rc1", Ordering::Greater),
        ("", "~rc1", Ordering::Greater),
        ("007", "7", Ordering::Equal),
        ("a", "", Ordering::Greater),
        ("1a", "1", Ordering::Greater),
        ("1_", "1", Ordering::Equal),
        ("123.a-67", "123.a-67.1", Ordering::Less),
        ("bar-123", "foo-123", Ordering::Less),
        ("123a", "123", Ordering::Greater),
        ("a.", "a", Ordering::Greater),
    ] {
        assert_eq!(compare(one, other), order, "{one} {other}");
    }
}

#[test]
fn an_entry_is_keys_and_values() {
    let text = "# comment\ntitle\tFedora Linux (6.8)\nversion 6.8\nlinux /vmlinuz\ninitrd /a\ninitrd /b\n\noptions root=x\n\
        options  quiet  splash\narchitecture x64\nunknown y\nsort-key fedora\n";
    let entry = Entry::parse("f", text).unwrap();
    assert_eq!(entry.title.as_deref(), Some("Fedora Linux (6.8)"));
    assert_eq!(entry.initrds, ["/a", "/b"]);
    assert_eq!(entry.options.as_deref(), Some("root=x quiet  splash"));
    assert_eq!(entry.sort_key.as_deref(), Some("fedora"));
    assert!(Entry::parse("f", &"x\n".repeat(2000)).is_none());
}
