//! Kernels packed by hand in every way that is known here, good ones and spoilt ones, and their copies in a cache.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vm_memory::Bytes;

use super::*;
use crate::kernel::{Kernel, KernelError};
use crate::testkernel::{TestBzImage, TestElf, TestSegment};

const START: u64 = 0x20_0000;
const LOWEST: GuestAddress = GuestAddress(1 << 20);

fn memory() -> Memory {
    Memory::from_ranges(&[(GuestAddress(0), 4 << 20)]).unwrap()
}

/// Two segments with a gap, the first with two pages of zeros in it, and a table with one place of each kind.
fn vmlinux() -> Vec<u8> {
    let mut code: Vec<u8> = (0..20_000_u32).map(|number| number.to_le_bytes()[0] ^ number.to_le_bytes()[1]).collect();
    code[6000..16_000].fill(0);
    let data = vec![0x5a; 3000];
    let mut file = TestElf {
        entry: START + 16,
        segments: vec![
            TestSegment { address: START, bytes: code, memory_size: 0 },
            TestSegment { address: START + 0x8000, bytes: data, memory_size: 0x2000 },
        ],
        pvh: None,
    }
    .bytes();
    for word in [0_u32, 0x8020_8000, 0, 0x8020_8010, 0, 0x8020_8020] {
        file.extend(word.to_le_bytes());
    }
    file
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let block = lz4_flex::block::compress(bytes);
    let mut packed = 0x184c_2102_u32.to_le_bytes().to_vec();
    packed.extend(u32::try_from(block.len()).unwrap().to_le_bytes());
    packed.extend(block);
    packed
}

/// `bytes` in every packing, each with the length behind it as the kernel's build leaves it.
fn packings(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    gzip.write_all(bytes).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(6));
    bzip2.write_all(bytes).unwrap();
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    xz.write_all(bytes).unwrap();
    let options = lzma_rust2::LzmaOptions::with_preset(1);
    let mut lzma = lzma_rust2::LzmaWriter::new_use_header(Vec::new(), &options, None).unwrap();
    lzma.write_all(bytes).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    let mut all = vec![
        ("gzip", gzip.finish().unwrap()),
        ("bzip2", bzip2.finish().unwrap()),
        ("xz", xz.finish().unwrap()),
        ("lzma", lzma.finish().unwrap()),
        ("zstd", zstd),
        ("lz4", lz4(bytes)),
    ];
    for (_, packed) in &mut all[1..] {
        packed.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    }
    all
}

fn bzimage(payload: Vec<u8>) -> Vec<u8> {
    TestBzImage { payload, kernel_alignment: 0x10_0000, ..TestBzImage::default() }.bytes()
}

fn unpack(bytes: &[u8], chance: Option<u64>) -> Result<(LoadedKernel, Vec<u8>), KernelError> {
    let memory = memory();
    let mut kernel = Kernel::from_source(Cursor::new(bytes), bytes.len() as u64, Path::new("test"))?;
    let loaded = kernel.load_unpacked(&memory, LOWEST, chance)?;
    Ok((loaded, contents(&memory)))
}

fn contents(memory: &Memory) -> Vec<u8> {
    let mut bytes = vec![0; 0x1_8000];
    memory.read_slice(&mut bytes, GuestAddress(START)).unwrap();
    bytes
}

fn flags(loaded: &LoadedKernel) -> u8 {
    let Entry::Linux64 { rip, setup_header: Some(header) } = &loaded.entry else { unreachable!() };
    assert_eq!(*rip, START + 16);
    header[LOADFLAGS]
}

#[test]
fn a_kernel_comes_out_of_every_packing() {
    let elf = vmlinux();
    for (name, packed) in packings(&elf) {
        let (loaded, bytes) = unpack(&bzimage(packed), None).unwrap_or_else(|error| unreachable!("{name}: {error}"));
        assert_eq!(loaded.end.0, START + 0x1_8000, "{name}: all that the header asks for");
        assert_eq!(flags(&loaded), 1, "{name}: not moved");
        assert_eq!(bytes[..20_000], elf[64 + 2 * 56..][..20_000], "{name}");
        assert_eq!(bytes[0x8000..0x8000 + 3000], [0x5a; 3000], "{name}");
        assert!(bytes[0x8000 + 3000..].iter().all(|byte| *byte == 0), "{name}");
    }
}

