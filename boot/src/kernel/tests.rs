//! Kernels made by hand, good ones and spoilt ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::io::{Cursor, Write};

use vm_memory::GuestMemoryBackend;

use super::*;
use crate::file::FileProblem;
use crate::fuzz;
use crate::testkernel::{TestBzImage, TestElf, TestSegment, put};

const MIB: u64 = 1 << 20;
const LOWEST: GuestAddress = GuestAddress(MIB);

fn memory(mebibytes: usize) -> Memory {
    Memory::from_ranges(&[(GuestAddress(0), mebibytes << 20)]).unwrap()
}

fn open(bytes: &[u8]) -> Result<Kernel<Cursor<&[u8]>>, KernelError> {
    Kernel::from_source(Cursor::new(bytes), bytes.len() as u64, Path::new("test"))
}

fn load(bytes: &[u8], protocol: Protocol) -> Result<LoadedKernel, KernelError> {
    open(bytes)?.load(&memory(8), LOWEST, protocol)
}

fn problem<T: fmt::Debug>(result: Result<T, KernelError>) -> KernelProblem {
    let error = result.unwrap_err();
    assert!(error.to_string().starts_with("kernel test: "), "{error}");
    assert!(!error.to_string().contains('\n') && !error.remedy().contains('\n'), "{error}");
    assert!(!error.remedy().is_empty(), "{error}");
    error.problem
}

fn read(memory: &Memory, address: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    memory.read_slice(&mut bytes, GuestAddress(address)).unwrap();
    bytes
}

fn linux64(rip: u64) -> Entry {
    Entry::Linux64 { rip, setup_header: None }
}

#[test]
fn an_elf_kernel_lies_where_its_segments_say() {
    let elf = TestElf {
        entry: MIB + 4,
        segments: vec![
            TestSegment { address: MIB, bytes: b"first segment".to_vec(), memory_size: 0 },
            TestSegment { address: 2 * MIB, bytes: b"second".to_vec(), memory_size: 5000 },
            TestSegment { address: 0, bytes: vec![], memory_size: 0 },
        ],
        pvh: None,
    };
    let bytes = elf.bytes();
    let mut kernel = open(&bytes).unwrap();
    assert_eq!((kernel.format(), kernel.architecture()), (Format::Elf, Architecture::X86_64));
    assert_eq!((kernel.cmdline_size(), kernel.initramfs_limit(), kernel.has_pvh()), (2047, None, false));
    let memory = memory(8);
    let loaded = kernel.load(&memory, LOWEST, Protocol::Auto).unwrap();
    assert_eq!(loaded, LoadedKernel { entry: linux64(MIB + 4), end: GuestAddress(2 * MIB + 5000) });
    assert_eq!(read(&memory, MIB, 14), b"first segment\0");
    assert_eq!(read(&memory, 2 * MIB, 7), b"second\0");
}

#[test]
fn the_entry_follows_what_the_kernel_has_and_the_caller_asks() {
    let flat = TestElf::flat(MIB, vec![0xf4; 64]);
    let pvh = |entry, pvh| TestElf { entry, pvh: Some(pvh), ..flat.clone() }.bytes();
    let mib = u32::try_from(MIB).unwrap();
    let linux = pvh(MIB, mib + 16);
    assert_eq!(load(&linux, Protocol::Auto).unwrap().entry, linux64(MIB));
    assert_eq!(load(&linux, Protocol::Pvh).unwrap().entry, Entry::Pvh { eip: MIB + 16 });

    let same_entry = pvh(MIB, mib);
    let virtual_entry = pvh(0xffff_ffff_8010_0000, mib);
    for only_pvh in [&same_entry, &virtual_entry] {
        assert!(open(only_pvh).unwrap().has_pvh());
        assert_eq!(load(only_pvh, Protocol::Auto).unwrap().entry, Entry::Pvh { eip: MIB });
        let refused = problem(load(only_pvh, Protocol::Linux64));
        assert!(matches!(refused, KernelProblem::NoSuchEntry(Protocol::Linux64)), "{refused}");
    }
    let refused = problem(load(&flat.bytes(), Protocol::Pvh));
    assert!(matches!(refused, KernelProblem::NoSuchEntry(Protocol::Pvh)), "{refused}");
    for outside in [pvh(MIB, mib + 64), TestElf { entry: MIB - 1, ..flat }.bytes()] {
        assert!(matches!(problem(open(&outside)), KernelProblem::BadHeader { .. }));
    }
}

