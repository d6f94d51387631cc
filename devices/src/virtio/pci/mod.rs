//! The virtio transport over PCI, without the legacy one (Virtio 1.2, 4.1).
//!
//! [`PciTransport`] offers one device as a function of a bus: a configuration space ([`PciTransport::function`]) that says
//! where the structures are, and one range of memory ([`PciTransport::memory`]) that holds all of them:
//!
//! ```text
//! 0x0000  common configuration        0x3000  notifications, four bytes for each queue
//! 0x1000  ISR status                  0x4000  MSI-X table
//! 0x2000  the device's configuration  0x6000  MSI-X pending bits
//! ```
//!
//! What a driver may do, and when, is in [`lifecycle`](super::lifecycle). Interrupts are messages only: there is no pin.

mod function;
mod signal;
pub mod spec;

use std::io;
use std::sync::{Arc, Mutex};

use vmm_sys_util::eventfd::EventFd;

use crate::Memory;
use crate::bus::{BusDevice, SharedDevice};
use crate::interrupt::MessageSink;
use crate::pci::Function;

use super::device::VirtioDevice;
use super::lifecycle::{Lifecycle, half, set_high, set_low};
use super::queue::QueueSetup;
use super::worker::Runner;
use function::PciFunction;
use signal::Signal;
use spec::Common;

/// Bytes of a device's memory.
pub const MEMORY_LEN: u32 = 0x8000;

const COMMON: u64 = 0x0000;
const ISR: u64 = 0x1000;
const DEVICE: u64 = 0x2000;
/// Where notifications are in a device's memory: that of queue `n` four times `n` bytes later. A write there of two bytes
/// signals that queue's event.
pub const NOTIFY: u64 = 0x3000;
const TABLE: u64 = 0x4000;
const PENDING: u64 = 0x6000;
/// Bytes of each of the structures before the table.
const STRUCTURE_LEN: u32 = 0x1000;

/// A virtio device as a function of a PCI bus.
pub struct PciTransport {
    registers: Arc<Mutex<Registers>>,
    signal: Arc<Signal>,
    device_id: u32,
}

impl PciTransport {
    /// Offers `device`, whose buffers are in `memory`, and signals its driver by messages to `sink`.
    ///
    /// # Errors
    /// When the process is out of file descriptors, see [`MmioTransport::new`](super::mmio::MmioTransport::new).
    pub fn new(device: Box<dyn VirtioDevice>, memory: Memory, sink: Arc<dyn MessageSink>) -> io::Result<Self> {
        Self::with_runner(device, memory, sink, Runner::Thread)
    }

    /// As [`PciTransport::new`], with a choice of where the active device runs.
    ///
    /// # Errors
    /// As [`PciTransport::new`].
    pub fn with_runner(
        device: Box<dyn VirtioDevice>,
        memory: Memory,
        sink: Arc<dyn MessageSink>,
        runner: Runner,
    ) -> io::Result<Self> {
        let signal = Signal::new(device.queue_sizes().len(), sink);
        let device = Lifecycle::new(device, memory, signal, runner)?;
        let (signal, device_id) = (Arc::clone(&device.signal), device.device_id);
        let registers = Arc::new(Mutex::new(Registers { device, selected: Selected::default() }));
        Ok(Self { registers, signal, device_id })
    }

    /// The device's memory, [`MEMORY_LEN`] bytes, for the bus.
    #[must_use]
    pub fn memory(&self) -> SharedDevice {
        Arc::<Mutex<Registers>>::clone(&self.registers)
    }

    /// The function, whose memory is at `address`, for the PCI bus.
    #[must_use]
    pub fn function(&self, address: u32) -> Box<dyn Function> {
        Box::new(PciFunction::new(self.device_id, address, self.memory(), Arc::clone(&self.signal)))
    }

    /// Calls `connect` with each queue's event and its place in the device's memory: the hypervisor should signal the
    /// event by itself on a write there (KVM: ioeventfd); a write that arrives at the bus does the same.
    ///
    /// # Errors
    /// The first one of `connect`.
    pub fn connect_queues<E>(&self, mut connect: impl FnMut(&EventFd, u64) -> Result<(), E>) -> Result<(), E> {
        let registers = self.registers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let places = (NOTIFY..).step_by(spec::NOTIFY_MULTIPLIER as usize);
        registers.device.queue_events().iter().zip(places).try_for_each(|(event, place)| connect(event, place))
    }
}

/// The structures in a device's memory.
struct Registers {
    device: Lifecycle<Signal>,
    selected: Selected,
}

/// What the driver selected last; a reset forgets it.
#[derive(Default)]
struct Selected {
    device_features: u32,
    driver_features: u32,
    queue: u16,
}

impl Registers {
    fn queue(&self) -> Option<&QueueSetup> {
        self.device.queue(self.selected.queue.into())
    }

