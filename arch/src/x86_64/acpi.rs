//! The ACPI tables: how the guest learns of its CPUs, its devices, and how to switch off (ACPI 6.5).
//!
//! Reduced hardware only: no fixed registers, no interrupt controller of the old PC, no keyboard controller, clock or
//! video to look for. What is not named here costs the guest nothing to probe.

use acpi_tables::aml::{self, AmlString};
use acpi_tables::fadt::{FADTBuilder, Flags};
use acpi_tables::gas::{AccessSize, AddressSpace, GAS};
use acpi_tables::madt::{EnabledStatus, IoApic, LocalInterruptController, MADT, ProcessorLocalApic};
use acpi_tables::mcfg::MCFG;
use acpi_tables::rsdp::Rsdp;
use acpi_tables::sdt::Sdt;
use acpi_tables::xsdt::XSDT;
use acpi_tables::{Aml, AmlSink};
use vm_memory::GuestMemoryMmap;

use super::boot_data::{self, BootData, BootDataError};
use super::layout;
use crate::platform::{PciBus, VirtioPlaces, VirtioSlot};

const OEM: [u8; 6] = *b"OVUM  ";
const TABLE: [u8; 8] = *b"OVUMVM  ";
const REVISION: u32 = 1;

/// `IAPC_BOOT_ARCH` (ACPI 6.5, 5.2.9.3): no VGA (bit 2), no CMOS clock (bit 5); no keyboard controller (bit 1 is clear).
const BOOT_ARCHITECTURE: u16 = 1 << 2 | 1 << 5;
/// Bytes of header in front of a table's own: ACPI 6.5, 5.2.6.
const TABLE_HEADER: u32 = 36;

/// Writes all tables and returns the address of the root pointer (RSDP).
pub(super) fn write(memory: &GuestMemoryMmap, data: &BootData<'_>) -> Result<u64, BootDataError> {
    let mut tables = Tables { memory, next: layout::ACPI_START + 0x40 };
    let dsdt = tables.add(&bytes(&dsdt(data.virtio)))?;
    let fadt = tables.add(&bytes(&fadt(dsdt)))?;
    let madt = tables.add(&bytes(&madt(data.cpus)))?;
    let mcfg = data.pci_bus().map(|bus| tables.add(&bytes(&mcfg(bus)))).transpose()?;
    let mut xsdt = XSDT::new(OEM, TABLE, REVISION);
    xsdt.add_entry(fadt);
    xsdt.add_entry(madt);
    if let Some(mcfg) = mcfg {
        xsdt.add_entry(mcfg);
    }
    let xsdt = tables.add(&bytes(&xsdt))?;
    let rsdp = bytes(&Rsdp::new(OEM, xsdt));
    boot_data::write(memory, "ACPI root pointer", layout::ACPI_START, 0x40, &rsdp)?;
    Ok(layout::ACPI_START)
}

/// Puts one table behind the other.
struct Tables<'a> {
    memory: &'a GuestMemoryMmap,
    next: u64,
}

impl Tables<'_> {
    /// Writes a table and returns its address.
    fn add(&mut self, table: &[u8]) -> Result<u64, BootDataError> {
        let address = self.next;
        let room = usize::try_from(layout::ACPI_END - address).unwrap_or(0);
        boot_data::write(self.memory, "ACPI tables", address, room, table)?;
        self.next = (address + table.len() as u64).next_multiple_of(16);
        Ok(address)
    }
}

fn bytes(table: &dyn Aml) -> Vec<u8> {
    struct Bytes(Vec<u8>);
    impl AmlSink for Bytes {
        fn byte(&mut self, byte: u8) {
            self.0.push(byte);
        }
    }
    let mut sink = Bytes(Vec::new());
    table.to_aml_bytes(&mut sink);
    sink.0
}

fn byte_port(port: u16) -> GAS {
    GAS::new(AddressSpace::SystemIo, 8, 0, AccessSize::ByteAccess, u64::from(port))
}

/// The fixed description: where to write to switch off and to reset.
fn fadt(dsdt: u64) -> impl Aml {
    let mut fadt = FADTBuilder::new(OEM, TABLE, REVISION)
        .dsdt_64(dsdt)
        .flag(Flags::HwReducedAcpi)
        .flag(Flags::ResetRegSup)
        .flag(Flags::PwrButton)
        .flag(Flags::SlpButton);
    fadt.iapc_boot_arch = BOOT_ARCHITECTURE.into();
    fadt.reset_reg = byte_port(layout::RESET_PORT);
    fadt.reset_value = layout::RESET_VALUE;
    fadt.sleep_control_reg = byte_port(layout::SLEEP_CONTROL_PORT);
    fadt.sleep_status_reg = byte_port(layout::SLEEP_STATUS_PORT);
    fadt.hypervisor_vendor_identity = u64::from_le_bytes(TABLE).into();
    fadt.finalize()
}

/// The interrupt controllers: a local APIC for each vCPU, and one I/O APIC.
fn madt(cpus: u8) -> MADT {
    let mut madt = MADT::new(OEM, TABLE, REVISION, LocalInterruptController::Address(layout::LOCAL_APIC));
    for cpu in 0..cpus {
        madt.add_structure(ProcessorLocalApic::new(cpu, cpu, EnabledStatus::Enabled));
    }
    madt.add_structure(IoApic::new(cpus, layout::IO_APIC, 0));
    madt
}

