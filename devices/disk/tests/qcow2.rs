//! qcow2 images, read as `qemu-img` reads them, and written so that it finds nothing wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod judge;
mod model;

use std::fs::{self, File};
use std::sync::Arc;

use judge::{Bench, Random, assert_same, odd_size, read};
use model::{Model, assert_sound, open_image};
use ovum_disk::qcow2::{self, Options};
use ovum_disk::storage::{FileStorage, Storage};
use ovum_disk::{Access, Disk, Format, Image, OpenErrorKind, open};

/// What `qemu-img convert` is asked for.
const OPTIONS: [&str; 17] = [
    "compat=0.10",
    "compat=1.1",
    "cluster_size=512",
    "cluster_size=4096",
    "cluster_size=2M",
    "extended_l2=on",
    "extended_l2=on,cluster_size=16k",
    "preallocation=metadata",
    "preallocation=falloc",
    "refcount_bits=1",
    "refcount_bits=2",
    "refcount_bits=4",
    "refcount_bits=8",
    "refcount_bits=64",
    "lazy_refcounts=on",
    "compression_type=zstd",
    "cluster_size=512,refcount_bits=32",
];

/// A size that finds mistakes, and that clusters as `options` make them do not take forever to fill.
fn size_for(options: &str, seed: u64) -> u64 {
    let most = if options.contains("=512") || options.contains("prealloc") { 20 << 20 } else { 300 << 20 };
    odd_size(seed) % most
}

#[test]
fn every_option_is_read() {
    for (seed, options) in (0..).zip(OPTIONS) {
        let bench = Bench::new();
        let raw = bench.sparse("raw", size_for(options, seed), seed);
        bench.qemu_img(["convert", "-O", "qcow2", "-f", "raw", "-o", options, "raw", "image"]);
        let image = open_image(&bench, "image");
        assert_same(&image, &raw, seed);
        assert_sound(&image);
    }
}

#[test]
fn compressed_clusters_are_read() {
    let kinds = [
        "compat=0.10",
        "compression_type=zlib",
        "compression_type=zstd",
        "compression_type=zlib,cluster_size=2M",
        "compression_type=zstd,cluster_size=2M",
        "compression_type=zlib,cluster_size=512",
        "compression_type=zstd,cluster_size=512",
        "compression_type=zlib,extended_l2=on",
        "compression_type=zstd,extended_l2=on,cluster_size=16k",
        "compression_type=zlib,refcount_bits=1",
    ];
    for (seed, kind) in (100..).zip(kinds) {
        let bench = Bench::new();
        let raw = bench.sparse("raw", odd_size(seed) % (8 << 20), seed);
        bench.qemu_img(["convert", "-c", "-O", "qcow2", "-f", "raw", "-o", kind, "raw", "image"]);
        let image = open_image(&bench, "image");
        assert_same(&image, &raw, seed);
        assert_sound(&image);
    }
}

#[test]
fn chains_zeroes_and_discards_are_read() {
    let overlay = ["compat=1.1", "cluster_size=4k", "extended_l2=on", "compat=0.10", "cluster_size=2M"];
    for (seed, options) in (0..10).zip(overlay.iter().cycle()) {
        let bench = Bench::new();
        bench.sparse("base", (3 << 20) + 512 * (seed % 7), seed);
        bench.qemu_img(["convert", "-O", "qcow2", "-f", "raw", "base", "middle"]);
        // Longer and shorter than what is below.
        let size = if seed % 2 == 0 { (5 << 20) + 1024 } else { (2 << 20) + 512 };
        let size = size.to_string();
        bench.qemu_img(["create", "-f", "qcow2", "-o", options, "-b", "middle", "-F", "qcow2", "top", &size]);
        let mut commands = vec!["write -P 7 1000 70000", "write -P 9 1M 512"];
        if *options != "compat=0.10" {
            commands.extend(["write -z 1200k 300k", "write -z -u 64k 192k", "discard 1M 64k", "write -P 3 100k 1"]);
        }
        bench.qemu_io("qcow2", "top", &commands);
        bench.qemu_img(["convert", "-O", "raw", "-f", "qcow2", "top", "raw"]);
        let image = open_image(&bench, "top");
        assert_same(&image, &bench.path("raw"), seed);
        assert_sound(&image);
    }
}