#[test]
fn a_bzimage_lies_where_it_wants_to_run_with_all_its_working_memory() {
    let image = TestBzImage::default();
    let bytes = image.bytes();
    let mut kernel = open(&bytes).unwrap();
    assert_eq!(kernel.format(), Format::BzImage);
    assert_eq!(kernel.version(), Some("6.6.6-test (someone@somewhere)"));
    assert_eq!((kernel.cmdline_size(), kernel.initramfs_limit()), (2047, Some(GuestAddress(1 << 31))));
    let memory = memory(8);
    let loaded = kernel.load(&memory, LOWEST, Protocol::Linux64).unwrap();
    assert_eq!(loaded.end, GuestAddress(image.pref_address + u64::from(image.init_size)));
    assert_eq!(read(&memory, image.pref_address, image.code.len()), image.code);
    let Entry::Linux64 { rip, setup_header: Some(header) } = loaded.entry else { panic!("{loaded:?}") };
    assert_eq!(rip, image.pref_address + 0x200);
    let mut expected = bytes[0x1f1..0x26c].to_vec();
    put(&mut expected, 0x214 - 0x1f1, &0x20_0000u32.to_le_bytes());
    assert_eq!(header, expected, "the header is the file's, with code32_start put right");
    assert!(matches!(problem(load(&bytes, Protocol::Pvh)), KernelProblem::NoSuchEntry(Protocol::Pvh)));
}

#[test]
fn a_bzimage_moves_up_when_it_may_and_stays_when_it_must() {
    let place = |image: &TestBzImage, lowest| {
        let loaded = open(&image.bytes()).unwrap().load(&memory(8), GuestAddress(lowest), Protocol::Auto).unwrap();
        let Entry::Linux64 { rip, .. } = loaded.entry else { panic!("{loaded:?}") };
        (rip - 0x200, loaded.end.0)
    };
    let image = TestBzImage { kernel_alignment: 0x20_0000, pref_address: 0, ..TestBzImage::default() };
    assert_eq!(place(&image, MIB), (2 * MIB, 2 * MIB + 0x1_8000));
    let fixed = TestBzImage { relocatable: false, pref_address: 4 * MIB, ..image.clone() };
    assert_eq!(place(&fixed, MIB), (MIB, 4 * MIB + 0x1_8000));
    let fixed = TestBzImage { relocatable: false, ..image };
    assert_eq!(place(&fixed, MIB), (MIB, MIB + 0x1_8000));
}

#[test]
fn a_kernel_too_big_for_the_guest_says_how_much_memory_would_do() {
    let bytes = TestBzImage { init_size: 30 << 20, ..TestBzImage::default() }.bytes();
    let error = load(&bytes, Protocol::Auto).unwrap_err();
    assert_eq!(error.to_string(), "kernel test: it needs 32 MiB of guest memory to start");
    assert_eq!(error.remedy(), "give the guest at least 32 MiB of memory");
    assert!(open(&bytes).unwrap().load(&memory(32), LOWEST, Protocol::Auto).is_ok());
}

