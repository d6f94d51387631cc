//! VHDX, with `qemu-img` as the judge. It makes neither differencing images nor such as were not closed: those are made by
//! hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // as in all tests

mod judge;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use judge::{Bench, Random, assert_same, odd_size};
use ovum_disk::vhdx::testing::{self, Block, Change, log_entry, sign};
use ovum_disk::{Access, Format, Image, OpenErrorKind, check, fuzz, open};

fn open_vhdx(path: &Path) -> Arc<Image> {
    open(path, Some(Format::Vhdx), Access::ReadOnly).unwrap()
}

#[test]
fn what_qemu_makes_is_read_as_qemu_reads_it() {
    for seed in 0..20 {
        let bench = Bench::new();
        // QEMU reads all of a fixed image, holes too.
        let (subformat, largest) = if seed % 4 == 3 { ("fixed", 20 << 20) } else { ("dynamic", u64::MAX) };
        let raw = bench.sparse("disk.img", odd_size(seed).clamp(512, largest), seed);
        let (block, log) = (1 << (seed % 9), 1 + seed % 4);
        let zeroes = if seed % 2 == 0 { "on" } else { "off" };
        let options = format!("subformat={subformat},block_size={block}M,log_size={log}M,block_state_zero={zeroes}");
        bench.qemu_img(["convert", "-f", "raw", "-O", "vhdx", "-o", &options, "disk.img", "disk.vhdx"]);
        let path = bench.path("disk.vhdx");
        let image = open_vhdx(&path);
        assert_same(&image, &raw, seed);
        let details = image.layout().details();
        assert!(details.contains(&("block size", (block << 20).to_string())), "{details:?}");
        assert_eq!(check::check(image.layout()).unwrap().count, 0);
        drop(image);
        bench.qemu_io("vhdx", "disk.vhdx", &["write -P 7 0 512"]);
        bench.qemu_img(["convert", "-f", "vhdx", "-O", "raw", "disk.vhdx", "back.img"]);
        assert_same(&open_vhdx(&path), &bench.path("back.img"), seed);
    }
}

/// Where QEMU put the table of blocks: the region table says it.
fn bat_of(image: &[u8]) -> usize {
    let guid = b"\x66\x77\xc2\x2d\x23\xf6\x00\x42";
    let entry = (192 << 10) + image[192 << 10..][..4096].windows(8).position(|bytes| bytes == guid).unwrap();
    usize::try_from(u64::from_le_bytes(image[entry + 16..entry + 24].try_into().unwrap())).unwrap()
}

#[test]
fn an_image_that_was_not_closed_is_read_as_if_it_had_been() {
    for seed in 0..4 {
        let bench = Bench::new();
        let raw = bench.sparse("disk.img", (5 << 20) + 512 * seed, seed);
        bench.qemu_img(["convert", "-f", "raw", "-O", "vhdx", "-o", "block_size=1M", "disk.img", "disk.vhdx"]);
        let path = bench.path("disk.vhdx");
        let mut image = fs::read(&path).unwrap();
        let (bat, size) = (bat_of(&image), image.len() as u64);
        // The table is in the log only, in two entries that go round the end of it.
        let (guid, at) = ([5; 16], (1 << 20) - 8192);
        let change = Change::Data(bat as u64, image[bat..bat + 4096].to_vec());
        let stale = [Change::Zero(bat as u64, 8192), Change::Data(bat as u64, vec![0xaa; 4096])];
        let first = log_entry(guid, seed + 1, at, size, &stale[..1]);
        let second = log_entry(guid, seed + 2, at, size, &stale[1..]);
        let third = log_entry(guid, seed + 3, at, size, &[change]);
        let log = [first, second, third].concat();
        image[bat..bat + 4096].fill(0x77);
        for header in [64 << 10, 128 << 10] {
            image[header + 48..header + 64].copy_from_slice(&guid);
        }
        sign(&mut image);
        for (place, byte) in log.iter().enumerate() {
            image[testing::LOG_AT + (at + place) % (1 << 20)] = *byte;
        }
        fs::write(&path, &image).unwrap();
        assert_same(&open_vhdx(&path), &raw, seed);
        assert!(fs::read(&path).unwrap() == image, "the image is not changed");
        // QEMU replays it in place.
        bench.qemu_img(["check", "-f", "vhdx", "-r", "all", "disk.vhdx"]);
        assert!(fs::read(&path).unwrap() != image);
        bench.qemu_img(["compare", "-f", "raw", "-F", "vhdx", "disk.img", "disk.vhdx"]);
        assert_same(&open_vhdx(&path), &raw, seed);
    }
}

