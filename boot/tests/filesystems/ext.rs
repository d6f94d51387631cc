//! What mke2fs made.

use std::fs;

use ovum_boot::filesystem::{self, FsError};

use crate::compare::{assert_found_at_once, assert_links, assert_refusals, assert_same, image, open, run};
use crate::sample::{Sample, Shape};

/// What mke2fs is told, and what has to be found.
const KINDS: &[(&str, &[&str])] = &[
    ("ext4", &["-t", "ext4"]),
    ("ext4", &["-t", "ext4", "-b", "1024", "-O", "64bit,metadata_csum"]),
    ("ext4", &["-t", "ext4", "-O", "inline_data,casefold,encrypt,sparse_super2", "-I", "1024"]),
    ("ext4", &["-t", "ext4", "-O", "meta_bg,^resize_inode,^64bit,^flex_bg"]),
    ("ext4", &["-t", "ext4", "-b", "1024", "-O", "bigalloc,meta_bg,^resize_inode", "-C", "16384"]),
    ("ext4", &["-t", "ext4", "-b", "1024", "-O", "bigalloc"]),
    ("ext4", &["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "meta_bg,^resize_inode"]),
    ("ext4", &["-t", "ext4", "-O", "^filetype,inline_data"]),
    ("ext3", &["-t", "ext3"]),
    ("ext2", &["-t", "ext2", "-b", "1024"]),
    ("ext2", &["-t", "ext2", "-r", "0"]),
    ("ext2", &["-t", "ext2", "-b", "2048", "-O", "^filetype"]),
];

#[test]
fn every_kind_holds_what_its_folder_holds() {
    let (full, small) = (Sample::new(Shape::default()), Sample::new(Shape { many: 90, ..Shape::default() }));
    for (index, (kind, options)) in KINDS.iter().enumerate() {
        // All of them with a large directory would take too long.
        let sample = if index == 1 { &full } else { &small };
        let path = sample.path("image");
        let _ = fs::remove_file(&path);
        let mut arguments = options.to_vec();
        arguments.extend(["-q", "-F", "-U", "01234567-89ab-cdef-0123-456789abcdef", "-L", "A label"]);
        arguments.extend(["-d", "tree", "image", "400M"]);
        if !run("mke2fs", &arguments, sample.dir.path()) {
            return;
        }
        println!("{options:?}");
        let system = open(&path);
        assert_eq!(system.kind(), *kind);
        assert_eq!(system.uuid().unwrap(), "01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(system.label().unwrap(), "A label");
        let seen = assert_same(system.as_ref(), &sample.tree());
        assert!(seen.files > 100 && seen.folders > 40 && seen.links > 10, "{seen:?}");
        assert_links(system.as_ref(), &sample.tree());
        assert_refusals(system.as_ref());
        let real = fs::metadata(sample.tree().join("tiny")).unwrap().modified().unwrap();
        let seconds = real.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(system.metadata("/tiny").unwrap().modified.cast_unsigned(), seconds);
        assert!(system.notes().is_empty());
    }
}

#[test]
fn a_directory_with_an_index_is_read_like_any_other() {
    let sample = Sample::new(Shape { sparse: 1 << 20, many: 300, ..Shape::default() });
    let arguments = ["-q", "-F", "-t", "ext4", "-b", "1024", "-d", "tree", "image", "64M"];
    if !run("mke2fs", &arguments, sample.dir.path()) {
        return;
    }
    // mke2fs makes directories without an index; e2fsck can add it, and says by its status that it did.
    let _ = std::process::Command::new("/sbin/e2fsck").args(["-fyD", "image"]).current_dir(sample.dir.path()).output();
    let listing = std::process::Command::new("/sbin/debugfs")
        .args(["-R", "htree_dump /many", "image"])
        .current_dir(sample.dir.path())
        .output();
    let listing = String::from_utf8_lossy(&listing.unwrap().stdout).into_owned();
    assert!(listing.contains("Number of entries"), "{listing}");
    assert_same(open(&sample.path("image")).as_ref(), &sample.tree());
}

#[test]
fn a_file_of_a_large_volume_is_found_at_once() {
    let sample = Sample::new(Shape { sparse: 1 << 20, ..Shape::default() });
    if !run("mke2fs", &["-q", "-F", "-t", "ext4", "-d", "tree", "image", "10G"], sample.dir.path()) {
        return;
    }
    assert_found_at_once(image(&sample.path("image")), "/vmlinuz");
}

#[test]
fn what_cannot_be_read_is_refused() {
    let sample = Sample::new(Shape { sparse: 1 << 20, many: 3, ..Shape::default() });
    if !run("mke2fs", &["-q", "-F", "-t", "ext4", "-d", "tree", "image", "16M"], sample.dir.path()) {
        return;
    }
    let whole = fs::read(sample.path("image")).unwrap();
    let with = |offset: usize, bytes: &[u8]| {
        let mut spoilt = whole.clone();
        spoilt[1024 + offset..1024 + offset + bytes.len()].copy_from_slice(bytes);
        filesystem::open(ovum_disk::storage::testing::Memory::new(spoilt) as _)
    };
    let refused = |offset, bytes: &[u8], what: &str| match with(offset, bytes) {
        Err(error @ FsError::Damaged { .. }) => assert!(error.to_string().contains(what), "{error}"),
        other => panic!("{what}: {other:?}"),
    };
    refused(0x18, &[60], "block size");
    refused(0x58, &[100, 0], "inode");
    refused(0x28, &[0, 0, 0, 0], "group");
    refused(0x60, &[0xff, 0xff, 0xff, 0x7f], "journal");
    refused(0x60, &[0, 0, 0, 0x40], "not known");
    assert!(with(0x38, &[0, 0]).unwrap().is_none());
    let dirty = with(0x60, &[whole[1024 + 0x60] | 4]).unwrap().unwrap();
    assert!(dirty.notes().concat().contains("journal"), "{:?}", dirty.notes());
}
