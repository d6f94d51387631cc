//! An ELF kernel that comes piece by piece, and goes to its place in guest memory as it comes.

use std::io::Cursor;
use std::ops::Range;

use vm_memory::{Bytes, GuestAddress};

use super::super::elf::{self, Elf, Segment};
use super::super::error::KernelProblem;
use super::unsuited;
use crate::bytes::{u16_at, u64_at};
use crate::memory::Memory;

/// The ELF header and all program headers must lie in so many bytes at the start.
const HEAD: usize = 16 << 10;
/// Room for the table of relocations, in bytes; the largest kernels of distributions need 3 MiB.
const MAX_TABLE: usize = 32 << 20;
/// Pages of zeros are not written, as guest memory is zero where nothing was written; in bytes.
const PAGE: u64 = PAGE_BYTES as u64;
const PAGE_BYTES: usize = 4096;
// Fields of Elf64_Ehdr, by offset.
const E_SHOFF: usize = 40;
const E_SHENTSIZE: usize = 58;
const E_SHNUM: usize = 60;

/// A kernel in its place.
pub(super) struct Placed {
    /// Guest physical address of the first instruction.
    pub entry: u64,
    /// The address past the last segment's last byte.
    pub end: u64,
    /// What comes behind the ELF file: its relocations, if it has any.
    pub table: Vec<u8>,
}

/// What the ELF headers say.
struct Layout {
    segments: Vec<Segment>,
    entry: u64,
    /// The length of the ELF file, in bytes.
    length: u64,
}

/// Takes pieces of a kernel and puts them in place.
pub(super) struct Placer<'a> {
    memory: &'a Memory,
    /// Where the kernel may lie.
    room: Range<u64>,
    /// What came before the headers were whole.
    head: Vec<u8>,
    layout: Option<Layout>,
    /// How many bytes were put in place.
    taken: u64,
    table: Vec<u8>,
}

impl<'a> Placer<'a> {
    pub fn new(memory: &'a Memory, room: Range<u64>) -> Self {
        Self { memory, room, head: Vec::new(), layout: None, taken: 0, table: Vec::new() }
    }

    /// Takes the next piece.
    pub fn take(&mut self, piece: &[u8]) -> Result<(), KernelProblem> {
        if self.layout.is_some() {
            return self.put(piece);
        }
        self.head.extend_from_slice(piece);
        if self.head.len() >= HEAD { self.start() } else { Ok(()) }
    }

    /// Takes zeros up to an offset of the file.
    pub fn skip_to(&mut self, offset: u64) -> Result<(), KernelProblem> {
        loop {
            let here = self.taken.saturating_add(self.head.len() as u64);
            let left = offset.saturating_sub(here);
            match &self.layout {
                _ if left == 0 => return Ok(()),
                // Zeros in segments are there already.
                Some(layout) if offset <= layout.length => self.taken = offset,
                _ => {
                    let zeros = [0; PAGE_BYTES];
                    let length = usize::try_from(left).unwrap_or(PAGE_BYTES).min(PAGE_BYTES);
                    self.take(zeros.get(..length).unwrap_or_default())?;
                }
            }
        }
    }

    /// Says where the kernel is, when all of it was taken.
    pub fn finish(mut self) -> Result<Placed, KernelProblem> {
        if self.layout.is_none() {
            self.start()?;
        }
        match self.layout {
            Some(layout) if layout.length <= self.taken => {
                let end = layout.segments.iter().map(Segment::end).max().unwrap_or_default();
                Ok(Placed { entry: layout.entry, end, table: self.table })
            }
            _ => Err(unsuited("it ends before its last segment")),
        }
    }

    /// Reads the headers and puts what came so far in place.
    fn start(&mut self) -> Result<(), KernelProblem> {
        let head = std::mem::take(&mut self.head);
        self.layout = Some(self.layout(&head)?);
        self.put(&head)
    }

