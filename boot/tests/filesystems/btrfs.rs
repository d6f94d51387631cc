//! What mkfs.btrfs made, and what it cannot make yet (compressed extents, subvolumes), written into its image.

use std::fs::{self, File};
use std::io::Write as _;

use ovum_boot::filesystem::{self, FsError, Subvolume};
use ovum_disk::storage::testing::Memory;

use crate::compare::{assert_found_at_once, assert_links, assert_refusals, assert_same, image, open, run};
use crate::sample::{Random, Sample, Shape};

fn shape(many: usize) -> Shape {
    Shape { sparse: 3 << 20, many, ..Shape::default() }
}

fn make(sample: &Sample, options: &[&str], mib: u64) -> bool {
    let _ = fs::remove_file(sample.path("image"));
    File::create(sample.path("image")).unwrap().set_len(mib << 20).unwrap();
    let fixed = ["-q", "-f", "--rootdir", "tree", "-L", "A label", "-U", "01234567-89ab-cdef-0123-456789abcdef"];
    run("mkfs.btrfs", &[&fixed[..], options, &["image"]].concat(), sample.dir.path())
}

#[test]
fn every_kind_holds_what_its_folder_holds() {
    let (full, small) = (Sample::new(shape(2000)), Sample::new(shape(60)));
    let kinds: [&[&str]; 4] = [
        &[],
        &["-n", "4096", "-m", "single"],
        &["--mixed", "-O", "^no-holes"],
        &["-n", "65536", "-m", "dup", "-d", "dup"],
    ];
    for (index, options) in kinds.iter().enumerate() {
        let sample = if index < 2 { &full } else { &small };
        if !make(sample, options, 400) {
            return;
        }
        println!("{options:?}");
        let system = open(&sample.path("image"));
        assert_eq!(system.kind(), "btrfs");
        assert_eq!(system.uuid().unwrap(), "01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(system.label().unwrap(), "A label");
        assert_same(system.as_ref(), &sample.tree());
        assert_links(system.as_ref(), &sample.tree());
        assert_refusals(system.as_ref());
        let real = fs::metadata(sample.tree().join("tiny")).unwrap().modified().unwrap();
        let seconds = real.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(system.metadata("/tiny").unwrap().modified.cast_unsigned(), seconds);
        for which in [Subvolume::Default, Subvolume::Id(5), Subvolume::Path("/")] {
            assert_eq!(system.subvolume(which).unwrap().metadata("/tiny").unwrap().len, 1);
        }
        for which in [Subvolume::Id(7777), Subvolume::Path("nothing"), Subvolume::Path("boot")] {
            assert!(matches!(system.subvolume(which), Err(FsError::Missing(_))), "{which}");
        }
    }
}

/// Replaces what `change` answers for, wherever `pattern` is; returns how often.
fn patch(bytes: &mut [u8], pattern: &[u8], mut change: impl FnMut(&mut [u8], usize)) -> usize {
    let places: Vec<usize> = memchr(bytes, pattern);
    for place in &places {
        change(bytes, *place);
    }
    places.len()
}

fn memchr(bytes: &[u8], pattern: &[u8]) -> Vec<usize> {
    let first = pattern[0];
    let candidates = bytes.iter().enumerate().filter(|(_, byte)| **byte == first);
    candidates.filter(|(at, _)| bytes[*at..].starts_with(pattern)).map(|(at, _)| at).collect()
}

/// A file whose bytes are `packed` becomes an extent compressed by `method`, of 128 KiB, whose first 100,000 bytes count.
fn compress(bytes: &mut [u8], packed: usize, method: u8) {
    let on_disk = packed.next_multiple_of(4096) as u64;
    // ram_bytes, no compression, encryption, encoding; a regular extent.
    let pattern = [&on_disk.to_le_bytes()[..], &[0, 0, 0, 0, 1]].concat();
    let changed = patch(bytes, &pattern, |bytes, at| {
        bytes[at..at + 8].copy_from_slice(&(128_u64 << 10).to_le_bytes());
        bytes[at + 8] = method;
        bytes[at + 37..at + 45].copy_from_slice(&(128_u64 << 10).to_le_bytes());
    });
    assert!(changed > 0, "its extent was not found");
    let pattern = [(packed as u64).to_le_bytes(), on_disk.to_le_bytes()].concat();
    let changed = patch(bytes, &pattern, |bytes, at| bytes[at..at + 8].copy_from_slice(&100_000_u64.to_le_bytes()));
    assert!(changed > 0, "its inode was not found");
}

#[test]
fn compressed_extents_are_unpacked() {
    let sample = Sample::new(Shape { sparse: 20_000, many: 3, depth: 2, ..Shape::default() });
    fs::remove_dir_all(sample.tree().join("boot")).unwrap();
    let plain: Vec<u8> = Random::new(3).bytes(600).iter().flat_map(|byte| [*byte; 219]).take(128 << 10).collect();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(&plain).unwrap();
    // Neighbours in length would be told apart by nothing.
    let mut zlib = zlib.finish().unwrap();
    zlib.resize(zlib.len() + 12 * 4096, 0);
    let mut zstd = ruzstd::encoding::compress_to_vec(plain.as_slice(), ruzstd::encoding::CompressionLevel::Fastest);
    zstd.resize(zstd.len() + 16 * 4096, 0);
    fs::write(sample.tree().join("zlib"), &zlib).unwrap();
    fs::write(sample.tree().join("zstd"), &zstd).unwrap();
    if !make(&sample, &["--mixed"], 16) {
        return;
    }
    let mut bytes = fs::read(sample.path("image")).unwrap();
    compress(&mut bytes, zlib.len(), 1);
    compress(&mut bytes, zstd.len(), 3);
    let system = filesystem::open(Memory::new(bytes) as _).unwrap().unwrap();
    for name in ["zlib", "zstd"] {
        fs::write(sample.tree().join(name), &plain[..100_000]).unwrap();
    }
    assert_same(system.as_ref(), &sample.tree());
}

#[test]
fn subvolumes_are_directories_and_roots() {
    let sample = Sample::new(Shape { sparse: 20_000, many: 3, depth: 2, ..Shape::default() });
    fs::remove_dir_all(sample.tree().join("boot")).unwrap();
    if !make(&sample, &["--mixed"], 16) {
        return;
    }
    let mut bytes = fs::read(sample.path("image")).unwrap();
    // The directory becomes a subvolume: the top, which is the only one.
    let pattern = b"\0\0\x06\0\x02hollow";
    let changed = patch(&mut bytes, pattern, |bytes, at| {
        bytes[at - 25..at - 8].copy_from_slice(&[5, 0, 0, 0, 0, 0, 0, 0, 132, 0, 0, 0, 0, 0, 0, 0, 0]);
    });
    assert!(changed >= 2, "by hash and by index");
    let system = filesystem::open(Memory::new(bytes.clone()) as _).unwrap().unwrap();
    assert_eq!(system.metadata("/hollow/hollow/hollow/tiny").unwrap().len, 1);
    assert_eq!(
        system.metadata("/hollow/../hollow/vmlinuz").unwrap_err().to_string(),
        "/hollow/../hollow/vmlinuz is not there"
    );
    assert_eq!(system.subvolume(Subvolume::Path("hollow/hollow")).unwrap().metadata("/tiny").unwrap().len, 1);
    // One that is gone keeps its name, and is not shown.
    patch(&mut bytes, pattern, |bytes, at| bytes[at - 24] = 1);
    let system = filesystem::open(Memory::new(bytes) as _).unwrap().unwrap();
    assert!(system.read_dir("/").unwrap().iter().all(|entry| entry.name != "hollow"));
    assert!(matches!(system.metadata("/hollow"), Err(FsError::Missing(_))));
}

#[test]
fn a_file_of_a_large_volume_is_found_at_once() {
    let sample = Sample::new(Shape { sparse: 1 << 20, many: 300, ..Shape::default() });
    if make(&sample, &[], 10 << 10) {
        assert_found_at_once(image(&sample.path("image")), "/vmlinuz");
    }
}