/// Writes a differencing image over `below`, which it changes as the image does.
fn difference(path: &Path, below: &mut [u8], sector_size: u32, [id, parent]: [u8; 2], seed: u64) {
    let mut random = Random::new(seed);
    let linkage =
        format!("{{{0}-{1}-{1}-{1}-{1}{0}}}", format!("{parent:02x}").repeat(4), format!("{parent:02x}").repeat(2));
    let name = format!(".\\{parent}.vhdx");
    let (block, sector) = (1 << 20, sector_size as usize);
    let mut image = testing::Image::new(below.len() as u64, 1 << 20).parent(&[
        ("absolute_win32_path", "C:\\gone.vhdx"),
        ("relative_path", &name),
        ("parent_linkage", &linkage),
    ]);
    image.data_write_guid = [id; 16];
    image.sector_size = sector_size;
    for part in below.chunks_mut(block) {
        image.blocks.push(match random.below(5) {
            0 => Block::Nowhere(0),
            1 => {
                part.fill(0);
                Block::Nowhere(2)
            }
            2 => {
                let bytes = random.bytes(block);
                part.copy_from_slice(&bytes[..part.len()]);
                Block::Present(bytes)
            }
            _ => {
                // What is not in the bitmap must not be seen.
                let (mut bits, mut bytes, mut set) = (Vec::new(), vec![0xee; block], false);
                for (number, bytes) in bytes.chunks_mut(sector).enumerate() {
                    set ^= random.below(5) == 0;
                    bits.push(set);
                    if set {
                        bytes.copy_from_slice(&random.bytes(sector));
                        if let Some(part) = part.chunks_mut(sector).nth(number) {
                            part.copy_from_slice(bytes);
                        }
                    }
                }
                Block::Partial(bits, bytes)
            }
        });
    }
    fs::write(path, image.build()).unwrap();
}

#[test]
fn differencing_images_show_their_parents_sector_by_sector() {
    for seed in 0..6 {
        let bench = Bench::new();
        let raw = bench.sparse("disk.img", (3 << 20) + 4096 * seed, seed);
        bench.qemu_img(["convert", "-f", "raw", "-O", "vhdx", "disk.img", "1.vhdx"]);
        let mut base = fs::read(bench.path("1.vhdx")).unwrap();
        [64 << 10, 128 << 10].iter().for_each(|header| base[header + 32..header + 48].fill(1));
        sign(&mut base);
        fs::write(bench.path("1.vhdx"), base).unwrap();
        let mut bytes = fs::read(&raw).unwrap();
        let sector_size = if seed % 2 == 0 { 512 } else { 4096 };
        difference(&bench.path("2.vhdx"), &mut bytes, sector_size, [2, 1], seed);
        difference(&bench.path("3.vhdx"), &mut bytes, sector_size, [3, 2], seed + 100);
        fs::write(&raw, bytes).unwrap();
        let image = open_vhdx(&bench.path("3.vhdx"));
        assert_same(&image, &raw, seed);
        assert_eq!(check::check(image.layout()).unwrap().count, 0);
    }
}

#[test]
fn parents_are_known_by_their_guid() {
    let bench = Bench::new();
    fs::write(bench.path("base.vhdx"), testing::Image::new(1 << 20, 1 << 20).build()).unwrap();
    let refusal = |guid: u8, name: &str| {
        let digits = format!("{guid:02x}");
        let linkage = format!("{0}-{1}-{1}-{1}-{1}{0}", digits.repeat(4), digits.repeat(2));
        let child =
            testing::Image::new(1 << 20, 1 << 20).parent(&[("parent_linkage", &linkage), ("relative_path", name)]);
        fs::write(bench.path("child.vhdx"), child.build()).unwrap();
        open(&bench.path("child.vhdx"), None, Access::ReadOnly).map_err(ovum_disk::OpenError::into_kind)
    };
    assert!(refusal(7, "base.vhdx").is_ok());
    assert!(matches!(refusal(8, "base.vhdx"), Err(OpenErrorKind::OtherParent { .. })));
    assert!(matches!(refusal(7, "child.vhdx"), Err(OpenErrorKind::EndlessChain)));
    assert!(matches!(refusal(7, "gone.vhdx"), Err(OpenErrorKind::Missing)));
    assert!(matches!(refusal(7, "..\\base.vhdx"), Err(OpenErrorKind::Outside)));
}

/// What the fuzz target starts from; those of VHDX are folded, as no image is small.
#[test]
fn seeds_are_replayed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds/disk_vhdx");
    let seeds: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(seeds.len() >= 2);
    for seed in seeds {
        assert!(seed.len() <= 64 << 10);
        fuzz::image(Format::Vhdx, &testing::unfold(&seed));
    }
}
