//! What a kernel is to find in memory when it starts: the input, the error, and the way all of it is written.

use std::ffi::CStr;

use ovum_boot::LoadedKernel;
use vm_memory::{Bytes, GuestAddress, GuestMemoryError, GuestMemoryMmap};

use super::layout;
use crate::platform::{PciBus, VirtioPlaces};

/// What the guest is to be told: the input of [`crate::write_boot_data`].
#[derive(Debug)]
pub struct BootData<'a> {
    /// The kernel, loaded already.
    pub kernel: &'a LoadedKernel,
    /// The command line.
    pub cmdline: &'a CStr,
    /// First address and length of the initramfs, loaded already.
    pub initramfs: Option<(GuestAddress, u64)>,
    /// Bytes of guest memory.
    pub memory_size: u64,
    /// How many vCPUs.
    pub cpus: u8,
    /// The virtio devices that there are.
    pub virtio: &'a VirtioPlaces,
}

impl BootData<'_> {
    /// The PCI bus, if there is one.
    pub(super) fn pci_bus(&self) -> Option<&'static PciBus> {
        match self.virtio {
            VirtioPlaces::Mmio(_) => None,
            VirtioPlaces::Pci => Some(&layout::PCI_BUS),
        }
    }
}

/// The tables for the kernel could not be written.
#[derive(Debug, thiserror::Error)]
pub enum BootDataError {
    /// Guest memory ends before the tables do.
    #[error("guest memory has no room for the {what}: {source}")]
    Memory {
        /// What was to be written.
        what: &'static str,
        /// Where it failed.
        source: GuestMemoryError,
    },
    /// A table is larger than its place.
    #[error("the {what} takes {len} bytes, and there are {room}")]
    TooLarge {
        /// What was to be written.
        what: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The room for it in bytes.
        room: usize,
    },
}

/// Writes `bytes` at `address`, where there is room for `room` bytes.
pub(super) fn write(
    memory: &GuestMemoryMmap,
    what: &'static str,
    address: u64,
    room: usize,
    bytes: &[u8],
) -> Result<(), BootDataError> {
    if bytes.len() > room {
        return Err(BootDataError::TooLarge { what, len: bytes.len(), room });
    }
    memory.write_slice(bytes, GuestAddress(address)).map_err(|source| BootDataError::Memory { what, source })
}
