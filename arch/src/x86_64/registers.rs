//! The registers with which the first vCPU starts, and the tables in memory that they point to.
//!
//! Two states: long mode with the first 4 GiB mapped one to one, as Linux's 64-bit boot protocol asks, and flat 32-bit
//! protected mode, as PVH asks.

use kvm_bindings::{kvm_regs, kvm_segment, kvm_sregs};
use kvm_ioctls::VcpuFd;
use vm_memory::GuestMemoryMmap;

use super::boot_data::{self, BootDataError};
use super::layout::{GDT, PAGE_TABLES};

/// Control register bits (Intel SDM volume 3, 2.5; AMD APM volume 2, 3.1).
const CR0_PE: u64 = 1;
const CR0_ET: u64 = 1 << 4;
const CR0_PG: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const EFER_LME: u64 = 1 << 8;
const EFER_LMA: u64 = 1 << 10;
/// RFLAGS: bit 1 is always set; interrupts are off.
const RFLAGS: u64 = 1 << 1;

/// Page table entry bits: present, writable; and in a third-level entry, a page of 2 MiB.
const PRESENT_WRITABLE: u64 = 0b11;
const LARGE: u64 = 1 << 7;
const PAGE: u64 = 0x1000;
const ENTRIES: u64 = 512;
/// Third-level tables: one maps 1 GiB.
const MAPPED_GIB: u64 = 4;

/// The state in which the first vCPU starts. The others wait for its start-up interrupts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartState {
    /// Linux's 64-bit boot protocol: `rip`, and the address of the zero page for `rsi`.
    Long {
        /// First instruction.
        rip: u64,
        /// Guest-physical address of `boot_params`.
        zero_page: u64,
    },
    /// PVH: `eip`, and the address of the start info for `ebx`.
    Protected {
        /// First instruction.
        eip: u64,
        /// Guest-physical address of `hvm_start_info`.
        start_info: u64,
    },
}

impl StartState {
    /// The guest-physical address of the first instruction.
    pub fn first_instruction(&self) -> u64 {
        match self {
            Self::Long { rip, .. } => *rip,
            Self::Protected { eip, .. } => *eip,
        }
    }

    /// Loads a vCPU with this state.
    pub(super) fn load(&self, vcpu: &VcpuFd) -> Result<(), kvm_ioctls::Error> {
        let mut sregs = vcpu.get_sregs()?;
        let regs = match *self {
            Self::Long { rip, zero_page } => {
                long_mode(&mut sregs);
                kvm_regs { rip, rsi: zero_page, rflags: RFLAGS, ..Default::default() }
            }
            Self::Protected { eip, start_info } => {
                protected_mode(&mut sregs);
                kvm_regs { rip: eip, rbx: start_info, rflags: RFLAGS, ..Default::default() }
            }
        };
        vcpu.set_sregs(&sregs)?;
        vcpu.set_regs(&regs)
    }
}

fn long_mode(sregs: &mut kvm_sregs) {
    flat_segments(sregs, &Segment::CODE_64);
    sregs.cr0 = CR0_PE | CR0_ET | CR0_PG;
    sregs.cr3 = PAGE_TABLES;
    sregs.cr4 = CR4_PAE;
    sregs.efer = EFER_LME | EFER_LMA;
}

fn protected_mode(sregs: &mut kvm_sregs) {
    flat_segments(sregs, &Segment::CODE_32);
    sregs.cr0 = CR0_PE | CR0_ET;
    sregs.cr4 = 0;
    sregs.efer = 0;
}

fn flat_segments(sregs: &mut kvm_sregs, code: &Segment) {
    sregs.gdt.base = GDT;
    sregs.gdt.limit = Segment::TABLE_LIMIT;
    sregs.idt.base = 0;
    sregs.idt.limit = 0;
    sregs.cs = code.register();
    for data in [&mut sregs.ds, &mut sregs.es, &mut sregs.fs, &mut sregs.gs, &mut sregs.ss] {
        *data = Segment::DATA.register();
    }
    sregs.tr = Segment::TASK.register();
}

/// A segment with base 0, as a descriptor in memory and as a CPU's register hold it (Intel SDM volume 3, 3.4.5).
struct Segment {
    selector: u16,
    kind: u8,
    limit: u32,
    /// Code or data, not a system segment.
    ordinary: bool,
    long: bool,
    default_32: bool,
}

