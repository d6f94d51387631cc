//! Step 6: the virtio devices, each behind a virtio-mmio transport in the next free slot.

use std::io;
use std::sync::{Arc, Mutex};

use kvm_ioctls::{IoEventAddress, VmFd};
use ovum_arch::layout;
use ovum_arch::platform::VirtioSlot;
use ovum_devices::Memory;
use ovum_devices::bus::Overlap;
use ovum_devices::interrupt::EventInterrupt;
use ovum_devices::virtio::device::VirtioDevice;
use ovum_devices::virtio::mmio::{MmioTransport, spec};

use crate::buses::Buses;
use crate::failure::{Blame, Explain};

/// Places the devices and returns where they are.
pub(super) fn place(
    buses: &mut Buses,
    vm: &VmFd,
    memory: &Memory,
    devices: Vec<Box<dyn VirtioDevice>>,
) -> Result<Vec<VirtioSlot>, VirtioError> {
    devices.into_iter().enumerate().map(|(index, device)| place_one(buses, vm, memory, index, device)).collect()
}

fn place_one(
    buses: &mut Buses,
    vm: &VmFd,
    memory: &Memory,
    index: usize,
    device: Box<dyn VirtioDevice>,
) -> Result<VirtioSlot, VirtioError> {
    let slot = layout::virtio_slot(index).ok_or(VirtioError::NoSlot)?;
    let (interrupt, event) = EventInterrupt::new().map_err(VirtioError::Descriptors)?;
    vm.register_irqfd(&event, slot.gsi).map_err(VirtioError::Connect)?;
    let transport =
        MmioTransport::new(device, memory.clone(), Arc::new(interrupt)).map_err(VirtioError::Descriptors)?;
    let notify = IoEventAddress::Mmio(slot.base + spec::QUEUE_NOTIFY);
    for (queue, event) in (0u32..).zip(transport.queue_events()) {
        vm.register_ioevent(event, &notify, queue).map_err(VirtioError::Connect)?;
    }
    buses.memory.insert(slot.base, slot.len, Arc::new(Mutex::new(transport)))?;
    Ok(slot)
}

/// A virtio device could not be placed.
#[derive(Debug, thiserror::Error)]
pub enum VirtioError {
    /// The process may not open more files.
    #[error("the host gave no event descriptor: {0}")]
    Descriptors(io::Error),
    /// KVM did not take an interrupt or a notification.
    #[error("KVM did not connect a virtio device: {0}")]
    Connect(kvm_ioctls::Error),
    /// More devices than slots.
    #[error("there is no place left for another virtio device")]
    NoSlot,
    /// Two devices in one place: a mistake in the layout.
    #[error(transparent)]
    Overlap(#[from] Overlap),
}

impl Explain for VirtioError {
    fn remedy(&self) -> String {
        match self {
            Self::NoSlot => "leave out some --disk".into(),
            Self::Overlap(_) => "this is a mistake in Ovum: please report it with your command line".into(),
            _ => "raise the limit of open files (ulimit -n)".into(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NoSlot => Blame::Request,
            _ => Blame::Host,
        }
    }
}
