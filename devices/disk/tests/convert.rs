//! What is written by `copy` is what was read, to us and to `qemu-img`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where its expectation does not hold")]

mod judge;

use std::num::NonZero;
use std::path::Path;

use judge::{Bench, assert_same, odd_size};
use ovum_disk::storage::NewFile;
use ovum_disk::write::{self, Target};
use ovum_disk::{Access, Disk, copy, open, resize};

const TARGETS: [(Target, &str); 5] = [
    (Target::Raw, "raw"),
    (Target::Qcow2, "qcow2"),
    (Target::Vmdk, "vmdk"),
    (Target::VmdkStream, "vmdk"),
    (Target::Vhd, "vpc"),
];

fn convert(from: &Path, to: &Path, target: Target, threads: usize) {
    let image = open(from, None, Access::ReadOnly).unwrap();
    let file = NewFile::create(to).unwrap();
    let mut writer = write::create(target, file.storage(), image.size(), 1).unwrap();
    copy::copy(&image, writer.as_mut(), NonZero::new(threads).unwrap(), &mut |_| ()).unwrap();
    drop(writer);
    file.keep().unwrap();
}

#[test]
fn every_target_holds_what_was_copied_to_it() {
    for seed in 0..10 {
        let bench = Bench::new();
        let raw = bench.sparse("disk.img", odd_size(seed).max(512), seed);
        for (number, (target, format)) in TARGETS.into_iter().enumerate() {
            let to = bench.path(&format!("{number}.{}", target.format()));
            convert(&raw, &to, target, 1 + usize::try_from(seed).unwrap() % 3);
            assert_same(&open(&to, None, Access::ReadOnly).unwrap(), &raw, seed);
            let name = to.to_str().unwrap();
            bench.qemu_img(["compare", "-f", "raw", "-F", format, "disk.img", name]);
            if !matches!(format, "raw" | "vpc") {
                bench.qemu_img(["check", "-f", format, name]);
            }
        }
    }
}

#[test]
fn one_format_becomes_another_and_comes_back() {
    let bench = Bench::new();
    let raw = bench.sparse("disk.img", 7 << 20, 77);
    let mut from = raw.clone();
    for (number, (target, _)) in TARGETS.into_iter().cycle().skip(1).take(6).enumerate() {
        let to = bench.path(&format!("step{number}.{}", target.format()));
        convert(&from, &to, target, 2);
        from = to;
    }
    assert_same(&open(&from, None, Access::ReadOnly).unwrap(), &raw, 77);
}

#[test]
fn what_grows_keeps_what_it_held() {
    for name in ["disk.raw", "disk.qcow2"] {
        let bench = Bench::new();
        let raw = bench.sparse("before.img", 3 << 20, 5);
        let path = bench.path(name);
        convert(&raw, &path, Target::of_name(&path).unwrap(), 1);
        resize(&path, None, 9 << 20).unwrap();
        assert!(resize(&path, None, 8 << 20).is_err() && resize(&path, None, 10_000_001).is_err());
        std::fs::File::options().write(true).open(&raw).unwrap().set_len(9 << 20).unwrap();
        assert_same(&open(&path, None, Access::ReadOnly).unwrap(), &raw, 5);
    }
}