impl Segment {
    const CODE_64: Self =
        Self { selector: 0x10, kind: 0xb, limit: 0xf_ffff, ordinary: true, long: true, default_32: false };
    const CODE_32: Self =
        Self { selector: 0x10, kind: 0xb, limit: 0xf_ffff, ordinary: true, long: false, default_32: true };
    const DATA: Self =
        Self { selector: 0x18, kind: 0x3, limit: 0xf_ffff, ordinary: true, long: false, default_32: true };
    const TASK: Self = Self { selector: 0x20, kind: 0xb, limit: 0x67, ordinary: false, long: false, default_32: false };
    /// Two empty entries, then code, data, and the task's two.
    const TABLE_LIMIT: u16 = 6 * 8 - 1;

    /// Limits of code and data count pages, the task's counts bytes.
    fn granular(&self) -> bool {
        self.ordinary
    }

    fn register(&self) -> kvm_segment {
        let limit = if self.granular() { (self.limit << 12) | 0xfff } else { self.limit };
        kvm_segment {
            base: 0,
            limit,
            selector: self.selector,
            type_: self.kind,
            present: 1,
            dpl: 0,
            db: u8::from(self.default_32),
            s: u8::from(self.ordinary),
            l: u8::from(self.long),
            g: u8::from(self.granular()),
            avl: 0,
            unusable: 0,
            padding: 0,
        }
    }

    fn descriptor(&self) -> u64 {
        const PRESENT: u64 = 1 << 47;
        u64::from(self.limit & 0xffff)
            | u64::from(self.kind) << 40
            | u64::from(self.ordinary) << 44
            | PRESENT
            | u64::from(self.limit >> 16) << 48
            | u64::from(self.long) << 53
            | u64::from(self.default_32) << 54
            | u64::from(self.granular()) << 55
    }
}

/// Writes the descriptor table and the page tables for long mode.
pub(super) fn write_long_mode_tables(memory: &GuestMemoryMmap) -> Result<(), BootDataError> {
    write_gdt(memory, &Segment::CODE_64)?;
    let second = PAGE_TABLES + PAGE;
    let third = second + PAGE;
    let top = [second | PRESENT_WRITABLE];
    let middle: Vec<u64> = (0..MAPPED_GIB).map(|gib| (third + gib * PAGE) | PRESENT_WRITABLE).collect();
    let large: Vec<u64> = (0..MAPPED_GIB * ENTRIES).map(|page| page << 21 | PRESENT_WRITABLE | LARGE).collect();
    write_words(memory, "page tables", PAGE_TABLES, &top)?;
    write_words(memory, "page tables", second, &middle)?;
    write_words(memory, "page tables", third, &large)
}

/// Writes the descriptor table for protected mode.
pub(super) fn write_protected_mode_gdt(memory: &GuestMemoryMmap) -> Result<(), BootDataError> {
    write_gdt(memory, &Segment::CODE_32)
}

fn write_gdt(memory: &GuestMemoryMmap, code: &Segment) -> Result<(), BootDataError> {
    let table = [0, 0, code.descriptor(), Segment::DATA.descriptor(), Segment::TASK.descriptor(), 0];
    write_words(memory, "descriptor table", GDT, &table)
}

fn write_words(memory: &GuestMemoryMmap, what: &'static str, address: u64, words: &[u64]) -> Result<(), BootDataError> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    boot_data::write(memory, what, address, bytes.len(), &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_those_of_the_boot_protocol() {
        // Linux, boot.rst, "64-bit boot protocol": 4 GiB flat, code execute/read, data read/write.
        assert_eq!(Segment::CODE_64.descriptor(), 0x00af_9b00_0000_ffff);
        assert_eq!(Segment::CODE_32.descriptor(), 0x00cf_9b00_0000_ffff);
        assert_eq!(Segment::DATA.descriptor(), 0x00cf_9300_0000_ffff);
    }

    #[test]
    fn page_tables_map_four_gib_one_to_one() {
        use vm_memory::{Bytes, GuestAddress};
        let memory = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap();
        write_long_mode_tables(&memory).unwrap();
        let entry =
            |table: u64, index: u64| memory.read_obj::<u64>(GuestAddress((table & !0xfff) + index * 8)).unwrap();
        for address in [0u64, 0x10_0000, 0xd000_0000, 0xffff_f000] {
            let second = entry(PAGE_TABLES, address >> 39);
            let third = entry(second, address >> 30 & 511);
            let page = entry(third, address >> 21 & 511);
            assert_eq!(page & LARGE, LARGE);
            assert_eq!((page & !0x1f_ffff) | (address & 0x1f_ffff), address);
        }
    }
}
