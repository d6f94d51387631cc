//! bzImage kernels: what distributions install as `vmlinuz`.
//!
//! Field names and offsets are those of Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"; the offsets count
//! from the start of the file.

use std::io::{Read, SeekFrom};

use super::Source;
use super::error::KernelProblem;
use crate::bytes::{array, u8_at, u16_at, u32_at, u64_at};

/// Where [`MAGIC`] stands.
const HEADER: usize = 0x202;
const MAGIC: &[u8; 4] = b"HdrS";
/// Where the setup header starts.
pub(super) const SETUP_HEADER: usize = 0x1f1;
/// The zero page has room for a setup header up to here (Documentation/arch/x86/zero-page.rst, edd_mbr_sig_buffer).
const SETUP_HEADER_LIMIT: usize = 0x290;
/// The end of the fields that protocol 2.12 has.
const PROTOCOL_2_12_END: usize = 0x268;
/// The first protocol with `xloadflags`.
const PROTOCOL_2_12: u16 = 0x020c;
/// Setup code and its sector count are in units of this many bytes.
const SECTOR: u64 = 512;
/// What `setup_sects` of 0 means.
const DEFAULT_SETUP_SECTORS: u8 = 4;
/// `syssize` is in units of this many bytes.
const PARAGRAPH: u64 = 16;
/// `loadflags`: the protected-mode code belongs at 1 MiB, not at 64 KiB.
const LOADED_HIGH: u8 = 1;
/// `xloadflags`: there is a 64-bit entry 0x200 bytes into the protected-mode code.
const XLF_KERNEL_64: u16 = 1;
/// Where that entry is.
const ENTRY_64: u64 = 0x200;
/// The longest `kernel_version` string that is read, in bytes.
const MAX_VERSION: u64 = 128;

const CODE32_START: usize = 0x214;

/// What the setup header says, checked against the file's length. Lengths are in bytes.
#[derive(Debug)]
pub(super) struct BzImage {
    /// The setup header as it stands in the file, from [`SETUP_HEADER`] on.
    setup_header: Vec<u8>,
    /// Where the protected-mode code starts in the file.
    pub offset: u64,
    /// The length of the protected-mode code.
    pub size: u64,
    /// Where in the file the packed kernel starts, and its length.
    payload: (u64, u64),
    /// The kernel may be loaded elsewhere than it was linked for.
    relocatable: bool,
    /// What the load address of a relocatable kernel must be a multiple of.
    pub alignment: u64,
    /// Where a kernel that is not relocatable is to be loaded.
    code32_start: u64,
    /// Where the kernel wants to run.
    pub pref_address: u64,
    /// How much memory the kernel needs from where it runs on, before it reads the memory map.
    init_size: u64,
    /// The highest address that the initramfs may occupy.
    pub initrd_addr_max: u64,
    /// The longest command line without its closing NUL.
    pub cmdline_size: u32,
    /// The kernel's own version text.
    pub version: Option<String>,
}

/// Where a bzImage lies in guest memory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placement {
    /// The guest physical address of the protected-mode code.
    pub load: u64,
    /// The lowest address that is used.
    pub start: u64,
    /// The address past the last that is used before the kernel knows the memory map.
    pub end: u64,
}

/// Whether `head`, the start of a file, has the mark of a setup header.
pub(super) fn is_bzimage(head: &[u8]) -> bool {
    array::<4>(head, HEADER).as_ref() == Some(MAGIC)
}

fn bad(offset: usize, reason: String) -> KernelProblem {
    KernelProblem::BadHeader { offset: offset as u64, reason }
}

impl BzImage {
    /// Reads the setup header. `head` is the start of the file.
    pub fn read(source: &mut impl Source, head: &[u8], length: u64) -> Result<Self, KernelProblem> {
        let cut = || truncated(PROTOCOL_2_12_END, length);
        let version = u16_at(head, 0x206).ok_or_else(cut)?;
        if version < PROTOCOL_2_12 {
            return Err(KernelProblem::OldProtocol { version });
        }
        // boot.rst, "64-bit Boot Protocol": the header ends where the jump at 0x200 leads.
        let end = HEADER + usize::from(u8_at(head, 0x201).ok_or_else(cut)?);
        if end < PROTOCOL_2_12_END {
            return Err(bad(0x201, format!("the setup header ends at {end:#x}, before the fields of its protocol")));
        }
        let setup_header = read_setup_header(head, end.min(SETUP_HEADER_LIMIT), length)?;
        check_kind(head)?;
        let (offset, size) = extent(head, length)?;
        let alignment = u64::from(u32_at(head, 0x230).ok_or_else(cut)?);
        let relocatable = u8_at(head, 0x234).ok_or_else(cut)? != 0;
        if relocatable && !alignment.is_power_of_two() {
            return Err(bad(0x230, format!("kernel_alignment {alignment:#x} is not a power of two")));
        }
        Ok(Self {
            setup_header,
            offset,
            size,
            payload: payload(head, offset),
            relocatable,
            alignment,
            code32_start: u64::from(u32_at(head, CODE32_START).ok_or_else(cut)?),
            pref_address: u64_at(head, 0x258).ok_or_else(cut)?,
            init_size: u64::from(u32_at(head, 0x260).ok_or_else(cut)?),
            initrd_addr_max: u64::from(u32_at(head, 0x22c).ok_or_else(cut)?),
            cmdline_size: u32_at(head, 0x238).ok_or_else(cut)?,
            version: version_text(source, head, length),
        })
    }