#[test]
fn internal_snapshots_are_counted_and_not_read() {
    let bench = Bench::new();
    let raw = bench.sparse("raw", 3 << 20, 5);
    bench.qemu_img(["convert", "-O", "qcow2", "-f", "raw", "raw", "image"]);
    bench.qemu_img(["snapshot", "-c", "one", "image"]);
    bench.qemu_io("qcow2", "image", &["write -P 7 0 200k"]);
    bench.qemu_img(["snapshot", "-c", "another one", "image"]);
    bench.qemu_io("raw", "raw", &["write -P 7 0 200k"]);
    let image = open_image(&bench, "image");
    assert_same(&image, &raw, 5);
    assert_sound(&image);
    assert!(image.layout().details().contains(&("snapshots", "2".into())));
}

#[test]
fn wrong_refcounts_are_found() {
    let bench = Bench::new();
    bench.sparse("raw", 1 << 20, 5);
    bench.qemu_img(["convert", "-O", "qcow2", "-f", "raw", "raw", "image"]);
    let path = bench.path("image");
    let file = File::options().read(true).write(true).open(&path).unwrap();
    // The refcount block is the third cluster; its first count is the header's.
    std::os::unix::fs::FileExt::write_all_at(&file, &[0, 0], 2 << 16).unwrap();
    file.set_len(file.metadata().unwrap().len() + (3 << 16)).unwrap();
    for cluster in 0..2 {
        let index = file.metadata().unwrap().len() / 65536 - 1 - cluster;
        std::os::unix::fs::FileExt::write_all_at(&file, &[0, 1], (2 << 16) + 2 * index).unwrap();
    }
    let findings = ovum_disk::check::check(open_image(&bench, "image").layout()).unwrap();
    assert_eq!((findings.count, findings.leaked), (1, 2 << 16), "{:?}", findings.damage);
}

#[test]
fn what_qemu_made_is_changed_in_place() {
    let kinds = [
        ("cluster_size=512", false),
        ("cluster_size=4k,refcount_bits=1", false),
        ("cluster_size=64k,lazy_refcounts=on", false),
        ("cluster_size=2M", false),
        ("preallocation=metadata", false),
        ("refcount_bits=2", false),
        ("refcount_bits=64,cluster_size=512", false),
        ("compression_type=zlib", true),
        ("compression_type=zlib,cluster_size=512", true),
        ("compression_type=zstd,cluster_size=4k", true),
        ("compression_type=zstd,refcount_bits=1", true),
    ];
    for (seed, (options, packed)) in (0..).zip(kinds) {
        let bench = Bench::new();
        let size = (1 << 20) + 512 * (seed * 331 % 5000);
        bench.sparse("raw", size, seed);
        let convert = if packed { "-c" } else { "-p" };
        bench.qemu_img(["convert", convert, "-O", "qcow2", "-f", "raw", "-o", options, "raw", "image"]);
        bench.qemu_io("qcow2", "image", &["write -z 100k 200k"]);
        bench.qemu_io("raw", "raw", &["write -z 100k 200k"]);
        let mut model = Model::new(&bench, "raw", seed);
        for round in 0..2 {
            let image = open(&bench.path("image"), Some(Format::Qcow2), Access::ReadWrite).unwrap();
            model.change(&image, 40, if packed { 90_000 } else { 300_000 });
            model.compare(&image);
            if round == 0 {
                assert_sound(&image);
                image.close().unwrap();
            }
            drop(image);
            model.judge(&bench, "image");
        }
    }
}

