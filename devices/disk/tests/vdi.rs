//! VDI, with `qemu-img` as the judge.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // as in all tests

mod judge;

use std::fs;
use std::path::Path;

use judge::{Bench, assert_same, odd_size};
use ovum_disk::{Access, Format, check, fuzz, open};

#[test]
fn what_qemu_makes_is_read_as_qemu_reads_it() {
    for seed in 0..20 {
        let bench = Bench::new();
        // A static image has all of its bytes.
        let (variant, largest) = if seed % 3 == 2 { ("fixed", 20 << 20) } else { ("dynamic", u64::MAX) };
        let raw = bench.sparse("disk.img", odd_size(seed).clamp(512, largest), seed);
        let option = if variant == "fixed" { "static=on" } else { "static=off" };
        bench.qemu_img(["convert", "-f", "raw", "-O", "vdi", "-o", option, "disk.img", "disk.vdi"]);
        let open = || open(&bench.path("disk.vdi"), Some(Format::Vdi), Access::ReadOnly).unwrap();
        let image = open();
        assert_same(&image, &raw, seed);
        let details = image.layout().details();
        assert!(details.contains(&("variant", variant.into())), "{details:?}");
        assert_eq!(check::check(image.layout()).unwrap().count, 0);
        drop(image);
        bench.qemu_io("vdi", "disk.vdi", &["write -P 7 0 512"]);
        bench.qemu_img(["convert", "-f", "vdi", "-O", "raw", "disk.vdi", "back.img"]);
        assert_same(&open(), &bench.path("back.img"), seed);
    }
}

#[test]
fn blocks_of_zeroes_are_no_holes_in_the_file() {
    let bench = Bench::new();
    bench.qemu_img(["create", "-f", "vdi", "disk.vdi", "8M"]);
    let commands = ["write -P 1 0 1M", "write -P 2 5M 1M", "write -P 3 1M 1M", "write -z 5M 1M"];
    bench.qemu_io("vdi", "disk.vdi", &commands);
    bench.qemu_img(["convert", "-f", "vdi", "-O", "raw", "disk.vdi", "back.img"]);
    let image = open(&bench.path("disk.vdi"), None, Access::ReadOnly).unwrap();
    assert_same(&image, &bench.path("back.img"), 0);
}

/// What the fuzz target starts from.
#[test]
fn seeds_are_replayed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds/disk_vdi");
    let seeds: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(seeds.len() >= 2);
    for seed in seeds {
        assert!(seed.len() <= 64 << 10);
        fuzz::image(Format::Vdi, &seed);
    }
}