    /// Chooses where to load, at or above `lowest`; `None` when the addresses go beyond 64 bits.
    ///
    /// A relocatable kernel is loaded where it wants to run. The decompressor would move a kernel that lies below there up
    /// before it starts, so any lower place costs the guest the same memory and touches more of it.
    pub fn place(&self, lowest: u64) -> Option<Placement> {
        let (load, runs_at) = if self.relocatable {
            let load = self.pref_address.max(lowest).checked_next_multiple_of(self.alignment)?;
            (load, load)
        } else if self.pref_address == 0 {
            (self.code32_start, self.code32_start)
        } else {
            (self.code32_start, self.pref_address)
        };
        let end = load.checked_add(self.size)?.max(runs_at.checked_add(self.init_size)?);
        Some(Placement { load, start: load.min(runs_at), end })
    }

    /// The packed kernel, from its first byte on, with whatever the kernel's build put behind it.
    pub fn payload<'a>(&self, source: &'a mut impl Source) -> Result<impl Read + 'a, KernelProblem> {
        let (start, length) = self.payload;
        let part = || "the compressed kernel".to_owned();
        source.seek(SeekFrom::Start(start)).map_err(|source| KernelProblem::Read { part: part(), source })?;
        Ok(source.take(length))
    }

    /// The 64-bit entry of a kernel that was loaded at `load`.
    pub fn entry(load: u64) -> u64 {
        load.saturating_add(ENTRY_64)
    }

    /// The setup header to hand to the kernel: what the file has, and where the kernel was loaded.
    pub fn setup_header(&self, load: u64) -> Vec<u8> {
        let mut header = self.setup_header.clone();
        let at = CODE32_START - SETUP_HEADER;
        if let (Ok(load), Some(field)) = (u32::try_from(load), header.get_mut(at..at + 4)) {
            field.copy_from_slice(&load.to_le_bytes());
        }
        header
    }
}

fn truncated(needed: usize, length: u64) -> KernelProblem {
    KernelProblem::Truncated { part: "the setup header".to_owned(), needed: needed as u64, length }
}

/// The header as it stands in the file, which is of `length` bytes.
fn read_setup_header(head: &[u8], end: usize, length: u64) -> Result<Vec<u8>, KernelProblem> {
    Ok(head.get(SETUP_HEADER..end).ok_or_else(|| truncated(end, length))?.to_vec())
}

/// Is it a bzImage, rather than a zImage, that a 64-bit CPU can enter in long mode?
fn check_kind(head: &[u8]) -> Result<(), KernelProblem> {
    if u8_at(head, 0x211).unwrap_or_default() & LOADED_HIGH == 0 {
        return Err(bad(0x211, "loadflags lacks LOADED_HIGH: it is a zImage".to_owned()));
    }
    if u16_at(head, 0x236).unwrap_or_default() & XLF_KERNEL_64 == 0 {
        return Err(KernelProblem::ThirtyTwoBit { evidence: "xloadflags at 0x236 lacks XLF_KERNEL_64" });
    }
    Ok(())
}

/// Where the protected-mode code starts in the file, and how long it is.
fn extent(head: &[u8], length: u64) -> Result<(u64, u64), KernelProblem> {
    let sectors = match u8_at(head, SETUP_HEADER).unwrap_or_default() {
        0 => DEFAULT_SETUP_SECTORS,
        sectors => sectors,
    };
    let offset = (u64::from(sectors) + 1) * SECTOR;
    let code = u64::from(u32_at(head, 0x1f4).unwrap_or_default()) * PARAGRAPH;
    let payload_offset = u64::from(u32_at(head, 0x248).unwrap_or_default());
    let payload_length = u64::from(u32_at(head, 0x24c).unwrap_or_default());
    // The 64-bit entry must be in the file as well.
    for (part, size) in [
        ("the 64-bit entry", ENTRY_64 + 1),
        ("the protected-mode code", code),
        ("the compressed kernel", payload_offset + payload_length),
    ] {
        let needed = offset + size;
        if needed > length {
            return Err(KernelProblem::Truncated { part: part.to_owned(), needed, length });
        }
    }
    Ok((offset, length - offset))
}

/// Where the packed kernel starts in the file, and how long it is; [`extent`] has found both to be in the file.
fn payload(head: &[u8], code: u64) -> (u64, u64) {
    let field = |offset| u64::from(u32_at(head, offset).unwrap_or_default());
    (code + field(0x248), field(0x24c))
}

/// The text that `kernel_version` points to, if it is one: "6.1.0-13-cloud-amd64 (...) #1 SMP ...".
fn version_text(source: &mut impl Source, head: &[u8], length: u64) -> Option<String> {
    let pointer = u64::from(u16_at(head, 0x20e).filter(|pointer| *pointer != 0)?);
    let start = pointer + 0x200;
    let size = MAX_VERSION.min(length.checked_sub(start)?);
    let bytes = source.read_part("the version text", start, size, length).ok()?;
    let text = bytes.split(|byte| *byte == 0).next()?;
    let printable = !text.is_empty() && text.iter().all(|byte| matches!(byte, b' '..=b'~'));
    printable.then(|| String::from_utf8_lossy(text).trim_end().to_owned())
}
