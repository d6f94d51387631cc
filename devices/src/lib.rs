//! Devices of a microVM, apart from any hypervisor.
//!
//! A device is given guest memory, its queues, an interrupt to trigger and a backend; it never sees KVM. The same code
//! is driven by a VM, a unit test and a fuzz target.
//!
//! * [`bus`]: routes a guest's port or memory access to the device that lives there.
//! * [`interrupt`]: how a device asks for the guest's attention.
//! * [`legacy`]: serial port, keyboard-controller reset, power and panic registers.
//! * [`pci`]: a bus of PCI functions.
//! * [`virtio`]: the virtio devices (`blk`, `rng`) and the transport that shows them to the guest (`mmio`).
//! * `fuzz` and `virtio::mock` (feature `mock`): a driver for tests, and the bodies of the fuzz targets.
//!
//! Start reading at [`virtio::device`] for the life of a virtio device, at [`bus`] for everything else.
//!
//! Whatever a guest writes, the answer is a status, a reset device or a rate-limited warning: no function that a guest
//! can reach returns an error to the VMM, panics, or allocates by a size that the guest chose.

#[cfg(test)]
mod alloc_meter;
pub mod bus;
mod entropy;
#[cfg(any(test, feature = "mock"))]
pub mod fuzz;
pub mod interrupt;
pub mod legacy;
pub mod pci;
pub mod virtio;
mod warnings;

/// Guest memory as every device sees it: a cheap handle that may be cloned.
pub type Memory = vm_memory::GuestMemoryMmap<()>;