#[test]
fn segments_stay_inside_ram_and_above_the_lowest_address() {
    let at = |address, size| {
        let mut elf = TestElf::flat(MIB, vec![0xf4; 16]);
        elf.segments.push(TestSegment { address, bytes: vec![1; 16], memory_size: size });
        elf.bytes()
    };
    for (address, size) in [(0, 16), (MIB - 1, 16), (1 << 40, 16), (MIB, 1 << 40), (u64::MAX - 16, 16)] {
        let refused = problem(load(&at(address, size), Protocol::Auto));
        assert!(matches!(refused, KernelProblem::OutsideRam { .. }), "{address:#x}: {refused}");
    }
    let refused = problem(load(&at(u64::MAX - 15, 17), Protocol::Auto));
    assert!(matches!(refused, KernelProblem::BadHeader { .. }), "{refused}");
    assert!(matches!(problem(load(&at(8 * MIB - 15, 16), Protocol::Auto)), KernelProblem::TooBig { .. }));
    assert!(load(&at(8 * MIB - 16, 16), Protocol::Auto).is_ok());

    let holed = Memory::from_ranges(&[(GuestAddress(0), 2 << 20), (GuestAddress(4 << 20), 2 << 20)]).unwrap();
    let bytes = at(2 * MIB - 8, 16);
    let refused = problem(open(&bytes).unwrap().load(&holed, LOWEST, Protocol::Auto));
    assert!(matches!(refused, KernelProblem::OutsideRam { .. }), "{refused}");
    assert_eq!(read(&holed, MIB, 16), [0; 16], "nothing is loaded of a kernel that does not fit");
}

#[test]
fn a_truncated_kernel_is_refused_wherever_it_ends() {
    for bytes in
        [TestElf { pvh: Some(0x10_0008), ..TestElf::flat(MIB, vec![0xf4; 64]) }.bytes(), TestBzImage::default().bytes()]
    {
        for length in 1..bytes.len() {
            let result = open(&bytes[..length]);
            let told = problem(result.map(|_| ()));
            let early = length < 0x206;
            let right = match told {
                KernelProblem::Truncated { needed, length: end, .. } => end == length as u64 && needed > end,
                KernelProblem::NotAKernel(_) => early,
                _ => false,
            };
            assert!(right, "{length} of {} bytes: {told}", bytes.len());
        }
    }
}

#[test]
fn no_spoilt_header_panics_or_loads_outside_memory() {
    for (name, bytes) in fuzz::kernel_seeds() {
        assert!(!name.is_empty());
        fuzz::kernel(&bytes);
        for at in 0..bytes.len().min(0x290) {
            for value in [0, 0xff, bytes[at] ^ 0x80, bytes[at] ^ 1, bytes[at].wrapping_add(1)] {
                let mut spoilt = bytes.clone();
                spoilt[at] = value;
                fuzz::kernel(&spoilt);
            }
            // The fields of both headers are one, two, four or eight bytes.
            for width in [2, 4, 8] {
                let mut spoilt = bytes.clone();
                put(&mut spoilt, at, &[0xff; 8][..width]);
                fuzz::kernel(&spoilt);
            }
        }
    }
}

#[test]
fn elf_files_that_are_no_x86_64_kernel_are_named() {
    let spoilt = |offset, bytes: &[u8]| {
        let mut elf = TestElf::flat(MIB, vec![0xf4; 64]).bytes();
        put(&mut elf, offset, bytes);
        problem(open(&elf).map(|_| ())).to_string()
    };
    for (offset, bytes, text) in [
        (4, &[1][..], "it is a 32-bit kernel (byte 4 of its ELF header is 1)"),
        (18, &[3, 0], "it is a 32-bit kernel (e_machine is EM_386)"),
        (5, &[2], "it is a big-endian ELF file (byte 5 is 2)"),
        (18, &[183, 0], "it is a kernel for ARM64, not for x86-64"),
        (18, &[243, 0], "it is a kernel for RISC-V, not for x86-64"),
        (18, &[21, 0], "it is a kernel for another CPU (ELF machine 21), not for x86-64"),
        (16, &[1, 0], "it is not a kernel but a relocatable ELF object, such as a kernel module (.ko)"),
        (16, &[3, 0], "it is not a kernel but a shared ELF object or a position-independent program"),
        (16, &[4, 0], "it is not a kernel but an ELF core dump"),
        (54, &[32, 0], "the header is broken at offset 0x36: program headers of 32 bytes instead of 56"),
        (56, &[0, 0], "the header is broken at offset 0x20: no program header names a segment to load"),
        (56, &[0, 1], "the header is broken at offset 0x38: 256 program headers; at most 128 are read"),
    ] {
        assert_eq!(spoilt(offset, bytes), text);
    }
}