    fn read_common(&self, field: Common) -> u32 {
        let queue = self.queue();
        match field {
            Common::DeviceFeatureSelect => self.selected.device_features,
            Common::DeviceFeature => half(self.device.offered, self.selected.device_features),
            Common::DriverFeatureSelect => self.selected.driver_features,
            Common::DriverFeature => half(self.device.driver_features(), self.selected.driver_features),
            Common::ConfigMsixVector => self.device.signal.vectors().config.into(),
            Common::NumQueues => u32::try_from(self.device.queue_count()).unwrap_or(0),
            Common::DeviceStatus => self.device.status(),
            // Constant while the device works.
            Common::ConfigGeneration => 0,
            Common::QueueSelect => self.selected.queue.into(),
            // 4.1.4.3: the driver reads 0 where there is no such queue.
            Common::QueueSize => queue.map_or(0, |queue| queue.size),
            Common::QueueMsixVector => {
                let vectors = self.device.signal.vectors();
                vectors.queues.get(usize::from(self.selected.queue)).copied().unwrap_or(spec::NO_VECTOR).into()
            }
            Common::QueueEnable => queue.map_or(0, |queue| queue.ready.into()),
            Common::QueueNotifyOff => queue.map_or(0, |_| self.selected.queue.into()),
            Common::QueueDescLow => queue.map_or(0, |queue| half(queue.descriptors, 0)),
            Common::QueueDescHigh => queue.map_or(0, |queue| half(queue.descriptors, 1)),
            Common::QueueDriverLow => queue.map_or(0, |queue| half(queue.available, 0)),
            Common::QueueDriverHigh => queue.map_or(0, |queue| half(queue.available, 1)),
            Common::QueueDeviceLow => queue.map_or(0, |queue| half(queue.used, 0)),
            Common::QueueDeviceHigh => queue.map_or(0, |queue| half(queue.used, 1)),
        }
    }

    fn write_common(&mut self, field: Common, value: u32) {
        let low = |value: u32| u16::try_from(value & 0xffff).unwrap_or(0);
        match field {
            Common::DeviceFeatureSelect => self.selected.device_features = value,
            Common::DriverFeatureSelect => self.selected.driver_features = value,
            Common::DriverFeature => self.device.write_features(self.selected.driver_features, value),
            Common::ConfigMsixVector => {
                let mut vectors = self.device.signal.vectors();
                vectors.config = vectors.checked(low(value));
            }
            Common::DeviceStatus => self.write_status(value),
            Common::QueueSelect => self.selected.queue = low(value),
            Common::QueueSize => self.configure_queue(|queue| queue.size = value),
            Common::QueueMsixVector => {
                let mut vectors = self.device.signal.vectors();
                let vector = vectors.checked(low(value));
                if let Some(place) = vectors.queues.get_mut(usize::from(self.selected.queue)) {
                    *place = vector;
                }
            }
            // 4.1.4.3.2: the driver does not take it back.
            Common::QueueEnable if value == 1 => self.configure_queue(|queue| queue.ready = true),
            Common::QueueDescLow => self.configure_queue(|queue| set_low(&mut queue.descriptors, value)),
            Common::QueueDescHigh => self.configure_queue(|queue| set_high(&mut queue.descriptors, value)),
            Common::QueueDriverLow => self.configure_queue(|queue| set_low(&mut queue.available, value)),
            Common::QueueDriverHigh => self.configure_queue(|queue| set_high(&mut queue.available, value)),
            Common::QueueDeviceLow => self.configure_queue(|queue| set_low(&mut queue.used, value)),
            Common::QueueDeviceHigh => self.configure_queue(|queue| set_high(&mut queue.used, value)),
            // Read only, or no value of it.
            Common::DeviceFeature
            | Common::NumQueues
            | Common::ConfigGeneration
            | Common::QueueEnable
            | Common::QueueNotifyOff => (),
        }
    }

    fn configure_queue(&mut self, change: impl FnOnce(&mut QueueSetup)) {
        self.device.configure_queue(self.selected.queue.into(), change);
    }

    fn write_status(&mut self, value: u32) {
        if value == 0 {
            self.selected = Selected::default();
        }
        self.device.write_status(value);
    }
}

impl BusDevice for Registers {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        match offset {
            COMMON..ISR => {
                let value = Common::at(offset, data.len()).map_or(0, |field| self.read_common(field));
                data.iter_mut().zip(value.to_le_bytes()).for_each(|(to, from)| *to = from);
            }
            ISR => data.iter_mut().take(1).for_each(|to| *to = self.device.signal.take_isr()),
            DEVICE..NOTIFY => self.device.read_config(offset - DEVICE, data),
            TABLE..PENDING => self.device.signal.vectors().msix.read_table(offset - TABLE, data),
            PENDING.. => self.device.signal.vectors().msix.read_pending(offset - PENDING, data),
            _ => (),
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        match offset {
            COMMON..ISR => {
                let mut value = [0; 4];
                value.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
                if let Some(field) = Common::at(offset, data.len()) {
                    self.write_common(field, u32::from_le_bytes(value));
                }
            }
            DEVICE..NOTIFY => self.device.write_config(offset - DEVICE, data),
            // 4.1.4.4: the place says which queue it is.
            NOTIFY..TABLE => {
                let queue = (offset - NOTIFY) / u64::from(spec::NOTIFY_MULTIPLIER);
                self.device.notify(u32::try_from(queue).unwrap_or(u32::MAX));
            }
            TABLE..PENDING => self.device.signal.vectors().msix.write_table(offset - TABLE, data),
            _ => (),
        }
    }
}

#[cfg(test)]
mod tests;
