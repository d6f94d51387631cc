//! PVH: the start of a kernel in 32-bit protected mode (Xen, `public/arch-x86/hvm/start_info.h`).

use linux_loader::loader::elf::start_info::{hvm_memmap_table_entry, hvm_modlist_entry, hvm_start_info};
use vm_memory::{ByteValued, GuestMemoryMmap};

use super::boot_data::{self, BootData, BootDataError};
use super::layout;

/// `XEN_HVM_START_MAGIC_VALUE`.
const MAGIC: u32 = 0x336e_c578;
/// The version that has a memory map.
const VERSION: u32 = 1;
/// Offsets from the start info of what lies behind it, and the end of all of it: everything stays in front of the zero
/// page.
const MODULES: u16 = 0x80;
const MEMORY_MAP: u16 = 0x100;
const END: u16 = 0x1000;
const _: () = assert!(layout::PVH_START_INFO + END as u64 <= layout::ZERO_PAGE);

/// Writes the start info, its list of modules (the initramfs) and its memory map.
pub(super) fn write(memory: &GuestMemoryMmap, data: &BootData<'_>, rsdp: u64) -> Result<(), BootDataError> {
    let map: Vec<u8> = layout::memory_map(data.memory_size, data.pci_bus())
        .into_iter()
        .map(|entry| hvm_memmap_table_entry { addr: entry.start, size: entry.len, type_: entry.kind, reserved: 0 })
        .flat_map(|entry| entry.as_slice().to_vec())
        .collect();
    let entries = map.len() / size_of::<hvm_memmap_table_entry>();
    let info = hvm_start_info {
        magic: MAGIC,
        version: VERSION,
        nr_modules: u32::from(data.initramfs.is_some()),
        modlist_paddr: address(MODULES),
        cmdline_paddr: layout::CMDLINE,
        rsdp_paddr: rsdp,
        memmap_paddr: address(MEMORY_MAP),
        memmap_entries: u32::try_from(entries).unwrap_or(0),
        ..Default::default()
    };
    let (start, len) = data.initramfs.map_or((0, 0), |(start, len)| (start.0, len));
    let module = hvm_modlist_entry { paddr: start, size: len, ..Default::default() };
    let parts: [(&'static str, u16, u16, &[u8]); 3] = [
        ("PVH start info", 0, MODULES, info.as_slice()),
        ("PVH module list", MODULES, MEMORY_MAP, module.as_slice()),
        ("PVH memory map", MEMORY_MAP, END, &map),
    ];
    for (what, start, end, bytes) in parts {
        boot_data::write(memory, what, address(start), usize::from(end - start), bytes)?;
    }
    Ok(())
}

fn address(offset: u16) -> u64 {
    layout::PVH_START_INFO + u64::from(offset)
}