#[test]
fn what_we_make_is_sound() {
    for seed in 0..12_u64 {
        let bench = Bench::new();
        let cluster_size = [512, 4096, 65536, 65536, 2 << 20][seed as usize % 5];
        let size = (2 << 20) + 512 * (seed * 1237 % 4000);
        let below = [None, Some(size - 300_032), Some(size), Some(size + 512 * 2000)][seed as usize / 3];
        let backing = below.map(|below| {
            bench.sparse("base", below, seed);
            bench.qemu_img(["convert", "-O", "vmdk", "-f", "raw", "base", "base.vmdk"]);
            if seed % 2 == 0 { ("base".to_owned(), Format::Raw) } else { ("base.qcow2".to_owned(), Format::Qcow2) }
        });
        if backing.is_some() {
            bench.qemu_img(["convert", "-O", "qcow2", "-f", "raw", "base", "base.qcow2"]);
        }
        let storage: Arc<dyn Storage> = Arc::new(FileStorage::create(&bench.path("image")).unwrap());
        drop(
            qcow2::create(
                storage,
                size,
                &Options { cluster_size, backing: backing.map(|(name, format)| (name, Some(format))) },
            )
            .unwrap(),
        );
        bench.qemu_img(["check", "-f", "qcow2", "image"]);
        bench.qemu_img(["convert", "-O", "raw", "-f", "qcow2", "image", "raw"]);
        let mut model = Model::new(&bench, "raw", seed);
        for _ in 0..2 {
            let image = open(&bench.path("image"), Some(Format::Qcow2), Access::ReadWrite).unwrap();
            model.compare(&image);
            model.change(&image, 40, 300_000);
            model.compare(&image);
            let larger = image.size() + 512 * (seed * 7919 % 3000);
            image.grow(larger).unwrap();
            model.grow(larger);
            model.change(&image, 20, 100_000);
            model.compare(&image);
            assert_eq!(image.grow(larger - 512).unwrap_err().kind(), std::io::ErrorKind::Unsupported);
            drop(image);
            model.judge(&bench, "image");
        }
    }
}

#[test]
fn disks_grow_past_their_l1_table() {
    let bench = Bench::new();
    let storage: Arc<dyn Storage> = Arc::new(FileStorage::create(&bench.path("image")).unwrap());
    let options = Options { cluster_size: 512, backing: None };
    drop(qcow2::create(storage, 512, &options).unwrap());
    bench.qemu_img(["create", "-f", "raw", "raw", "512"]);
    let mut model = Model::new(&bench, "raw", 1);
    let image = open(&bench.path("image"), Some(Format::Qcow2), Access::ReadWrite).unwrap();
    for size in [512, 1 << 20, 3 << 20, 200 << 20] {
        image.grow(size).unwrap();
        model.grow(size);
        model.change(&image, 15, 100_000);
        model.compare(&image);
    }
    drop(image);
    model.judge(&bench, "image");
}

#[test]
fn space_is_used_again() {
    let bench = Bench::new();
    let storage: Arc<dyn Storage> = Arc::new(FileStorage::create(&bench.path("image")).unwrap());
    let image = Image::changeable(qcow2::create(Arc::clone(&storage), 64 << 20, &Options::default()).unwrap(), None);
    for _ in 0..20 {
        judge::write(&image, 0, &[7; 4 << 20]);
        image.discard(0..4 << 20).unwrap();
        image.flush().unwrap();
        image.write_zeroes(0..1 << 20, true).unwrap();
    }
    assert!(storage.size() < 10 << 20, "the file has grown to {} bytes", storage.size());
    judge::write(&image, 1000, &[8; 1000]);
    assert_eq!(read(&image, 1000, 1000), [8; 1000]);
}

