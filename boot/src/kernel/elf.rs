//! ELF kernels: `vmlinux` and everything else that is linked for physical addresses.
//!
//! Field names and numbers are those of the System V ABI, "Object Files" (ELF-64), and of the x86-64 supplement.

use super::error::KernelProblem;
use super::{Architecture, Resemblance, Source};
use crate::bytes::{array, u8_at, u16_at, u32_at, u64_at};

/// The first bytes of every ELF file.
pub(super) const MAGIC: &[u8; 4] = b"\x7fELF";

/// sizeof(Elf64_Ehdr), in bytes.
const HEADER_SIZE: usize = 64;
/// sizeof(Elf64_Phdr), in bytes.
const PROGRAM_HEADER_SIZE: usize = 56;
/// No kernel has nearly as many; a bound on what a hostile file makes us read.
const MAX_PROGRAM_HEADERS: u16 = 128;
/// Notes beyond this many bytes of a note segment are not looked at.
const MAX_NOTES: u64 = 64 << 10;

// e_ident, by index.
const EI_CLASS: usize = 4;
const EI_DATA: usize = 5;
const ELFCLASS32: u8 = 1;
const ELFCLASS64: u8 = 2;
const ELFDATA2MSB: u8 = 2;
// Fields of Elf64_Ehdr, by offset.
const E_TYPE: usize = 16;
const E_MACHINE: usize = 18;
const E_ENTRY: usize = 24;
const E_PHOFF: usize = 32;
const E_PHENTSIZE: usize = 54;
const E_PHNUM: usize = 56;
// e_type.
const ET_REL: u16 = 1;
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;
const ET_CORE: u16 = 4;
// e_machine.
const EM_386: u16 = 3;
const EM_X86_64: u16 = 62;
const EM_AARCH64: u16 = 183;
const EM_RISCV: u16 = 243;
// p_type, and the fields of Elf64_Phdr by offset.
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const P_OFFSET: usize = 8;
const P_PADDR: usize = 24;
const P_FILESZ: usize = 32;
const P_MEMSZ: usize = 40;
/// Xen's include/public/elfnote.h: the note whose description is the 32-bit entry point for PVH guests.
const XEN_ELFNOTE_PHYS32_ENTRY: u32 = 18;

/// A part of the file that has to be in guest memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// Where in the file it starts, in bytes.
    pub offset: u64,
    /// Guest physical address of its first byte.
    pub address: u64,
    /// How many bytes the file holds of it.
    pub file_size: u64,
    /// How many bytes it has in memory; those that the file does not hold are zero.
    pub memory_size: u64,
}

impl Segment {
    /// The address past its last byte; that it exists is checked when the segment is read.
    pub fn end(&self) -> u64 {
        self.address.saturating_add(self.memory_size)
    }

    /// Whether an instruction at `address` comes from the file.
    pub fn holds(&self, address: u64) -> bool {
        address.checked_sub(self.address).is_some_and(|offset| offset < self.file_size)
    }
}

/// What the headers of an ELF kernel say, checked against the file's length.
#[derive(Debug)]
pub(super) struct Elf {
    /// What to load.
    pub segments: Vec<Segment>,
    /// The 64-bit Linux entry, if there is one.
    pub linux64: Option<u64>,
    /// The 32-bit entry for PVH guests, if there is one.
    pub pvh: Option<u64>,
}

impl Elf {
    /// Reads the headers and notes. `head` is the start of the file.
    pub fn read(source: &mut impl Source, head: &[u8], length: u64) -> Result<Self, KernelProblem> {
        check_identity(head, length)?;
        let programs = program_headers(source, head, length)?;
        let segments = segments(&programs, length)?;
        let mut pvh = None;
        for (number, program) in programs.iter().enumerate() {
            if pvh.is_none() && u32_at(program, 0) == Some(PT_NOTE) {
                pvh = pvh_entry(source, number, program, length)?;
            }
        }
        let entry = u64_at(head, E_ENTRY).unwrap_or_default();
        let in_a_segment = |address: u64| segments.iter().any(|segment| segment.holds(address));
        if let Some(outside) = pvh.filter(|entry| !in_a_segment(*entry)) {
            return Err(bad(E_PHOFF, format!("the PVH entry point {outside:#x} is in no segment")));
        }
        // Kernels made for PVH alone name its 32-bit entry in the ELF header too; those of other systems give a virtual
        // address there, which is in no segment's physical range.
        let linux64 = Some(entry).filter(|entry| in_a_segment(*entry) && Some(*entry) != pvh);
        if linux64.is_none() && pvh.is_none() {
            return Err(bad(E_ENTRY, format!("the entry point {entry:#x} is in no segment")));
        }
        Ok(Self { segments, linux64, pvh })
    }

    /// Reads the segments and the entry point alone, of a file of which only the start, `head`, is at hand.
    pub fn read_segments(
        source: &mut impl Source,
        head: &[u8],
        length: u64,
    ) -> Result<(Vec<Segment>, u64), KernelProblem> {
        check_identity(head, length)?;
        let programs = program_headers(source, head, length)?;
        Ok((segments(&programs, length)?, u64_at(head, E_ENTRY).unwrap_or_default()))
    }
}

/// What the program headers want loaded: at least one segment.
fn segments(programs: &[ProgramHeader], length: u64) -> Result<Vec<Segment>, KernelProblem> {
    let mut segments = Vec::new();
    for (number, program) in programs.iter().enumerate() {
        if u32_at(program, 0) == Some(PT_LOAD) {
            segments.extend(segment(number, program, length)?);
        }
    }
    if segments.is_empty() {
        return Err(bad(E_PHOFF, "no program header names a segment to load".to_owned()));
    }
    Ok(segments)
}