#[test]
fn a_kernel_is_moved_by_chance_and_told_so() {
    let image = bzimage(lz4(&vmlinux()));
    let (loaded, bytes) = unpack(&image, Some(3)).unwrap();
    assert_eq!(flags(&loaded), 1 | KASLR_FLAG);
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(word(0x8000), 0x5a5a_5a5a + 0x30_0000);
    assert_eq!(word(0x8010), 0x5a5a_5a5a - 0x30_0000);
    assert_eq!(word(0x8020), 0x5a5a_5a5a + 0x30_0000);

    // A kernel without a table stays where it is, and is not told otherwise.
    let elf = vmlinux();
    let (loaded, _) = unpack(&bzimage(lz4(&elf[..elf.len() - 24])), Some(3)).unwrap();
    assert_eq!(flags(&loaded), 1);
}

#[test]
fn a_moved_kernel_stays_in_the_addresses_that_are_mapped() {
    let (start, room, alignment) = (0x100_0000, 0x337_7000, 0x20_0000);
    for chance in [0, 1, 477, 478, 479, u64::MAX] {
        let slide = slide(chance, start, room, alignment);
        assert!(slide.is_multiple_of(alignment) && start + slide + room <= KERNEL_MAP_SIZE, "{chance}: {slide:#x}");
    }
    let most = (0..10_000).map(|chance| slide(chance, start, room, alignment)).max().unwrap();
    assert!(start + most + room + alignment > KERNEL_MAP_SIZE, "the last place is used");
    assert_eq!(slide(u64::MAX, 1 << 40, room, alignment), 0, "one that is too large already");
}

#[test]
fn what_is_not_as_expected_is_left_to_the_kernel_itself() {
    let elf = vmlinux();
    let with = |at: usize, byte: u8| {
        let mut elf = elf.clone();
        elf[at] = byte;
        lz4(&elf)
    };
    let mut bomb = elf.clone();
    bomb.resize(0x1_8001, 0);
    let cases = [
        ("not packed in a known way", elf.clone()),
        ("LZO", b"\x89LZO\0\r\n\x1a\n".to_vec()),
        ("not an ELF file", lz4(&[7; 30_000])),
        ("larger than the header says", lz4(&bomb)),
        ("cut off before its last segment", lz4(&elf[..20_500])),
        ("cut off in its headers", lz4(&elf[..100])),
        ("a segment below the kernel", with(64 + 24 + 2, 0x1f)),
        ("a segment above the kernel", with(64 + 56 + 24 + 2, 0x2f)),
        ("an entry outside", with(24 + 2, 0x2f)),
        ("a packing cut off", lz4(&elf)[..2000].to_vec()),
        ("a table of something else", [elf.clone(), vec![1; 8]].concat()).into_lz4(),
        ("a place outside of the kernel", with(elf.len() - 2, 0x40)),
    ];
    for (what, payload) in cases {
        let image = bzimage(payload);
        let error = unpack(&image, Some(3)).unwrap_err();
        assert!(matches!(error.problem(), KernelProblem::Packed(_)), "{what}: {error}");
        assert!(!error.to_string().contains('\n') && !error.remedy().is_empty(), "{what}");
        let mut kernel = Kernel::from_source(Cursor::new(&image), image.len() as u64, Path::new("test")).unwrap();
        kernel.load(&memory(), LOWEST, crate::Protocol::Auto).unwrap();
    }
}