/// Where the configuration spaces of the PCI bus are (PCI Firmware 3.0, 4.1.2).
fn mcfg(bus: &PciBus) -> MCFG {
    let mut mcfg = MCFG::new(OEM, TABLE, REVISION);
    mcfg.add_ecam(bus.ecam, 0, 0, 0);
    mcfg
}

/// The devices.
fn dsdt(virtio: &VirtioPlaces) -> Sdt {
    let mut dsdt = Sdt::new(*b"DSDT", TABLE_HEADER, 2, OEM, TABLE, REVISION);
    dsdt.append_slice(&serial());
    dsdt.append_slice(&panic_notifier());
    match virtio {
        VirtioPlaces::Mmio(slots) => {
            for (index, slot) in slots.iter().enumerate() {
                dsdt.append_slice(&virtio_mmio(index, slot));
            }
        }
        VirtioPlaces::Pci => dsdt.append_slice(&pci_bus(&layout::PCI_BUS)),
    }
    let soft_off = aml::Package::new(vec![&layout::SOFT_OFF, &layout::SOFT_OFF, &aml::ZERO, &aml::ZERO]);
    dsdt.append_slice(&bytes(&aml::Name::new("_S5_".into(), &soft_off)));
    dsdt
}

fn serial() -> Vec<u8> {
    let ports = aml::IO::new(layout::SERIAL_PORT, layout::SERIAL_PORT, 0, 8);
    let interrupt = edge(layout::SERIAL_GSI);
    let resources = aml::ResourceTemplate::new(vec![&ports, &interrupt]);
    bytes(&aml::Device::new(
        "_SB_.COM1".into(),
        vec![
            &aml::Name::new("_HID".into(), &aml::EISAName::new("PNP0501")),
            &aml::Name::new("_UID".into(), &aml::ZERO),
            &aml::Name::new("_CRS".into(), &resources),
        ],
    ))
}

fn panic_notifier() -> Vec<u8> {
    let port = aml::IO::new(layout::PANIC_PORT, layout::PANIC_PORT, 1, 1);
    let resources = aml::ResourceTemplate::new(vec![&port]);
    bytes(&aml::Device::new(
        "_SB_.PEVT".into(),
        vec![&aml::Name::new("_HID".into(), &"QEMU0001"), &aml::Name::new("_CRS".into(), &resources)],
    ))
}

/// A virtio-mmio device as Linux finds it: hardware ID LNRO0005, coherent DMA.
fn virtio_mmio(index: usize, slot: &VirtioSlot) -> Vec<u8> {
    let name = format!("_SB_.V{index:03}");
    let base = u32::try_from(slot.base).unwrap_or(0); // the layout keeps virtio-mmio below 4 GiB
    let registers = aml::Memory32Fixed::new(true, base, u32::try_from(slot.len).unwrap_or(0));
    let interrupt = edge(slot.gsi);
    let resources = aml::ResourceTemplate::new(vec![&registers, &interrupt]);
    let hid: AmlString = "LNRO0005".into();
    bytes(&aml::Device::new(
        name.as_str().into(),
        vec![
            &aml::Name::new("_HID".into(), &hid),
            &aml::Name::new("_UID".into(), &index),
            &aml::Name::new("_CCA".into(), &aml::ONE),
            &aml::Name::new("_CRS".into(), &resources),
        ],
    ))
}

/// The host bridge of a PCI Express bus. Its devices interrupt by messages only, so nothing is routed.
fn pci_bus(bus: &PciBus) -> Vec<u8> {
    let numbers = aml::AddressSpace::new_bus_number(0u16, 0u16);
    let last = bus.window + (bus.window_len - 1);
    let window = aml::AddressSpace::new_memory(aml::AddressSpaceCacheable::NotCacheable, true, bus.window, last, None);
    let resources = aml::ResourceTemplate::new(vec![&numbers, &window]);
    // What Linux wants to hear before it touches them: they are no device's, and nobody else's.
    let ecam = u32::try_from(bus.ecam).unwrap_or(0); // the layout keeps it below 4 GiB
    let ecam = aml::Memory32Fixed::new(true, ecam, u32::try_from(bus.ecam_len).unwrap_or(0));
    let reserved = aml::ResourceTemplate::new(vec![&ecam]);
    let board = bytes(&aml::Device::new(
        "_SB_.MRES".into(),
        vec![&aml::Name::new("_HID".into(), &aml::EISAName::new("PNP0C02")), &aml::Name::new("_CRS".into(), &reserved)],
    ));
    let bridge = bytes(&aml::Device::new(
        "_SB_.PCI0".into(),
        vec![
            &aml::Name::new("_HID".into(), &aml::EISAName::new("PNP0A08")),
            &aml::Name::new("_CID".into(), &aml::EISAName::new("PNP0A03")),
            &aml::Name::new("_SEG".into(), &aml::ZERO),
            &aml::Name::new("_BBN".into(), &aml::ZERO),
            &aml::Name::new("_UID".into(), &aml::ZERO),
            &aml::Name::new("_CCA".into(), &aml::ONE),
            &aml::Name::new("_CRS".into(), &resources),
        ],
    ));
    [board, bridge].concat()
}

/// An interrupt that the device consumes alone: edge-triggered, active high.
fn edge(gsi: u32) -> aml::Interrupt {
    aml::Interrupt::new(true, true, false, false, gsi)
}