    fn layout(&self, head: &[u8]) -> Result<Layout, KernelProblem> {
        if !head.starts_with(elf::MAGIC) {
            return Err(unsuited("what it unpacks to is not an ELF kernel"));
        }
        let room = self.room.end - self.room.start;
        let (segments, entry) = Elf::read_segments(&mut Cursor::new(head), head, room)
            .map_err(|problem| unsuited(&format!("what it unpacks to is no good kernel: {problem}")))?;
        let outside = |segment: &Segment| segment.address < self.room.start || segment.end() > self.room.end;
        if segments.iter().any(outside) {
            return Err(unsuited("a segment lies outside of the memory that its header asks for"));
        }
        if segments.iter().map(|segment| segment.address).min() != Some(self.room.start) {
            return Err(unsuited("it was not linked for the address that its header prefers"));
        }
        if !segments.iter().any(|segment| segment.holds(entry)) {
            return Err(unsuited("its entry point is in no segment"));
        }
        let length = file_length(head, &segments).ok_or_else(|| unsuited("its section headers are broken"))?;
        Ok(Layout { segments, entry, length })
    }

    fn put(&mut self, piece: &[u8]) -> Result<(), KernelProblem> {
        let Some(layout) = &self.layout else { return Ok(()) };
        let here = self.taken..self.taken.saturating_add(piece.len() as u64);
        for segment in &layout.segments {
            let file = segment.offset..segment.offset.saturating_add(segment.file_size);
            if let Some(bytes) = common(piece, &here, &file) {
                let into = here.start.max(file.start) - file.start;
                write(self.memory, segment.address.saturating_add(into), bytes)?;
            }
        }
        if let Some(bytes) = common(piece, &here, &(layout.length..u64::MAX)) {
            if self.table.len().saturating_add(bytes.len()) > MAX_TABLE {
                return Err(unsuited("its table of relocations is too large"));
            }
            self.table.extend_from_slice(bytes);
        }
        self.taken = here.end;
        Ok(())
    }
}

/// The bytes of `piece`, which lies at `here` in the file, that lie in `wanted` as well.
fn common<'a>(piece: &'a [u8], here: &Range<u64>, wanted: &Range<u64>) -> Option<&'a [u8]> {
    let from = wanted.start.max(here.start).checked_sub(here.start)?;
    let to = wanted.end.min(here.end).checked_sub(here.start)?;
    piece.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?).filter(|bytes| !bytes.is_empty())
}

/// Writes to guest memory what is not zero, page by page.
fn write(memory: &Memory, address: u64, bytes: &[u8]) -> Result<(), KernelProblem> {
    let mut address = address;
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = usize::try_from(PAGE - address % PAGE).unwrap_or(usize::MAX).min(rest.len());
        let (page, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        if !is_zero(page) {
            memory
                .write_slice(page, GuestAddress(address))
                .map_err(|error| unsuited(&format!("guest memory cannot be written: {error}")))?;
        }
        address = address.saturating_add(page.len() as u64);
        rest = behind;
    }
    Ok(())
}

pub(super) fn is_zero(bytes: &[u8]) -> bool {
    // Comparing goes by as many bytes at a time as the CPU can.
    const ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];
    bytes.chunks(PAGE_BYTES).all(|chunk| ZEROS.get(..chunk.len()) == Some(chunk))
}

/// Where the ELF file ends: behind its last segment and its section headers, which a linked kernel has last.
fn file_length(head: &[u8], segments: &[Segment]) -> Option<u64> {
    let sections = u64::from(u16_at(head, E_SHENTSIZE)?) * u64::from(u16_at(head, E_SHNUM)?);
    let sections_end = if sections == 0 { 0 } else { u64_at(head, E_SHOFF)?.checked_add(sections)? };
    let segments_end = segments.iter().map(|segment| segment.offset.saturating_add(segment.file_size)).max()?;
    Some(sections_end.max(segments_end))
}
