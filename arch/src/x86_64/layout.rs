//! Where everything lies in an x86-64 machine: guest-physical addresses, ports, interrupts.
//!
//! ```text
//! 0x0000_0000  memory: first megabyte holds what the kernel is handed (below), the kernel starts at 1 MiB
//! 0xc000_0000  end of low memory at the latest
//! 0xd000_0000  virtio-mmio devices, 4 KiB each
//! 0xd100_0000  or, on a PCI bus: memory of its functions
//! 0xe000_0000  and its configuration spaces (ECAM)
//! 0xfec0_0000  I/O APIC, local APICs, pages for Intel's real mode
//! 0x1_0000_0000 the rest of the memory
//! ```

use vm_memory::GuestAddress;

use crate::platform::{Address, PciBus, PlatformDevice, PlatformKind, VirtioSlot};

/// The word in which a PC's kernel leaves the kind of reset that it asks for.
pub(super) const RESET_FLAG: u64 = 0x472;
/// Global descriptor table of the starting CPU.
pub(super) const GDT: u64 = 0x500;
/// PVH's `hvm_start_info`, with its lists behind it.
pub(super) const PVH_START_INFO: u64 = 0x6000;
/// The zero page (`boot_params`).
pub(super) const ZERO_PAGE: u64 = 0x7000;
/// Page tables of the starting CPU: a top level, one second level, four third levels for 4 GiB.
pub(super) const PAGE_TABLES: u64 = 0x9000;
/// The kernel's command line, up to 64 KiB of it.
pub(super) const CMDLINE: u64 = 0x2_0000;
/// Room for the command line, in bytes, its final zero included.
pub const CMDLINE_ROOM: usize = 0x1_0000;
/// End of the memory below the old PC's video and firmware area.
pub(super) const BASE_MEMORY_END: u64 = 0x9_fc00;
/// ACPI tables; in the range in which kernels that are not told otherwise look for the RSDP.
pub(super) const ACPI_START: u64 = 0xe_0000;
/// End of the range of the ACPI tables.
pub(super) const ACPI_END: u64 = 0x10_0000;

/// The lowest address at which a kernel may be loaded.
pub const KERNEL_START: GuestAddress = GuestAddress(0x10_0000);

/// Where low memory ends when there is more than this, in bytes from 0: below it, 1 GiB is left for devices.
pub const LOW_MEMORY_END: u64 = 0xc000_0000;
/// Where the rest of the memory goes on.
pub const HIGH_MEMORY_START: u64 = 0x1_0000_0000;

const VIRTIO_START: u64 = 0xd000_0000;
const VIRTIO_LEN: u64 = 0x1000;
/// Interrupts below are the old PC's.
const VIRTIO_FIRST_GSI: u32 = 5;
/// Pins of KVM's I/O APIC.
const IO_APIC_PINS: u32 = 24;
/// How many virtio-mmio devices a machine can have: one for each pin of the I/O APIC that is left.
pub const VIRTIO_SLOTS: usize = (IO_APIC_PINS - VIRTIO_FIRST_GSI) as usize;

/// The PCI bus, where a machine has one.
pub const PCI_BUS: PciBus = PciBus { ecam: 0xe000_0000, ecam_len: 1 << 20, window: 0xd100_0000, window_len: 16 << 20 };

pub(super) const IO_APIC: u32 = 0xfec0_0000;
pub(super) const LOCAL_APIC: u32 = 0xfee0_0000;
/// One page that maps 4 GiB one to one, for Intel CPUs that cannot run a guest without paging.
pub(super) const IDENTITY_MAP_START: u64 = 0xfffb_c000;
/// Three pages behind it, for the same CPUs.
pub(super) const TSS_START: usize = 0xfffb_d000;

pub(super) const SERIAL_PORT: u16 = 0x3f8;
pub(super) const SERIAL_GSI: u32 = 4;
pub(super) const PANIC_PORT: u16 = 0x505;
pub(super) const SLEEP_CONTROL_PORT: u16 = 0x600;
pub(super) const SLEEP_STATUS_PORT: u16 = SLEEP_CONTROL_PORT + 1;
pub(super) const RESET_PORT: u16 = SLEEP_CONTROL_PORT + 2;
/// What is written to the reset register.
pub const RESET_VALUE: u8 = 1;
/// The sleep type that means soft-off; any value will do, as long as `\_S5` and the power device agree on it.
pub const SOFT_OFF: u8 = 5;

