//! VMDKs of all kinds, read as `qemu-img` reads them; and those that are written, judged by it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a test ends where its expectation does not hold

#[path = "vmdk/chains.rs"]
mod chains;
#[path = "vmdk/extents.rs"]
mod extents;
#[path = "vmdk/hostile.rs"]
mod hostile;
mod judge;
#[path = "vmdk/made.rs"]
mod made;
#[path = "vmdk/small.rs"]
mod small;

use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use judge::{Bench, assert_same, odd_size};
use ovum_disk::copy::copy;
use ovum_disk::storage::testing::{Faulty, Memory};
use ovum_disk::storage::{Alone, FileStorage, Neighbours, NewFile, Storage};
use ovum_disk::vmdk::{create_sparse, create_stream};
use ovum_disk::write::Writer;
use ovum_disk::{Access, Disk, Format, Image, check, open};

/// Opens an image, which must have nothing wrong.
fn open_clean(path: &Path) -> Arc<Image> {
    let image = open(path, None, Access::ReadOnly).unwrap();
    let findings = check::check(image.layout()).unwrap();
    assert_eq!(findings.count, 0, "{findings:?}");
    image
}

fn detail(image: &Image, name: &str) -> String {
    let details = image.layout().details();
    details.into_iter().find(|(key, _)| *key == name).map_or_else(String::new, |(_, value)| value)
}

/// Copies the raw disk `from` to a new VMDK called `to`.
fn make(from: &Path, to: &Path, stream: bool) {
    let file = NewFile::create(to).unwrap();
    let image = open(from, Some(Format::Raw), Access::ReadOnly).unwrap();
    let mut writer = begin(file.storage(), image.layout().size(), stream);
    copy(&image, writer.as_mut(), NonZero::new(2).unwrap(), &mut |_| ()).unwrap();
    file.keep().unwrap();
}

fn begin(storage: Arc<dyn Storage>, size: u64, stream: bool) -> Box<dyn Writer> {
    if stream {
        Box::new(create_stream(storage, size, 0x1234_abcd).unwrap())
    } else {
        Box::new(create_sparse(storage, size, 0x1234_abcd).unwrap())
    }
}