#[test]
fn threads_do_not_disturb_each_other() {
    const REGION: u64 = 1 << 20;
    let bench = Bench::new();
    fs::write(bench.path("base.raw"), vec![9; 4 << 20]).unwrap();
    let storage: Arc<dyn Storage> = Arc::new(FileStorage::create(&bench.path("image")).unwrap());
    let options = Options { cluster_size: 4096, backing: Some(("base.raw".into(), Some(Format::Raw))) };
    drop(qcow2::create(storage, 4 * REGION, &options).unwrap());
    let image = open(&bench.path("image"), Some(Format::Qcow2), Access::ReadWrite).unwrap();
    std::thread::scope(|scope| {
        for region in 0..4_u64 {
            let image = &image;
            scope.spawn(move || {
                let mut random = Random::new(region);
                let mut model = vec![9; REGION as usize];
                for step in 0..300_u32 {
                    let start = random.below(REGION / 512 - 40) as usize * 512;
                    let end = start + 512 * (1 + random.below(40) as usize);
                    let at = region * REGION + start as u64;
                    match random.below(8) {
                        0 => image.flush().unwrap(),
                        1 => {
                            image.write_zeroes(at..at + (end - start) as u64, true).unwrap();
                            model[start..end].fill(0);
                        }
                        2..5 => {
                            model[start..end].fill((step % 250) as u8);
                            judge::write(image.as_ref(), at, &model[start..end]);
                        }
                        _ => assert_eq!(read(image.as_ref(), at, end - start), model[start..end]),
                    }
                }
                assert_eq!(read(image.as_ref(), region * REGION, model.len()), model);
            });
        }
    });
    drop(image);
    bench.qemu_img(["check", "-f", "qcow2", "image"]);
}

#[test]
fn what_is_not_written_is_refused_with_a_remedy() {
    let bench = Bench::new();
    bench.qemu_img(["create", "-f", "qcow2", "-o", "compat=0.10", "v2", "1M"]);
    bench.qemu_img(["create", "-f", "qcow2", "-o", "extended_l2=on", "extended", "1M"]);
    bench.qemu_img(["create", "-f", "qcow2", "snapshot", "1M"]);
    bench.qemu_img(["snapshot", "-c", "one", "snapshot"]);
    bench.qemu_img(["create", "-f", "qcow2", "bitmap", "1M"]);
    bench.qemu_img(["bitmap", "--add", "bitmap", "b"]);
    for name in ["v2", "extended", "snapshot", "bitmap"] {
        let error = open(&bench.path(name), Some(Format::Qcow2), Access::ReadWrite).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::Unsupported { .. }), "{name}: {error}");
        assert!(error.remedy().contains("overlay"));
        open_image(&bench, name);
    }
    let data = "data_file=data,data_file_raw=off";
    bench.qemu_img(["create", "-f", "qcow2", "-o", data, "external", "1M"]);
    let secret =
        ["--object", "secret,id=s,data=x", "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=1"];
    let luks = ["create", "-f", "qcow2"].into_iter().chain(secret).chain(["luks", "1M"]);
    bench.qemu_img(luks);
    for name in ["external", "luks"] {
        let error = open(&bench.path(name), Some(Format::Qcow2), Access::ReadOnly).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::Unsupported { .. }), "{name}: {error}");
        assert!(error.remedy().contains("qemu-img convert"));
    }
}

#[test]
fn damaged_clusters_are_errors() {
    for kind in ["compression_type=zlib", "compression_type=zstd"] {
        let bench = Bench::new();
        bench.sparse("raw", 1 << 20, 11);
        bench.qemu_img(["convert", "-c", "-O", "qcow2", "-f", "raw", "-o", kind, "raw", "image"]);
        let bytes = fs::read(bench.path("image")).unwrap();
        let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        assert!(used.len() > 10_000);
        let mut random = Random::new(7);
        for _ in 0..30 {
            let mut bytes = bytes.clone();
            for _ in 0..1 + random.below(30) {
                let at = used[random.below(used.len() as u64) as usize];
                bytes[at] ^= 1 << random.below(8);
            }
            ovum_disk::fuzz::image(Format::Qcow2, &bytes);
        }
    }
}
