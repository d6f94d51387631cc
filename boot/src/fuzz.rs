//! The bodies of the fuzz targets, as plain functions, so that a test can replay what a fuzzer found.

use std::io::Cursor;
use std::path::Path;
use std::sync::LazyLock;

use vm_memory::{Bytes, GuestAddress};

use crate::kernel::{Entry, Kernel, Protocol};
use crate::memory::Memory;
use crate::testkernel::{TestBzImage, TestElf, TestSegment};

mod descriptor;
mod environment;
mod package;
mod units;

pub use descriptor::descriptor;
pub use environment::{environment, property_check};
pub use package::{certificate, manifest, package_tar};
pub use units::units;

/// Kernels may lie from here on.
const LOWEST: u64 = 1 << 20;
/// Guest memory starts this many bytes lower, to show when something is written there.
const GUARD: usize = 4096;
/// Guest memory from [`LOWEST`] on, in bytes.
const ROOM: usize = 3 << 20;

static MEMORY: LazyLock<Option<Memory>> =
    LazyLock::new(|| Memory::from_ranges(&[(GuestAddress(LOWEST - GUARD as u64), GUARD + ROOM)]).ok());

/// Reads `data` as a kernel and loads it by every protocol. Whatever the bytes are, nothing panics, nothing is written
/// below the lowest address, and a kernel that was loaded is entered and ends inside guest memory.
pub fn kernel(data: &[u8]) {
    let Some(memory) = MEMORY.as_ref() else { return };
    for protocol in [Protocol::Auto, Protocol::Linux64, Protocol::Pvh] {
        let path = Path::new("fuzzed");
        let Ok(mut kernel) = Kernel::from_source(Cursor::new(data), data.len() as u64, path) else { return };
        assert!(kernel.version().is_none_or(|version| version.len() <= 128));
        match kernel.load(memory, GuestAddress(LOWEST), protocol) {
            Ok(loaded) => {
                let (Entry::Linux64 { rip: entry, .. } | Entry::Pvh { eip: entry }) = loaded.entry;
                assert!((LOWEST..loaded.end.0).contains(&entry), "entry {entry:#x} outside the kernel");
                assert!(loaded.end.0 <= LOWEST + ROOM as u64, "end {:#x} outside memory", loaded.end.0);
            }
            Err(error) => assert!(!error.to_string().is_empty() && !error.remedy().is_empty()),
        }
    }
    unpacked(data, memory);
    let mut guard = [0; GUARD];
    let read = memory.read_slice(&mut guard, GuestAddress(LOWEST - GUARD as u64));
    assert!(read.is_ok() && guard.iter().all(|byte| *byte == 0), "memory below the lowest address was written");
}

/// The same for a kernel that is unpacked on this side.
fn unpacked(data: &[u8], memory: &Memory) {
    let Ok(mut kernel) = Kernel::from_source(Cursor::new(data), data.len() as u64, Path::new("fuzzed")) else { return };
    match kernel.load_unpacked(memory, GuestAddress(LOWEST), Some(5)) {
        Ok(loaded) => {
            let Entry::Linux64 { rip, .. } = loaded.entry else { return };
            assert!((LOWEST..loaded.end.0).contains(&rip), "entry {rip:#x} outside the kernel");
            assert!(loaded.end.0 <= LOWEST + ROOM as u64, "end {:#x} outside memory", loaded.end.0);
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.remedy().is_empty()),
    }
}

/// A kernel in LZ4's legacy frame, not packed at all: one block of one sequence, which is bytes as they are (LZ4 Block
/// Format, 1.5.1).
fn lz4(kernel: &TestElf) -> Vec<u8> {
    let kernel = TestElf {
        entry: 0x20_0000,
        segments: vec![TestSegment { address: 0x20_0000, bytes: vec![0xf4; 64], memory_size: 0x2000 }],
        ..kernel.clone()
    };
    let mut bytes = kernel.bytes();
    bytes.extend([0_u32, 0x8020_0008, 0, 0x8020_0010, 0, 0x8020_0018].iter().flat_map(|word| word.to_le_bytes()));
    let mut block = vec![0xf0];
    let more = bytes.len().saturating_sub(15);
    block.extend(std::iter::repeat_n(0xff, more / 255));
    block.extend(u8::try_from(more % 255));
    block.extend(bytes);
    let length = u32::try_from(block.len()).unwrap_or_default();
    [0x184c_2102_u32.to_le_bytes().as_slice(), &length.to_le_bytes(), &block].concat()
}

/// Kernels to start fuzzing from: a name and the bytes of each.
#[must_use]
pub fn kernel_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let small = TestBzImage { code: vec![0x90; 0x220], ..TestBzImage::default() };
    let segment = |address, length, memory_size| TestSegment { address, bytes: vec![0xf4; length], memory_size };
    let two =
        TestElf { entry: 0x10_0000, segments: vec![segment(0x10_0000, 16, 0), segment(0x20_0000, 9, 4096)], pvh: None };
    let pvh_only = TestElf { pvh: Some(0x10_0000), ..two.clone() };
    let both = TestElf { pvh: Some(0x20_0004), ..two.clone() };
    vec![
        ("bzimage", small.bytes()),
        ("bzimage-lz4", TestBzImage { payload: lz4(&two), ..small.clone() }.bytes()),
        ("bzimage-fixed", TestBzImage { relocatable: false, ..small.clone() }.bytes()),
        ("bzimage-too-big", TestBzImage { init_size: u32::MAX, ..small }.bytes()),
        ("elf", two.bytes()),
        ("elf-both", both.bytes()),
        ("elf-pvh", pvh_only.bytes()),
        ("elf-too-high", TestElf::flat(u64::MAX - 64, vec![0; 32]).bytes()),
        ("gzip", b"\x1f\x8b\x08\0".to_vec()),
        ("script", b"#!/bin/sh\n".to_vec()),
    ]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