/// Every kind that `qemu-img` makes, over sizes that find mistakes.
#[test]
fn every_kind_is_read() {
    let kinds = ["monolithicSparse", "streamOptimized", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"];
    for seed in 0..50 {
        let kind = kinds[usize::try_from(seed % 5).unwrap()];
        let mut size = odd_size(seed / 5 + seed % 5).max(512);
        if kind.ends_with("Flat") {
            // All of it is compared, holes and all.
            size %= 64 << 20;
        }
        let bench = Bench::new();
        let raw = bench.sparse("disk.raw", size, seed);
        let mut options = format!("subformat={kind}");
        if seed % 3 == 0 {
            options += ",adapter_type=lsilogic,hwversion=10";
        }
        if seed % 4 == 1 && kind.ends_with("Sparse") {
            options += ",zeroed_grain=on";
        }
        bench.qemu_img(["convert", "-f", "raw", "-O", "vmdk", "-o", &options, "disk.raw", "disk.vmdk"]);
        let image = open_clean(&bench.path("disk.vmdk"));
        assert_eq!(detail(&image, "variant"), kind);
        if seed % 3 == 0 {
            assert_eq!(detail(&image, "adapter type"), "lsilogic");
            assert_eq!(detail(&image, "hardware version"), "10");
        }
        assert_same(&image, &raw, seed);
    }
}

/// Disks in several files.
#[test]
fn disks_of_many_files_are_read() {
    for (seed, kind, size) in
        [(100, "twoGbMaxExtentSparse", (5 << 30) + 512 * 77), (101, "twoGbMaxExtentFlat", (2 << 30) + (5 << 20))]
    {
        let bench = Bench::new();
        let raw = bench.sparse("disk.raw", size, seed);
        extents::cross(&raw, 2 << 30);
        let options = format!("subformat={kind}");
        bench.qemu_img(["convert", "-f", "raw", "-O", "vmdk", "-o", &options, "disk.raw", "disk.vmdk"]);
        let image = open_clean(&bench.path("disk.vmdk"));
        if kind.ends_with("Sparse") {
            assert_eq!(detail(&image, "extents"), "3");
            assert_same(&image, &raw, seed);
        } else {
            // Holes are stored, too; comparing all of them takes long.
            assert_eq!(detail(&image, "extents"), "2");
            let raw = open(&raw, None, Access::ReadOnly).unwrap();
            let at = (2 << 30) - (3 << 20);
            assert!(judge::read(image.as_ref(), at, 8 << 20) == judge::read(raw.as_ref(), at, 8 << 20));
        }
    }
}

/// What is written is clean and the same, by the judge and by ourselves.
#[test]
fn what_is_written_is_what_was_there() {
    for seed in 0..16 {
        let bench = Bench::new();
        let size = odd_size(seed / 2).max(512);
        let raw = bench.sparse("disk.raw", size, seed);
        let stream = seed % 2 == 0;
        make(&raw, &bench.path("disk.vmdk"), stream);
        bench.qemu_img(["check", "-f", "vmdk", "disk.vmdk"]);
        bench.qemu_img(["compare", "-f", "raw", "-F", "vmdk", "disk.raw", "disk.vmdk"]);
        let info = bench.qemu_img(["info", "-f", "vmdk", "disk.vmdk"]);
        assert!(info.contains("cid: 305441741"), "{info}");
        let image = open_clean(&bench.path("disk.vmdk"));
        assert_eq!(detail(&image, "variant"), if stream { "streamOptimized" } else { "monolithicSparse" });
        assert_eq!(detail(&image, "CID"), "1234abcd");
        assert_same(&image, &raw, seed);
    }
}

/// A single sector, nothing at all, and sizes that no VMDK can have.
#[test]
fn odd_sizes_are_made_or_refused() {
    for stream in [true, false] {
        let bench = Bench::new();
        let raw = bench.path("disk.raw");
        std::fs::write(&raw, [7; 512]).unwrap();
        make(&raw, &bench.path("disk.vmdk"), stream);
        bench.qemu_img(["check", "-f", "vmdk", "disk.vmdk"]);
        bench.qemu_img(["compare", "-f", "raw", "-F", "vmdk", "disk.raw", "disk.vmdk"]);
        assert_same(&open_clean(&bench.path("disk.vmdk")), &raw, 1);
    }
    for size in [0, 513, 4 << 40, 1 << 63, u64::MAX, u64::MAX - 511] {
        let storage = Memory::new(Vec::new());
        assert!(create_sparse(storage.clone(), size, 0).is_err(), "{size}");
        assert!(size == 4 << 40 || create_stream(storage.clone(), size, 0).is_err(), "{size}");
        assert_eq!(storage.size(), 0);
    }
    // The judge makes such images, and does not open them.
    let bench = Bench::new();
    bench.qemu_img(["create", "-q", "-f", "vmdk", "disk.vmdk", "0"]);
    assert_eq!(open_clean(&bench.path("disk.vmdk")).size(), 0);
}

/// Opening and mapping cost what is looked at, however large the disk is.
#[test]
fn a_large_disk_is_opened_at_once() {
    let bench = Bench::new();
    bench.qemu_img(["create", "-f", "vmdk", "disk.vmdk", "2000G"]);
    let image = open(&bench.path("disk.vmdk"), None, Access::ReadOnly).unwrap();
    assert_eq!(judge::read(image.as_ref(), 1999 << 30, 512), [0; 512]);
    let file: Arc<dyn Storage> = Arc::new(FileStorage::open(&bench.path("disk.vmdk"), Access::ReadOnly).unwrap());
    let few = Faulty::new(file, 12, libc::EIO, true);
    let neighbours: Arc<dyn Neighbours> = Arc::new(Alone);
    let image = ovum_disk::open_storage(few, &neighbours, Format::Vmdk, Access::ReadOnly).unwrap();
    judge::read(image.as_ref(), 1000 << 30, 512);
}
