//! The last step before a kernel starts: everything that it finds in memory is written, in the form that it asks for.

use ovum_boot::Entry;
use vm_memory::GuestMemoryMmap;

use super::boot_data::{self, BootData, BootDataError};
use super::registers::{self, StartState};
use super::{acpi, boot_params, layout, pvh};

/// Writes command line, ACPI tables, boot parameters and page tables into guest memory, and says in what state the first
/// vCPU is to start.
///
/// # Errors
/// When something does not fit in guest memory, or in the place that the layout gives it.
pub fn write_boot_data(memory: &GuestMemoryMmap, data: &BootData<'_>) -> Result<StartState, BootDataError> {
    boot_data::write(memory, "command line", layout::CMDLINE, layout::CMDLINE_ROOM, data.cmdline.to_bytes_with_nul())?;
    let rsdp = acpi::write(memory, data)?;
    match &data.kernel.entry {
        Entry::Linux64 { rip, setup_header } => {
            boot_params::write(memory, data, setup_header.as_deref(), rsdp)?;
            registers::write_long_mode_tables(memory)?;
            Ok(StartState::Long { rip: *rip, zero_page: layout::ZERO_PAGE })
        }
        Entry::Pvh { eip } => {
            pvh::write(memory, data, rsdp)?;
            registers::write_protected_mode_gdt(memory)?;
            Ok(StartState::Protected { eip: *eip, start_info: layout::PVH_START_INFO })
        }
    }
}
