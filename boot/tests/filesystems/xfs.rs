//! What mkfs.xfs made of a description of the folder.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;

use crate::compare::{assert_found_at_once, assert_links, assert_refusals, assert_same, image, open, run};
use crate::sample::{Sample, Shape};

/// What mkfs.xfs is told.
const KINDS: &[&[&str]] = &[
    &[],
    &["-b", "size=1024", "-n", "size=4096", "-i", "size=512", "-m", "bigtime=0"],
    &["-m", "crc=0", "-n", "ftype=0"],
    &["-m", "crc=0", "-b", "size=512", "-n", "ftype=1", "-i", "size=256"],
    &["-n", "size=65536", "-i", "size=2048", "-i", "nrext64=1,sparse=1", "-m", "reflink=1"],
];

/// The folder as a protofile, which mkfs.xfs copies from.
pub fn describe(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            writeln!(text, "{name} l--777 0 0 {}", fs::read_link(&path).unwrap().display()).unwrap();
        } else if kind.is_dir() {
            writeln!(text, "{name} d--755 0 0").unwrap();
            describe(&path, text);
            writeln!(text, "$").unwrap();
        } else {
            writeln!(text, "{name} ---644 0 0 {}", path.display()).unwrap();
        }
    }
}

#[test]
fn every_kind_holds_what_its_folder_holds() {
    let shape = |many| Shape { spaces: false, sparse: 3 << 20, many, ..Shape::default() };
    // mkfs.xfs writes long links in the manner of version 4 also where it makes version 5.
    let full = Sample::new(Shape { long_link: false, ..shape(2000) });
    let small = Sample::new(shape(60));
    for (index, options) in KINDS.iter().enumerate() {
        let sample = if index < 2 { &full } else { &small };
        let mut text = "none\n0 0\nd--755 0 0\n".to_owned();
        describe(&sample.tree(), &mut text);
        text.push_str("$\n");
        fs::write(sample.path("proto"), text).unwrap();
        let path = sample.path("image");
        let _ = fs::remove_file(&path);
        File::create(&path).unwrap().set_len(400 << 20).unwrap();
        let mut arguments = options.to_vec();
        arguments.extend(["-q", "-f", "-p", "proto", "-L", "a-label", "image"]);
        arguments.extend(["-m", "uuid=01234567-89ab-cdef-0123-456789abcdef"]);
        if !run("mkfs.xfs", &arguments, sample.dir.path()) {
            return;
        }
        println!("{options:?}");
        let system = open(&path);
        assert_eq!(system.kind(), "xfs");
        assert_eq!(system.uuid().unwrap(), "01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(system.label().unwrap(), "a-label");
        let seen = assert_same(system.as_ref(), &sample.tree());
        assert!(seen.files > 50 && seen.links > 10, "{seen:?}");
        assert_links(system.as_ref(), &sample.tree());
        assert_refusals(system.as_ref());
        let age = fs::metadata(&path).unwrap().modified().unwrap();
        let made = age.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert!(system.metadata("/tiny").unwrap().modified.cast_unsigned().abs_diff(made) < 600);
    }
}

#[test]
fn a_file_of_a_large_volume_is_found_at_once() {
    let sample = Sample::new(Shape { spaces: false, sparse: 1 << 20, many: 300, ..Shape::default() });
    let mut text = "none\n0 0\nd--755 0 0\n".to_owned();
    describe(&sample.tree(), &mut text);
    fs::write(sample.path("proto"), text + "$\n").unwrap();
    File::create(sample.path("image")).unwrap().set_len(10 << 30).unwrap();
    if run("mkfs.xfs", &["-q", "-p", "proto", "image"], sample.dir.path()) {
        assert_found_at_once(image(&sample.path("image")), "/vmlinuz");
    }
}
