//! VHD, with `qemu-img` as the judge; it calls the format `vpc`. It makes no differencing images: those are made by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // as in all tests

mod judge;

use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use judge::{Bench, Random, assert_same, odd_size, read};
use ovum_disk::storage::FileStorage;
use ovum_disk::vhd::create_dynamic;
use ovum_disk::vhd::testing::{Blocks, sign};
use ovum_disk::{Access, Disk, Format, Image, OpenErrorKind, check, copy, fuzz, open};

const SECTOR: usize = 512;

fn open_vhd(path: &Path) -> Arc<Image> {
    open(path, Some(Format::Vhd), Access::ReadOnly).unwrap()
}

#[test]
fn what_qemu_makes_is_read_as_qemu_reads_it() {
    for seed in 0..20 {
        let bench = Bench::new();
        // QEMU reads all of a fixed image, holes too.
        let (subformat, largest) = if seed % 2 == 0 { ("dynamic", u64::MAX) } else { ("fixed", 80 << 20) };
        bench.sparse("disk.img", odd_size(seed).clamp(512, largest), seed);
        let exact = seed % 4 < 2;
        let options = format!("subformat={subformat},force_size={}", if exact { "on" } else { "off" });
        bench.qemu_img(["convert", "-f", "raw", "-O", "vpc", "-o", &options, "disk.img", "disk.vhd"]);
        let written = seed % 3 == 0;
        if written {
            bench.qemu_io("vpc", "disk.vhd", &["write -P 7 0 512"]);
        }
        bench.qemu_img(["convert", "-f", "vpc", "-O", "raw", "disk.vhd", "back.img"]);
        let image = open_vhd(&bench.path("disk.vhd"));
        assert_same(&image, &bench.path("back.img"), seed);
        let details = image.layout().details();
        assert!(details.contains(&("variant", subformat.into())), "{details:?}");
        assert_eq!(check::check(image.layout()).unwrap().count, 0);
        if exact && !written {
            assert_same(&image, &bench.path("disk.img"), seed);
        }
    }
}

#[test]
fn what_we_make_is_read_by_qemu() {
    for seed in 0..16 {
        let bench = Bench::new();
        // QEMU does not know disks without any bytes.
        let raw = bench.sparse("disk.img", odd_size(seed).max(512), seed);
        let source = open(&raw, None, Access::ReadOnly).unwrap();
        let path = bench.path("disk.vhd");
        let storage = Arc::new(FileStorage::create(&path).unwrap());
        let number = u32::try_from(seed).unwrap();
        let mut writer = create_dynamic(Arc::<FileStorage>::clone(&storage) as _, source.size(), number).unwrap();
        copy::copy(&source, writer.as_mut(), NonZero::new(2).unwrap(), &mut |_| ()).unwrap();
        drop((writer, storage));
        bench.qemu_img(["compare", "-f", "raw", "-F", "vpc", "disk.img", "disk.vhd"]);
        let info = bench.qemu_img(["info", "-f", "vpc", "--output=json", "disk.vhd"]);
        assert!(info.contains(&format!("\"virtual-size\": {},", source.size())), "{info}");
        let image = open_vhd(&path);
        assert_same(&image, &raw, seed);
        assert_eq!(check::check(image.layout()).unwrap().count, 0);
        drop(image);
        // And goes on as theirs.
        if source.size() >= 1 << 20 {
            bench.qemu_io("vpc", "disk.vhd", &["write -P 9 512k 4k"]);
            assert_eq!(read(&*open_vhd(&path), 512 << 10, 4096), [9; 4096]);
        }
    }
}

