//! The configuration space of a virtio device: who it is, and where its structures are (Virtio 1.2, 4.1.4).

use std::sync::{Arc, PoisonError};

use crate::bus::SharedDevice;
use crate::pci::Function;
use crate::pci::config::ConfigSpace;
use crate::pci::msix::{self, Msix};
use crate::pci::spec::{CAPABILITY_MSIX, CAPABILITY_VENDOR, Identity};

use super::signal::Signal;
use super::{COMMON, DEVICE, ISR, MEMORY_LEN, NOTIFY, PENDING, STRUCTURE_LEN, TABLE, spec};

/// 4.1.4.9: from the beginning of the capability to the window on the structures.
const WINDOW: u16 = 16;

/// A virtio device as the PCI bus sees it.
pub(super) struct PciFunction {
    space: ConfigSpace,
    memory: SharedDevice,
    signal: Arc<Signal>,
    /// Where the capability of interrupts is.
    msix: u16,
    /// Where the capability with the window is.
    access: u16,
}

impl PciFunction {
    pub(super) fn new(device_id: u32, address: u32, memory: SharedDevice, signal: Arc<Signal>) -> Self {
        let device = spec::DEVICE_BASE + u16::try_from(device_id).unwrap_or(0);
        let mut space = ConfigSpace::new(&Identity {
            vendor: spec::VENDOR,
            device,
            class: class(device_id),
            revision: spec::REVISION,
            subsystem_vendor: spec::VENDOR,
            subsystem: device,
        });
        space.set_memory(address, MEMORY_LEN);
        let vectors = signal.vectors().msix.count();
        let msix = space.add_capability(CAPABILITY_MSIX, &msix_body(vectors), &msix::CONTROL_WRITABLE.to_le_bytes());
        let structures = [
            (spec::CFG_COMMON, COMMON, spec::COMMON_LEN),
            (spec::CFG_ISR, ISR, 1),
            (spec::CFG_DEVICE, DEVICE, STRUCTURE_LEN),
        ];
        for (kind, offset, len) in structures {
            space.add_capability(CAPABILITY_VENDOR, &structure(kind, offset, len, &[]), &[]);
        }
        let multiplier = spec::NOTIFY_MULTIPLIER.to_le_bytes();
        let notify = structure(spec::CFG_NOTIFY, NOTIFY, STRUCTURE_LEN, &multiplier);
        space.add_capability(CAPABILITY_VENDOR, &notify, &[]);
        // The driver chooses where to look: which memory, offset and length.
        let window = structure(spec::CFG_PCI, 0, 0, &[0; 4]);
        let writable = [&[0, 0, 0xff, 0, 0, 0][..], &[0xff; 12]].concat();
        let access = space.add_capability(CAPABILITY_VENDOR, &window, &writable);
        // All of them together have room; a test reads them back.
        Self { space, memory, signal, msix: msix.unwrap_or(0), access: access.unwrap_or(0) }
    }

    /// The place in the device's memory and the length that the window shows now, if that is one of an access.
    fn window(&self) -> Option<(u64, usize)> {
        let bar = self.space.u32_at(self.access + 4) & 0xff;
        let offset = self.space.u32_at(self.access + 8);
        let len = self.space.u32_at(self.access + 12);
        // 4.1.4.9.1: lengths are 1, 2 or 4, and the offset is a multiple of it.
        let is_access = bar == 0 && matches!(len, 1 | 2 | 4) && offset.is_multiple_of(len) && offset < MEMORY_LEN;
        Some((offset.into(), usize::try_from(len).ok()?)).filter(|_| is_access)
    }

    fn is_window(&self, offset: u16) -> bool {
        (self.access + WINDOW..self.access + WINDOW + 4).contains(&offset)
    }
}

/// PCI Code and ID Assignment 1.11: what kind of thing the device is, where there is a class for it.
fn class(device_id: u32) -> [u8; 3] {
    const NETWORK: u32 = 1;
    const BLOCK: u32 = 2;
    match device_id {
        NETWORK => [0x02, 0x00, 0x00],
        BLOCK => [0x01, 0x80, 0x00],
        _ => [0xff, 0x00, 0x00],
    }
}

/// PCI Local Bus 3.0, 6.8.2: Message Control, then where table and pending bits are, both in the first memory.
fn msix_body(vectors: usize) -> Vec<u8> {
    let control = u16::try_from(vectors.saturating_sub(1)).unwrap_or(0);
    let word = |offset: u64| u32::try_from(offset).unwrap_or(0).to_le_bytes();
    [&control.to_le_bytes()[..], &word(TABLE), &word(PENDING)].concat()
}

/// 4.1.4: a `virtio_pci_cap` behind its number and link, in the first memory.
fn structure(kind: u8, offset: u64, len: u32, more: &[u8]) -> Vec<u8> {
    let cap_len = u8::try_from(16 + more.len()).unwrap_or(0);
    let offset = u32::try_from(offset).unwrap_or(0).to_le_bytes();
    [&[cap_len, kind, 0, 0, 0, 0][..], &offset, &len.to_le_bytes(), more].concat()
}

impl Function for PciFunction {
    fn read_config(&mut self, offset: u16, data: &mut [u8]) {
        if self.is_window(offset)
            && let Some((place, len)) = self.window()
        {
            let mut bytes = [0; 4];
            if let Some(bytes) = bytes.get_mut(..len) {
                self.memory.lock().unwrap_or_else(PoisonError::into_inner).read(place, bytes);
            }
            self.space.write(self.access + WINDOW, &bytes);
        }
        self.space.read(offset, data);
    }

    fn write_config(&mut self, offset: u16, data: &[u8]) {
        self.space.write(offset, data);
        if self.is_window(offset)
            && let Some((place, len)) = self.window()
        {
            let bytes = self.space.u32_at(self.access + WINDOW).to_le_bytes();
            let bytes = bytes.get(..len).unwrap_or_default();
            self.memory.lock().unwrap_or_else(PoisonError::into_inner).write(place, bytes);
        }
        // Whatever was written there, also by half.
        if (self.msix..self.msix + 4).contains(&offset) {
            let control = self.space.u16_at(self.msix + 2) & msix::CONTROL_WRITABLE;
            let mut vectors = self.signal.vectors();
            Msix::set_control(&mut vectors.msix, control);
        }
    }
}
