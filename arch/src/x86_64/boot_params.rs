//! The zero page: how Linux's 64-bit boot protocol hands a kernel its parameters (Linux, `Documentation/arch/x86/boot.rst`
//! and `zero-page.rst`).

use linux_loader::loader::bootparam::{boot_e820_entry, boot_params, setup_header};
use vm_memory::{ByteValued, GuestMemoryMmap};

use super::boot_data::{self, BootData, BootDataError};
use super::layout;

/// `boot_flag`, at the end of a kernel's first sector.
const BOOT_FLAG: u16 = 0xaa55;
/// `header`: "HdrS".
const HEADER: u32 = 0x5372_6448;
/// `type_of_loader`: one without a number of its own.
const LOADER_UNDEFINED: u8 = 0xff;
/// `kernel_alignment` for kernels that do not say: 16 MiB.
const KERNEL_ALIGNMENT: u32 = 0x0100_0000;

/// Writes the zero page. `kernel_header` is the kernel's own set-up header (its bytes from offset 0x1f1 on), as far as it
/// has one.
pub(super) fn write(
    memory: &GuestMemoryMmap,
    data: &BootData<'_>,
    kernel_header: Option<&[u8]>,
    rsdp: u64,
) -> Result<(), BootDataError> {
    let mut params = boot_params { hdr: header(kernel_header), acpi_rsdp_addr: rsdp, ..Default::default() };
    params.hdr.type_of_loader = LOADER_UNDEFINED;
    let cmdline = layout::CMDLINE;
    (params.hdr.cmd_line_ptr, params.ext_cmd_line_ptr) = halves(cmdline);
    params.hdr.cmdline_size = low(data.cmdline.to_bytes().len() as u64);
    if let Some((start, len)) = data.initramfs {
        (params.hdr.ramdisk_image, params.ext_ramdisk_image) = halves(start.0);
        (params.hdr.ramdisk_size, params.ext_ramdisk_size) = halves(len);
    }
    let map = layout::memory_map(data.memory_size, data.pci_bus());
    for (slot, entry) in params.e820_table.iter_mut().zip(&map) {
        *slot = boot_e820_entry { addr: entry.start, size: entry.len, r#type: entry.kind };
        params.e820_entries += 1;
    }
    boot_data::write(memory, "zero page", layout::ZERO_PAGE, size_of::<boot_params>(), params.as_slice())
}

/// The kernel's set-up header, or for a kernel that has none, the fields that it checks.
fn header(kernel: Option<&[u8]>) -> setup_header {
    let mut header = setup_header::default();
    match kernel {
        Some(bytes) => {
            for (to, from) in header.as_mut_slice().iter_mut().zip(bytes) {
                *to = *from;
            }
        }
        None => {
            header.boot_flag = BOOT_FLAG;
            header.header = HEADER;
            header.kernel_alignment = KERNEL_ALIGNMENT;
        }
    }
    header
}

/// The low and the high 32 bits.
fn halves(value: u64) -> (u32, u32) {
    (low(value), low(value >> 32))
}

#[allow(clippy::cast_possible_truncation)] // the point of it
fn low(value: u64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernels_own_header_is_kept_and_a_missing_one_made() {
        let mut own = vec![0u8; size_of::<setup_header>()];
        own[0] = 7; // setup_sects
        let kept = header(Some(&own));
        assert_eq!({ kept.setup_sects }, 7);
        assert_eq!({ kept.boot_flag }, 0, "nothing is made up");
        assert_eq!({ header(None).header }, HEADER);
    }

    #[test]
    fn a_header_longer_or_shorter_than_ours_is_cut_or_filled() {
        assert_eq!({ header(Some(&[9u8; 4096])).setup_sects }, 9);
        assert_eq!({ header(Some(&[9u8; 3])).kernel_info_offset }, 0);
    }
}