#[test]
fn the_largest_disk_is_made_and_read() {
    let bench = Bench::new();
    let (path, size) = (bench.path("disk.vhd"), 2040 << 30);
    let mut writer = create_dynamic(Arc::new(FileStorage::create(&path).unwrap()), size, 5).unwrap();
    let piece = writer.block_size();
    for offset in [0, 1 << 40, size - piece as u64] {
        writer.put(offset, &vec![9; piece]).unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    let image = open_vhd(&path);
    assert_eq!(image.size(), size);
    let places = [(0, 9), (1 << 39, 0), (1 << 40, 9), (size - 4096, 9)];
    for (offset, byte) in places {
        assert_eq!(read(&*image, offset, 4096), [byte; 4096]);
    }
    drop(image);
    for (offset, byte) in places {
        bench.qemu_io("vpc", "disk.vhd", &[&format!("read -P {byte} {offset} 4096")]);
    }
}

/// Writes a differencing image over `below`, which it changes as the image does.
fn difference(path: &Path, below: &mut [u8], block_size: u32, names: [u8; 2], seed: u64) {
    let mut random = Random::new(seed);
    let [id, parent] = names;
    let mut image = Blocks::new(below.len() as u64, block_size);
    image.id = [id; 16];
    image.parent = Some([parent; 16]);
    image.parent_name = format!("{parent}.vhd");
    let block = block_size as usize;
    for index in 0..below.len().div_ceil(block) {
        if random.below(3) == 0 {
            continue;
        }
        let mut bitmap = vec![0; (block / SECTOR).div_ceil(8).next_multiple_of(SECTOR)];
        // What is not in the bitmap must not be seen.
        let mut data = vec![0xee; block];
        let mut set = false;
        for sector in 0..block / SECTOR {
            let at = index * block + sector * SECTOR;
            set ^= random.below(5) == 0;
            if set {
                bitmap[sector / 8] |= 0x80 >> (sector % 8);
                let bytes = random.bytes(SECTOR);
                data[sector * SECTOR..][..SECTOR].copy_from_slice(&bytes);
                if at < below.len() {
                    below[at..at + SECTOR].copy_from_slice(&bytes);
                }
            }
        }
        image.blocks.push((u32::try_from(index).unwrap(), bitmap, data));
    }
    fs::write(path, image.build()).unwrap();
}

#[test]
fn differencing_images_show_their_parents_sector_by_sector() {
    for seed in 0..6 {
        let bench = Bench::new();
        let raw = bench.sparse("disk.img", (3 << 20) + 512 * seed, seed);
        bench.qemu_img(["convert", "-f", "raw", "-O", "vpc", "-o", "force_size=on", "disk.img", "1.vhd"]);
        let mut parent = fs::read(bench.path("1.vhd")).unwrap();
        let end = parent.len() - SECTOR;
        [0, end].into_iter().for_each(|at| parent[at + 68..at + 84].fill(1));
        sign(&mut parent);
        fs::write(bench.path("1.vhd"), parent).unwrap();
        let mut bytes = fs::read(&raw).unwrap();
        difference(&bench.path("2.vhd"), &mut bytes, 512 << 10, [2, 1], seed);
        difference(&bench.path("3.vhd"), &mut bytes, 4096 << (seed % 6), [3, 2], seed + 100);
        fs::write(&raw, bytes).unwrap();
        let image = open_vhd(&bench.path("3.vhd"));
        assert_same(&image, &raw, seed);
        assert_eq!(check::check(image.layout()).unwrap().count, 0);
    }
}

#[test]
fn parents_are_found_by_any_of_their_names_and_known_by_their_id() {
    let bench = Bench::new();
    fs::create_dir(bench.path("sub")).unwrap();
    let base = Blocks::new(1 << 20, 65536);
    fs::write(bench.path("sub/base.vhd"), base.build()).unwrap();
    let child = |id: u8| {
        let mut child = Blocks::new(1 << 20, 65536);
        child.parent = Some([id; 16]);
        child
    };
    let refusal = |child: &Blocks| {
        fs::write(bench.path("child.vhd"), child.build()).unwrap();
        open(&bench.path("child.vhd"), None, Access::ReadOnly).unwrap_err().into_kind()
    };
    for good in [
        child(7).locator(*b"W2ku", "C:\\gone\\base.vhd").locator(*b"W2ru", ".\\sub\\base.vhd"),
        child(7).locator(*b"W2ru", "sub\\..\\sub\\base.vhd"),
    ] {
        fs::write(bench.path("child.vhd"), good.build()).unwrap();
        assert_eq!(open_vhd(&bench.path("child.vhd")).size(), 1 << 20);
    }
    let other = refusal(&child(8).locator(*b"W2ru", "sub\\base.vhd"));
    assert!(matches!(other, OpenErrorKind::OtherParent { .. }), "{other:?}");
    let outside = refusal(&child(7).locator(*b"W2ru", "..\\..\\etc\\base.vhd"));
    assert!(matches!(outside, OpenErrorKind::Outside), "{outside:?}");
    let missing = refusal(&child(7).locator(*b"W2ku", "D:\\gone.vhd"));
    assert!(matches!(missing, OpenErrorKind::Missing), "{missing:?}");
    let own = refusal(&child(7).locator(*b"W2ru", ".\\child.vhd"));
    assert!(matches!(own, OpenErrorKind::EndlessChain), "{own:?}");
}

/// What the fuzz target starts from.
#[test]
fn seeds_are_replayed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds/disk_vhd");
    let seeds: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(seeds.len() >= 2);
    for seed in seeds {
        assert!(seed.len() <= 64 << 10);
        fuzz::image(Format::Vhd, &seed);
    }
}