#[test]
fn bzimages_without_a_64_bit_entry_are_named() {
    let spoilt = |offset, bytes: &[u8]| {
        let mut image = TestBzImage::default().bytes();
        put(&mut image, offset, bytes);
        problem(load(&image, Protocol::Auto).map(|_| ())).to_string()
    };
    for (offset, bytes, text) in [
        (0x236, &[0, 0][..], "it is a 32-bit kernel (xloadflags at 0x236 lacks XLF_KERNEL_64)"),
        (0x206, &[0x0b, 2], "its boot protocol 2.11 is too old: the 64-bit entry came with 2.12 (Linux 3.8)"),
        (0x211, &[0], "the header is broken at offset 0x211: loadflags lacks LOADED_HIGH: it is a zImage"),
        (
            0x201,
            &[0x10],
            "the header is broken at offset 0x201: the setup header ends at 0x212, before the fields of its protocol",
        ),
        (0x230, &[3], "the header is broken at offset 0x230: kernel_alignment 0x1003 is not a power of two"),
        (0x258, &[0xff; 8], "the header is broken at offset 0x258: pref_address and init_size go beyond 64 bits"),
    ] {
        assert_eq!(spoilt(offset, bytes), text);
    }
}

#[test]
fn other_files_are_told_by_what_they_are() {
    let mut arm = vec![0; 64];
    put(&mut arm, 56, b"ARM\x64");
    assert_eq!(problem(open(&arm).map(|_| ())).to_string(), "it is a kernel for ARM64, not for x86-64");
    let mut boot_sector = vec![0; 1024];
    put(&mut boot_sector, 510, b"\x55\xaa");
    for (bytes, name) in [
        (&b"\x1f\x8b\x08"[..], "gzip-compressed data"),
        (b"07070100000000", "a cpio archive (an initramfs)"),
        (b"#!/bin/sh", "a script"),
        (b"QFI\xfb\0\0\0\x03", "a qcow2 disk image"),
        (b"hello\n", "a text file"),
        (b"MZ\0\0", "a Windows or EFI program"),
        (&boot_sector, "a disk image with a boot sector"),
    ] {
        assert_eq!(problem(open(bytes).map(|_| ())).to_string(), format!("it is not a kernel but {name}"));
    }
    assert!(matches!(problem(open(&[0x80; 600])), KernelProblem::NotAKernel(None)));
}

#[test]
fn a_kernel_comes_from_a_file_too() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(Kernel::open(file.path()).unwrap_err().problem, KernelProblem::File(FileProblem::Empty)));
    file.write_all(&TestBzImage::default().bytes()).unwrap();
    let mut kernel = Kernel::open(file.path()).unwrap();
    assert_eq!(kernel.path(), file.path());
    let memory = memory(8);
    assert!(kernel.load(&memory, LOWEST, Protocol::Auto).is_ok());
    assert_eq!(memory.last_addr().0 + 1, 8 * MIB);
    file.as_file().set_len(0x500).unwrap();
    let refused = kernel.load(&memory, LOWEST, Protocol::Auto).unwrap_err().problem;
    assert!(matches!(refused, KernelProblem::Read { .. }), "{refused}");
    for (path, text) in [("/", "it is a folder, not a file"), ("/no/such", "there is no such file")] {
        let error = Kernel::open(path).unwrap_err();
        assert_eq!(error.to_string(), format!("kernel {path}: {text}"));
    }
}

/// Where the fuzzer starts from, and what it once found.
const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/seeds/kernel");

#[test]
fn the_fuzzers_seeds_are_still_harmless() {
    let mut replayed = 0;
    for entry in std::fs::read_dir(SEEDS).unwrap() {
        fuzz::kernel(&std::fs::read(entry.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed >= fuzz::kernel_seeds().len());
}

/// `cargo test -p ovum-boot -- --ignored write_the_fuzzers_seeds`, after a change of `fuzz::kernel_seeds`.
#[test]
#[ignore = "writes into the source tree"]
fn write_the_fuzzers_seeds() {
    std::fs::create_dir_all(SEEDS).unwrap();
    for (name, bytes) in fuzz::kernel_seeds() {
        std::fs::write(Path::new(SEEDS).join(name), bytes).unwrap();
    }
}
