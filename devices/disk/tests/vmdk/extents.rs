//! Descriptors with extents of every type, and names that lead elsewhere.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use ovum_disk::{Access, Disk, OpenErrorKind, open};

use super::{detail, open_clean};
use crate::judge::{Bench, Random, assert_same};

/// Writes data across each multiple of `step`, where one file of a disk ends and the next one begins.
pub fn cross(raw: &Path, step: u64) {
    let file = OpenOptions::new().write(true).open(raw).unwrap();
    let size = file.metadata().unwrap().len();
    let mut random = Random::new(step);
    for at in (step..size).step_by(usize::try_from(step).unwrap()) {
        file.write_all_at(&random.bytes(3 << 20), at - (2 << 20)).unwrap();
    }
}

/// A descriptor of `extents`.
fn describe(bench: &Bench, name: &str, extents: &str) {
    let head = "# Disk DescriptorFile\nversion=1\nCID=00000007\nparentCID=ffffffff\ncreateType=\"custom\"\n";
    fs::write(bench.path(name), format!("{head}{extents}\n")).unwrap();
}

/// An extent of the old ESX family, with grains of `grain` sectors, that holds what `raw` holds.
pub fn cowd(raw: &[u8], grain: u32) -> Vec<u8> {
    let sectors = u32::try_from(raw.len() / 512).unwrap();
    let tables = sectors.div_ceil(grain * 4096);
    let directory_len = (tables * 4).div_ceil(512);
    let first_table = 4 + directory_len;
    let mut file = vec![0; usize::try_from(first_table + tables * 32).unwrap() * 512];
    let mut put = |at: u32, value: u32| {
        let at = usize::try_from(at).unwrap();
        file[at..at + 4].copy_from_slice(&value.to_le_bytes());
    };
    put(0, u32::from_le_bytes(*b"COWD"));
    for (at, value) in [(4, 1), (8, 3), (12, sectors), (16, grain), (20, 4), (24, tables)] {
        put(at, value);
    }
    (0..tables).for_each(|table| put(4 * 512 + table * 4, first_table + table * 32));
    for (number, bytes) in (0_u32..).zip(raw.chunks(usize::try_from(grain).unwrap() * 512)) {
        if bytes.iter().any(|byte| *byte != 0) {
            let sector = u32::try_from(file.len() / 512).unwrap();
            let at = usize::try_from(first_table * 512 + number * 4).unwrap();
            file[at..at + 4].copy_from_slice(&sector.to_le_bytes());
            file.extend(bytes);
        }
    }
    file
}

#[test]
fn extents_of_all_types_make_one_disk() {
    let bench = Bench::new();
    let parts: Vec<Vec<u8>> = (0..4)
        .map(|seed| fs::read(bench.sparse("part", (3 << 20) + 512 * 5 * (seed + 1), seed + 40)).unwrap())
        .collect();
    let sectors = |part: &Vec<u8>| part.len() / 512;
    // Flat from the middle of a file on; sparse; ESX's; flat without an offset; and nothing.
    let mut padded = vec![0xee; 1024];
    padded.extend(&parts[0]);
    fs::write(bench.path("flat part"), padded).unwrap();
    fs::write(bench.path("part.raw"), &parts[1]).unwrap();
    bench.qemu_img(["convert", "-f", "raw", "-O", "vmdk", "part.raw", "sparse.vmdk"]);
    fs::write(bench.path("cowd"), cowd(&parts[2], 1)).unwrap();
    fs::write(bench.path("vmfs"), &parts[3]).unwrap();
    let extents = format!(
        "RW {} FLAT \"flat part\" 2\nRW 100 ZERO\nRW {} SPARSE \"sparse.vmdk\"\nRW 0 FLAT \"nothing\" 0\n\
         RDONLY {} VMFSSPARSE \"cowd\"\nRW {} VMFS \"vmfs\"\n",
        sectors(&parts[0]),
        sectors(&parts[1]),
        sectors(&parts[2]),
        sectors(&parts[3])
    );
    describe(&bench, "disk.vmdk", &extents);
    let whole = [&parts[0][..], &[0; 51200], &parts[1], &parts[2], &parts[3]].concat();
    fs::write(bench.path("whole.raw"), whole).unwrap();
    let image = open_clean(&bench.path("disk.vmdk"));
    assert_eq!(detail(&image, "extents"), "5");
    assert_same(&image, &bench.path("whole.raw"), 1);
}

/// An extent of the old ESX family alone, as the judge reads it, with small grains and with large ones.
#[test]
fn cowd_extents_are_read() {
    for (seed, grain) in [(1, 1), (2, 8), (3, 128), (4, 1)] {
        let bench = Bench::new();
        let raw = bench.sparse("disk.raw", (5 << 20) + 512 * 3, seed);
        fs::write(bench.path("delta"), cowd(&fs::read(&raw).unwrap(), grain)).unwrap();
        describe(&bench, "disk.vmdk", &format!("RW {} VMFSSPARSE \"delta\"", 5 * 2048 + 3));
        let text = fs::read_to_string(bench.path("disk.vmdk")).unwrap().replace("custom", "vmfsSparse");
        fs::write(bench.path("disk.vmdk"), text).unwrap();
        bench.qemu_img(["compare", "-f", "raw", "-F", "vmdk", "disk.raw", "disk.vmdk"]);
        assert_same(&open_clean(&bench.path("disk.vmdk")), &raw, seed);
        // The judge reads none without a descriptor any more.
        fs::rename(bench.path("delta"), bench.path("disk.vmdk")).unwrap();
        let image = open_clean(&bench.path("disk.vmdk"));
        assert_eq!(detail(&image, "variant"), "COWDisk");
        assert_same(&image, &raw, seed);
    }
    let bench = Bench::new();
    let mut log = cowd(&[1; 512], 1);
    log[8] = 2;
    fs::write(bench.path("log.vmdk"), log).unwrap();
    let error = open(&bench.path("log.vmdk"), None, Access::ReadOnly).unwrap_err();
    assert!(matches!(error.kind(), OpenErrorKind::Unsupported { .. }), "{error}");
}