fn bad(offset: usize, reason: String) -> KernelProblem {
    KernelProblem::BadHeader { offset: offset as u64, reason }
}

/// Is it an executable for a 64-bit x86 CPU?
fn check_identity(head: &[u8], length: u64) -> Result<(), KernelProblem> {
    let truncated =
        || KernelProblem::Truncated { part: "the ELF header".to_owned(), needed: HEADER_SIZE as u64, length };
    let class = u8_at(head, EI_CLASS).ok_or_else(truncated)?;
    let order = u8_at(head, EI_DATA).ok_or_else(truncated)?;
    match class {
        ELFCLASS64 => {}
        ELFCLASS32 => return Err(KernelProblem::ThirtyTwoBit { evidence: "byte 4 of its ELF header is 1" }),
        other => return Err(bad(EI_CLASS, format!("ELF class {other} is neither 32-bit (1) nor 64-bit (2)"))),
    }
    if order == ELFDATA2MSB {
        return Err(KernelProblem::BigEndian);
    }
    if array::<HEADER_SIZE>(head, 0).is_none() {
        return Err(truncated());
    }
    match u16_at(head, E_MACHINE).unwrap_or_default() {
        EM_X86_64 => {}
        EM_386 => return Err(KernelProblem::ThirtyTwoBit { evidence: "e_machine is EM_386" }),
        EM_AARCH64 => return Err(KernelProblem::OtherArchitecture(Architecture::Aarch64)),
        EM_RISCV => return Err(KernelProblem::OtherArchitecture(Architecture::Riscv64)),
        other => return Err(KernelProblem::OtherArchitecture(Architecture::Other(other))),
    }
    let name = match u16_at(head, E_TYPE).unwrap_or_default() {
        ET_EXEC => return Ok(()),
        ET_REL => "a relocatable ELF object, such as a kernel module (.ko)",
        ET_DYN => "a shared ELF object or a position-independent program",
        ET_CORE => "an ELF core dump",
        _ => "an ELF file that cannot be executed",
    };
    Err(KernelProblem::NotAKernel(Some(Resemblance::named(name))))
}

type ProgramHeader = [u8; PROGRAM_HEADER_SIZE];

fn program_headers(source: &mut impl Source, head: &[u8], length: u64) -> Result<Vec<ProgramHeader>, KernelProblem> {
    let start = u64_at(head, E_PHOFF).unwrap_or_default();
    let size = u16_at(head, E_PHENTSIZE).unwrap_or_default();
    let count = u16_at(head, E_PHNUM).unwrap_or_default();
    if usize::from(size) != PROGRAM_HEADER_SIZE {
        return Err(bad(E_PHENTSIZE, format!("program headers of {size} bytes instead of {PROGRAM_HEADER_SIZE}")));
    }
    if count > MAX_PROGRAM_HEADERS {
        return Err(bad(E_PHNUM, format!("{count} program headers; at most {MAX_PROGRAM_HEADERS} are read")));
    }
    let part = "the table of program headers";
    let bytes = source.read_part(part, start, u64::from(count) * PROGRAM_HEADER_SIZE as u64, length)?;
    Ok(bytes.as_chunks().0.to_vec())
}

/// The segment that a program header names; none for one without a byte.
fn segment(number: usize, program: &[u8], length: u64) -> Result<Option<Segment>, KernelProblem> {
    let field = |offset| u64_at(program, offset).unwrap_or_default();
    let segment = Segment {
        offset: field(P_OFFSET),
        address: field(P_PADDR),
        file_size: field(P_FILESZ),
        memory_size: field(P_MEMSZ),
    };
    let broken = |reason: &str| bad(E_PHOFF, format!("program header {number}: {reason}"));
    if segment.memory_size < segment.file_size {
        return Err(broken("the segment is larger in the file than in memory"));
    }
    if segment.memory_size == 0 {
        return Ok(None);
    }
    if segment.address.checked_add(segment.memory_size).is_none() {
        return Err(broken("the segment's addresses go beyond 64 bits"));
    }
    let end = segment.offset.saturating_add(segment.file_size);
    if end > length {
        return Err(KernelProblem::Truncated { part: format!("segment {number}"), needed: end, length });
    }
    Ok(Some(segment))
}

/// Looks for the PVH entry in a note segment: notes are a header of three words (name size, description size, type), the
/// name, and the description, each padded to 4 bytes.
fn pvh_entry(
    source: &mut impl Source,
    number: usize,
    program: &[u8],
    length: u64,
) -> Result<Option<u64>, KernelProblem> {
    let start = u64_at(program, P_OFFSET).unwrap_or_default();
    let size = u64_at(program, P_FILESZ).unwrap_or_default().min(MAX_NOTES);
    let notes = source.read_part(&format!("note segment {number}"), start, size, length)?;
    Ok(find_pvh_note(&notes))
}

fn find_pvh_note(mut notes: &[u8]) -> Option<u64> {
    loop {
        let name_size = usize::try_from(u32_at(notes, 0)?).ok()?;
        let description_size = usize::try_from(u32_at(notes, 4)?).ok()?;
        let kind = u32_at(notes, 8)?;
        let name = notes.get(12..12usize.checked_add(name_size)?)?;
        let rest = notes.get(12usize.checked_add(name_size.checked_next_multiple_of(4)?)?..)?;
        if kind == XEN_ELFNOTE_PHYS32_ENTRY && name == b"Xen\0" && description_size >= 4 {
            return u32_at(rest, 0).map(u64::from);
        }
        notes = rest.get(description_size.checked_next_multiple_of(4)?..)?;
    }
}
