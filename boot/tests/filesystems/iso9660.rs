//! What xorriso made.

use std::fs;

use ovum_boot::filesystem::{FileKind, FsError};

use crate::compare::{assert_links, assert_refusals, assert_same, open, run, same_file};
use crate::sample::{Sample, Shape};

fn make(sample: &Sample, options: &[&str]) -> bool {
    let fixed = ["-as", "mkisofs", "-quiet", "-V", "A_LABEL", "--modification-date=2024022912345600", "-o", "image"];
    run("xorriso", &[&fixed[..], options, &["tree"]].concat(), sample.dir.path())
}

fn shape(many: usize) -> Shape {
    Shape { sparse: 3 << 20, many, ..Shape::default() }
}

#[test]
fn rock_ridge_holds_what_its_folder_holds() {
    let (full, small) = (Sample::new(shape(2000)), Sample::new(shape(60)));
    // With directories as deep as they are; moved, as the standard wants it; and with files in several parts.
    for (index, options) in [&["-R", "-J", "-D"][..], &["-R"], &["-R", "-U", "-iso-level", "3"]].iter().enumerate() {
        let sample = if index == 0 { &full } else { &small };
        let _ = fs::remove_file(sample.path("image"));
        if !make(sample, options) {
            return;
        }
        println!("{options:?}");
        let system = open(&sample.path("image"));
        assert_eq!(system.kind(), "iso9660");
        assert_eq!(system.uuid().unwrap(), "2024-02-29-12-34-56-00");
        assert_eq!(system.label().unwrap(), "A_LABEL");
        assert_same(system.as_ref(), &sample.tree());
        assert_links(system.as_ref(), &sample.tree());
        assert_refusals(system.as_ref());
        let real = fs::metadata(sample.tree().join("tiny")).unwrap().modified().unwrap();
        let seconds = real.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(system.metadata("/tiny").unwrap().modified.cast_unsigned(), seconds);
    }
}

#[test]
fn joliet_and_plain_names_are_found_in_any_case() {
    let small = Shape { links: false, emoji: false, depth: 4, ..shape(60) };
    let sample = Sample::new(small);
    let _ = fs::remove_dir_all(sample.tree().join("long"));
    let _ = fs::remove_dir_all(sample.tree().join("unicode"));
    fs::create_dir(sample.tree().join("unicode")).unwrap();
    fs::write(sample.tree().join("unicode/Grüße-日本語.txt"), b"hello").unwrap();
    if !make(&sample, &["--norock", "-J", "-joliet-long"]) {
        return;
    }
    let system = open(&sample.path("image"));
    assert_same(system.as_ref(), &sample.tree());
    assert_refusals(system.as_ref());
    assert_eq!(system.metadata("/UNICODE/GRÜßE-日本語.TXT").unwrap().kind, FileKind::File);
    let _ = fs::remove_file(sample.path("image"));
    if !make(&sample, &["--norock", "-iso-level", "1"]) {
        return;
    }
    let system = open(&sample.path("image"));
    same_file(system.as_ref(), &sample.tree().join("boot/grub/grub.cfg"), "/boot/grub/grub.cfg");
    same_file(system.as_ref(), &sample.tree().join("boot/grub/grub.cfg"), "/BOOT/GRUB/GRUB.CFG");
    assert!(system.read_dir("/boot/grub").unwrap().iter().any(|entry| entry.name == "grub.cfg"));
    assert!(matches!(system.open("/boot/grub/grub.cfg;1"), Err(FsError::Missing(_))));
}