/// Twice the same file: found by a check, and no harm to reading.
#[test]
fn a_file_that_is_used_twice_is_found() {
    let bench = Bench::new();
    fs::write(bench.path("flat"), [7; 4096]).unwrap();
    describe(&bench, "disk.vmdk", "RW 8 FLAT \"flat\" 0\nRW 4 FLAT \"flat\" 4");
    let image = open(&bench.path("disk.vmdk"), None, Access::ReadOnly).unwrap();
    assert_eq!(image.size(), 12 * 512);
    assert_eq!(ovum_disk::check::check(image.layout()).unwrap().count, 1);
}

#[test]
fn extents_come_from_beside_the_descriptor_only() {
    let bench = Bench::new();
    fs::create_dir(bench.path("in")).unwrap();
    fs::write(bench.path("secret"), [1; 4096]).unwrap();
    fs::write(bench.path("in/flat"), [1; 4096]).unwrap();
    symlink("flat", bench.path("in/link")).unwrap();
    symlink("../secret", bench.path("in/out")).unwrap();
    let kind = |extent: &str| {
        describe(&bench, "in/disk.vmdk", extent);
        let result = open(&bench.path("in/disk.vmdk"), None, Access::ReadOnly);
        result.map(|_| ()).map_err(ovum_disk::OpenError::into_kind)
    };
    kind("RW 8 FLAT \"flat\" 0").unwrap();
    for outside in ["../secret", "/etc/passwd", "../in/../secret", "x/../../secret", "/dev/zero"] {
        let result = kind(&format!("RW 1 FLAT \"{outside}\" 0"));
        assert!(matches!(result, Err(OpenErrorKind::Outside)), "{outside}: {result:?}");
    }
    for link in ["link", "out"] {
        assert!(matches!(kind(&format!("RW 1 FLAT \"{link}\" 0")), Err(OpenErrorKind::Link)), "{link}");
    }
    assert!(matches!(kind("RW 1 FLAT \"gone\" 0"), Err(OpenErrorKind::Missing)));
    let damaged = [
        "RW 9 FLAT \"flat\" 0",
        "RW 8 FLAT \"flat\" 1",
        "RW 8 FLAT \"flat\" 36028797018963968",
        "RW 36028797018963968 FLAT \"flat\" 0",
        "RW 18446744073709551615 FLAT \"flat\" 1",
        "RW 18014398509481984 ZERO\nRW 18014398509481984 ZERO\nRW 18014398509481984 ZERO",
        "RW 8 SPARSE \"flat\"",
        "RW 1 SPARSE \"disk.vmdk\"",
        "# nothing",
    ];
    for extent in damaged {
        let result = kind(extent);
        assert!(matches!(result, Err(OpenErrorKind::Damaged(_))), "{extent}: {result:?}");
    }
    for extent in ["RW 1 SESPARSE \"flat\"", "RW 1 VMFSRDM \"flat\"", "NOACCESS 1 FLAT \"flat\" 0"] {
        assert!(matches!(kind(extent), Err(OpenErrorKind::Unsupported { .. })), "{extent}");
    }
}

/// The largest disk that a descriptor can claim costs nothing.
#[test]
fn a_disk_of_nothing_may_be_of_any_size() {
    let bench = Bench::new();
    describe(&bench, "disk.vmdk", "RW 36028797018963967 ZERO");
    let image = open_clean(&bench.path("disk.vmdk"));
    assert_eq!(image.size(), u64::MAX - 511);
    assert_eq!(crate::judge::read(image.as_ref(), image.size() - 512, 512), [0; 512]);
    image.read_at(image.size(), &[vm_memory::VolatileSlice::from(&mut [0_u8; 1][..])]).unwrap_err();
    // A header's size that differs from the descriptor's would shift what follows.
    bench.qemu_img(["create", "-q", "-f", "vmdk", "part.vmdk", "1M"]);
    describe(&bench, "disk.vmdk", "RW 1000 SPARSE \"part.vmdk\"\nRW 1 ZERO");
    let error = open(&bench.path("disk.vmdk"), None, Access::ReadOnly).unwrap_err();
    assert!(matches!(error.kind(), OpenErrorKind::Damaged(_)), "{error}");
    // Made up to whole grains by the header, the descriptor's size is the disk's.
    describe(&bench, "disk.vmdk", "RW 2000 SPARSE \"part.vmdk\"\nRW 1 ZERO");
    assert_eq!(open_clean(&bench.path("disk.vmdk")).size(), 2001 * 512);
}
