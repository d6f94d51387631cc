//! Step 6: the virtio devices, each behind a transport in the next free place.

mod messages;

use std::io;
use std::sync::{Arc, Mutex};

use kvm_ioctls::{IoEventAddress, NoDatamatch, VmFd};
use ovum_arch::layout::{self, PCI_BUS};
use ovum_arch::platform::{Transport, VirtioPlaces, VirtioSlot};
use ovum_devices::Memory;
use ovum_devices::bus::Overlap;
use ovum_devices::interrupt::{EventInterrupt, MessageSink};
use ovum_devices::pci::{Ecam, HostBridge, SLOTS};
use ovum_devices::virtio::device::VirtioDevice;
use ovum_devices::virtio::mmio::{MmioTransport, spec};
use ovum_devices::virtio::pci::{MEMORY_LEN, PciTransport};

use crate::buses::Buses;
use crate::failure::{Blame, Explain};
use messages::KvmMessages;

/// How many devices a machine has places for.
pub(crate) fn places(transport: Transport) -> usize {
    match transport {
        Transport::Mmio => layout::VIRTIO_SLOTS,
        // The first place is the host bridge's.
        Transport::Pci => SLOTS - 1,
    }
}

/// Places the devices and returns where they are.
pub(super) fn place(
    transport: Transport,
    buses: &mut Buses,
    vm: &Arc<VmFd>,
    memory: &Memory,
    devices: Vec<Box<dyn VirtioDevice>>,
) -> Result<VirtioPlaces, VirtioError> {
    match transport {
        Transport::Mmio => {
            let devices = devices.into_iter().enumerate();
            let slots = devices.map(|(index, device)| place_in_slot(buses, vm, memory, index, device));
            Ok(VirtioPlaces::Mmio(slots.collect::<Result<_, _>>()?))
        }
        Transport::Pci => {
            place_on_bus(buses, vm, memory, devices)?;
            Ok(VirtioPlaces::Pci)
        }
    }
}

fn place_in_slot(
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

fn place_on_bus(
    buses: &mut Buses,
    vm: &Arc<VmFd>,
    memory: &Memory,
    devices: Vec<Box<dyn VirtioDevice>>,
) -> Result<(), VirtioError> {
    let mut bus = Ecam::new();
    let messages: Arc<dyn MessageSink> = Arc::new(KvmMessages::new(Arc::clone(vm)));
    bus.add(Box::new(HostBridge::new()));
    for (slot, device) in (1..).zip(devices) {
        let address = PCI_BUS.memory_of(slot, SLOTS).ok_or(VirtioError::NoSlot)?;
        let transport =
            PciTransport::new(device, memory.clone(), Arc::clone(&messages)).map_err(VirtioError::Descriptors)?;
        transport
            .connect_queues(|event, place| {
                // Whatever is written there, the place says which queue it is.
                vm.register_ioevent(event, &IoEventAddress::Mmio(u64::from(address) + place), NoDatamatch)
            })
            .map_err(VirtioError::Connect)?;
        buses.memory.insert(address.into(), MEMORY_LEN.into(), transport.memory())?;
        bus.add(transport.function(address)).ok_or(VirtioError::NoSlot)?;
    }
    buses.memory.insert(PCI_BUS.ecam, PCI_BUS.ecam_len, Arc::new(Mutex::new(bus)))?;
    Ok(())
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