trait IntoLz4 {
    fn into_lz4(self) -> (&'static str, Vec<u8>);
}

impl IntoLz4 for (&'static str, Vec<u8>) {
    fn into_lz4(self) -> (&'static str, Vec<u8>) {
        (self.0, lz4(&self.1))
    }
}

#[test]
fn the_fuzzers_seed_is_a_good_kernel() {
    let seeds = crate::fuzz::kernel_seeds();
    let (_, seed) = seeds.iter().find(|(name, _)| *name == "bzimage-lz4").unwrap();
    let mut kernel = Kernel::from_source(Cursor::new(seed), seed.len() as u64, Path::new("seed")).unwrap();
    kernel.load_unpacked(&memory(), LOWEST, Some(5)).unwrap();
}

#[test]
fn hostile_payloads_only_fail() {
    for (_, packed) in packings(&vmlinux()) {
        for at in 0..packed.len().min(200) {
            let mut spoilt = packed.clone();
            spoilt[at] ^= 0xff;
            crate::fuzz::kernel(&bzimage(spoilt));
        }
        for end in (0..packed.len()).step_by(97) {
            crate::fuzz::kernel(&bzimage(packed[..end].to_vec()));
        }
    }
}

/// A kernel's file and a folder for its cache.
struct Kept {
    _folder: tempfile::TempDir,
    kernel: PathBuf,
    cache: PathBuf,
}

impl Kept {
    fn new(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (kernel, cache) = (folder.path().join("vmlinuz"), folder.path().join("a/cache"));
        fs::write(&kernel, bytes).unwrap();
        Self { _folder: folder, kernel, cache }
    }

    fn load(&self) -> Result<Vec<u8>, KernelError> {
        let memory = memory();
        Kernel::open(&self.kernel)?.load_cached(&memory, LOWEST, Some(3), &self.cache)?;
        Ok(contents(&memory))
    }

    fn entries(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(&self.cache).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }
}

#[test]
fn a_cached_kernel_is_the_same_and_a_spoilt_copy_is_thrown_away() {
    let image = bzimage(lz4(&vmlinux()));
    let kept = Kept::new(&image);
    assert!(kept.load().is_err(), "a kernel that was written just now may still change");
    std::thread::sleep(cache::SETTLED + Duration::from_millis(1100));
    let cold = kept.load().unwrap();
    assert_eq!(cold, unpack(&image, Some(3)).unwrap().1);
    let entry = kept.entries().pop().unwrap();
    let whole = fs::read(&entry).unwrap();
    assert!(whole.len() < 20_000, "pages of zeros are not stored");
    assert_eq!(kept.load().unwrap(), cold);
    assert_eq!(kept.entries().len(), 1);

    // Every part of it: data, list, trailer.
    for at in [0, 700, whole.len() - 60, whole.len() - 32, whole.len() - 24, whole.len() - 16, whole.len() - 8] {
        let mut spoilt = whole.clone();
        spoilt[at] ^= 1;
        fs::write(&entry, &spoilt).unwrap();
        let again = kept.load();
        assert!(again.is_err() || again.unwrap() == cold, "byte {at}");
        assert_eq!(kept.load().unwrap(), cold, "byte {at}: made anew");
    }
    for length in [0, 10, 31, 32, 100, whole.len() - 1] {
        fs::write(&entry, &whole[..length]).unwrap();
        let again = kept.load();
        assert!(again.is_err() || again.unwrap() == cold, "{length} bytes");
        assert_eq!(kept.load().unwrap(), cold, "{length} bytes: made anew");
    }
    assert_eq!(kept.entries().len(), 1, "no draft is left");

    // What others could have written is not read, and a link is not followed.
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(kept.load().unwrap(), cold);
    assert_eq!(fs::metadata(&entry).unwrap().permissions().mode() & 0o777, 0o600, "made anew");
    fs::set_permissions(&kept.cache, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(kept.load().is_err(), "a folder that others can write to");
}

#[test]
fn a_folder_that_cannot_be_used_is_an_error() {
    let kept = Kept::new(&bzimage(lz4(&vmlinux())));
    std::thread::sleep(cache::SETTLED + Duration::from_millis(1100));
    fs::write(kept.cache.parent().unwrap(), b"a file in the way").unwrap();
    assert!(kept.load().is_err());
}
