//! What mkfs.fat and mtools made.

use std::fs::{self, File};

use ovum_boot::filesystem::FileKind;

use crate::compare::{assert_found_at_once, assert_refusals, assert_same, image, open, run};
use crate::sample::{Sample, Shape};

/// What mkfs.fat is told, and how many MiB it may have.
const KINDS: &[(&[&str], u64)] = &[
    (&["-F", "12", "-s", "16"], 30),
    (&["-F", "16", "-s", "4"], 60),
    (&["-F", "32", "-s", "1"], 80),
    (&["-F", "32", "-S", "4096", "-s", "1", "-f", "1"], 400),
];

fn shape(many: usize) -> Shape {
    Shape { links: false, emoji: false, sparse: 3 << 20, depth: 20, many, ..Shape::default() }
}

#[test]
fn every_width_holds_what_its_folder_holds() {
    // mcopy itself takes minutes for 2,000 long names in a directory.
    let (full, small) = (Sample::new(shape(250)), Sample::new(shape(20)));
    for (index, (options, mib)) in KINDS.iter().enumerate() {
        let sample = if index == 2 { &full } else { &small };
        let path = sample.path("image");
        let _ = fs::remove_file(&path);
        File::create(&path).unwrap().set_len(mib << 20).unwrap();
        let mut arguments = options.to_vec();
        arguments.extend(["-i", "1234abcd", "-n", "LABEL", "image"]);
        if !run("mkfs.fat", &arguments, sample.dir.path()) {
            return;
        }
        println!("{options:?}");
        // A file in between, then gone: what follows is not in one piece.
        let copy = |what: &[&str], to: &str| {
            let options = ["-Q", "-o", "-s", "-p", "-m", "-i", "image"];
            run("mcopy", &[&options[..], what, &[to]].concat(), sample.dir.path())
        };
        let mut names: Vec<String> = fs::read_dir(sample.tree())
            .unwrap()
            .map(|entry| format!("tree/{}", entry.unwrap().file_name().into_string().unwrap()))
            .collect();
        names.sort();
        if !copy(&["tree/sizes"], "::first") {
            return;
        }
        copy(&["tree/tiny"], "::second");
        run("mdeltree", &["-i", "image", "::first", "::second"], sample.dir.path());
        copy(&names.iter().map(String::as_str).collect::<Vec<_>>(), "::");
        let system = open(&path);
        assert_eq!(system.kind(), "vfat");
        assert_eq!(system.uuid().unwrap(), "1234-ABCD");
        assert_eq!(system.label().unwrap(), "LABEL");
        assert_same(system.as_ref(), &sample.tree());
        assert_refusals(system.as_ref());
        assert_eq!(system.metadata("/BOOT/Grub/GRUB.CFG").unwrap().kind, FileKind::File);
        assert_eq!(system.metadata("/unicode/GRÜSSE-日本語.TXT").unwrap().kind, FileKind::File);
        assert_eq!(system.metadata("/boot/VMLINU~1.0-1").unwrap().len, 3_000_017);
        let real = fs::metadata(sample.tree().join("tiny")).unwrap().modified().unwrap();
        let seconds = real.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert!(system.metadata("/tiny").unwrap().modified.cast_unsigned().abs_diff(seconds) < 2);
    }
}

#[test]
fn a_file_of_a_large_volume_is_found_at_once() {
    let sample = Sample::new(shape(3));
    File::create(sample.path("image")).unwrap().set_len(10 << 30).unwrap();
    if run("mkfs.fat", &["-F", "32", "image"], sample.dir.path())
        && run("mcopy", &["-s", "-i", "image", "tree/boot", "::"], sample.dir.path())
    {
        assert_found_at_once(image(&sample.path("image")), "/boot/vmlinuz-6.1.0-18-amd64");
    }
}