/// The devices that every machine has.
pub const PLATFORM_DEVICES: [PlatformDevice; 4] = [
    PlatformDevice { kind: PlatformKind::Serial, address: Address::Port(SERIAL_PORT), len: 8, gsi: Some(SERIAL_GSI) },
    PlatformDevice { kind: PlatformKind::KeyboardController, address: Address::Port(0x60), len: 5, gsi: None },
    PlatformDevice { kind: PlatformKind::Power, address: Address::Port(SLEEP_CONTROL_PORT), len: 3, gsi: None },
    PlatformDevice { kind: PlatformKind::PanicNotifier, address: Address::Port(PANIC_PORT), len: 1, gsi: None },
];

/// The place of virtio-mmio device number `index`, or nothing past [`VIRTIO_SLOTS`].
pub fn virtio_slot(index: usize) -> Option<VirtioSlot> {
    let number = u32::try_from(index).ok().filter(|_| index < VIRTIO_SLOTS)?;
    Some(VirtioSlot {
        base: VIRTIO_START + u64::from(number) * VIRTIO_LEN,
        len: VIRTIO_LEN,
        gsi: VIRTIO_FIRST_GSI + number,
    })
}

/// Where `size` bytes of memory lie: first addresses and lengths, in ascending order, around the hole for devices.
pub fn memory_ranges(size: u64) -> Vec<(GuestAddress, u64)> {
    let low = size.min(LOW_MEMORY_END);
    let mut ranges = vec![(GuestAddress(0), low)];
    if size > low {
        ranges.push((GuestAddress(HIGH_MEMORY_START), size - low));
    }
    ranges
}

/// The first address behind the memory below 4 GiB: where an initramfs must end at the latest.
pub fn low_memory_end(size: u64) -> GuestAddress {
    GuestAddress(size.min(LOW_MEMORY_END))
}

/// What the kernel is told about an address range (the type numbers of ACPI 6.5, 15, table 15.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MapEntry {
    pub start: u64,
    pub len: u64,
    pub kind: u32,
}

/// The memory map of a machine with `size` bytes: usable memory, and the hole in it where the ACPI tables lie. Kernels use a
/// bus's configuration spaces only where the map says that nobody else does.
pub(super) fn memory_map(size: u64, bus: Option<&PciBus>) -> Vec<MapEntry> {
    const USABLE: u32 = 1;
    const RESERVED: u32 = 2;
    let mut map = vec![
        MapEntry { start: 0, len: BASE_MEMORY_END, kind: USABLE },
        MapEntry { start: ACPI_START, len: ACPI_END - ACPI_START, kind: RESERVED },
    ];
    for (start, len) in memory_ranges(size) {
        let first = start.0.max(ACPI_END);
        let end = start.0 + len;
        if end > first {
            map.push(MapEntry { start: first, len: end - first, kind: USABLE });
        }
    }
    if let Some(bus) = bus {
        map.push(MapEntry { start: bus.ecam, len: bus.ecam_len, kind: RESERVED });
        map.sort_by_key(|entry| entry.start);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_leaves_the_hole_below_4_gib() {
        assert_eq!(memory_ranges(128 << 20), [(GuestAddress(0), 128 << 20)]);
        assert_eq!(
            memory_ranges(8 << 30),
            [(GuestAddress(0), 3 << 30), (GuestAddress(4 << 30), 5 << 30)],
            "3 GiB below the hole, the rest from 4 GiB on"
        );
    }

    #[test]
    fn memory_map_names_all_memory_once_but_the_tables_and_the_video_area() {
        let size = 8 << 30;
        let map = memory_map(size, Some(&PCI_BUS));
        assert!(map.iter().any(|entry| (entry.start, entry.len, entry.kind) == (0xe000_0000, 1 << 20, 2)));
        let usable: u64 = map.iter().filter(|entry| entry.kind == 1).map(|entry| entry.len).sum();
        assert_eq!(usable, size - ACPI_END + BASE_MEMORY_END);
        for pair in map.windows(2) {
            assert!(pair[0].start + pair[0].len <= pair[1].start, "entries overlap: {pair:?}");
        }
    }

    #[test]
    fn functions_of_the_bus_share_its_window() {
        assert_eq!(PCI_BUS.memory_of(0, 32), Some(0xd100_0000));
        assert_eq!(PCI_BUS.memory_of(31, 32), Some(0xd1f8_0000));
        assert_eq!(PCI_BUS.memory_of(32, 32), None);
        let virtio_end = virtio_slot(VIRTIO_SLOTS - 1).map(|slot| slot.base + slot.len).unwrap();
        assert!(virtio_end <= PCI_BUS.window.into());
    }

    #[test]
    fn virtio_slots_end_with_the_pins_of_the_io_apic() {
        assert_eq!(virtio_slot(0), Some(VirtioSlot { base: 0xd000_0000, len: 0x1000, gsi: 5 }));
        assert_eq!(virtio_slot(VIRTIO_SLOTS - 1).map(|slot| slot.gsi), Some(23));
        assert_eq!(virtio_slot(VIRTIO_SLOTS), None);
    }
}
