//! An x86-64 PC without firmware: ACPI in its reduced-hardware form, local APICs and one I/O APIC, virtio-mmio.
//!
//! * [`layout`]: guest-physical addresses, ports and interrupts.
//! * `start`: writes all that a kernel finds in memory; `boot_params` and `pvh` are the two ways to hand it over.
//! * `acpi`: the tables that name everything else.
//! * `cpuid`, `registers`: a vCPU's identity and the state in which it starts.

mod acpi;
mod boot_data;
mod boot_params;
mod cpuid;
pub mod layout;
mod processor;
mod pvh;
mod registers;
mod start;

use kvm_bindings::{KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, kvm_irqchip};
use kvm_ioctls::VmFd;
use ovum_boot::Architecture;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

pub use boot_data::{BootData, BootDataError};
pub use processor::{ConfigureError, Processor};
pub use registers::StartState;
pub use start::write_boot_data;

/// The architecture of the kernels that this machine runs.
pub const ARCHITECTURE: Architecture = Architecture::X86_64;

/// The words in the `flags` of `/proc/cpuinfo` of which one says that the CPU runs guests by itself.
pub const VIRTUALIZATION_FLAGS: &[&str] = &["vmx", "svm"];

/// The least memory in which anything can start, in bytes: the tables below 1 MiB and a little for a kernel.
pub const SMALLEST_MEMORY: u64 = 2 << 20;

/// Gives the VM its interrupt controllers: local APICs, and an I/O APIC with 24 pins.
///
/// # Errors
/// KVM's own; the text of each says which call failed.
pub fn prepare_vm(vm: &VmFd) -> Result<(), kvm_ioctls::Error> {
    // Intel CPUs without unrestricted guest mode need three pages and one more below 4 GiB; others ignore the calls.
    vm.set_identity_map_address(layout::IDENTITY_MAP_START)?;
    vm.set_tss_address(layout::TSS_START)?;
    vm.create_irq_chip()?;
    mask_old_controllers(vm)
}

/// Masks the old PC's two interrupt controllers, as firmware leaves them: KVM has them beside the I/O APIC, and a kernel
/// that was told of reduced hardware never looks at them.
fn mask_old_controllers(vm: &VmFd) -> Result<(), kvm_ioctls::Error> {
    for chip_id in [KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE] {
        let mut chip = kvm_irqchip { chip_id, ..Default::default() };
        vm.get_irqchip(&mut chip)?;
        chip.chip.pic.imr = 0xff;
        vm.set_irqchip(&chip)?;
    }
    Ok(())
}

/// Whether the reset that the guest just asked for is to be a warm one.
///
/// It says so in the word that the PC's firmware used to read: 0x1234 at 0x472 (Linux,
/// `native_machine_emergency_restart`). A kernel that was told `reboot=panic_warm` asks for a warm reset after a panic,
/// and for a cold one otherwise, which shows a panic even where it has no driver for the panic notifier.
pub fn asks_for_warm_reset(memory: &GuestMemoryMmap) -> bool {
    const WARM: u16 = 0x1234;
    memory.read_obj::<u16>(GuestAddress(layout::RESET_FLAG)).is_ok_and(|flag| flag == WARM)
}
