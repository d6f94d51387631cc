//! The virtio transport over memory-mapped registers, version 2 (Virtio 1.2, 4.2).
//!
//! [`MmioTransport`] offers one device; what its driver may do, and when, is in [`lifecycle`](super::lifecycle).

mod signal;
pub mod spec;

use std::io;
use std::sync::Arc;

use vmm_sys_util::eventfd::EventFd;

use crate::Memory;
use crate::bus::BusDevice;
use crate::interrupt::Interrupt;

use super::device::VirtioDevice;
use super::lifecycle::{Lifecycle, half, set_high, set_low};
use super::queue::QueueSetup;
use super::worker::Runner;
use signal::Signal;
use spec::Register;

/// A virtio device behind memory-mapped registers.
pub struct MmioTransport {
    device: Lifecycle<Signal>,
    selected: Selected,
}

/// What the driver selected last; a reset forgets it.
#[derive(Default)]
struct Selected {
    device_features: u32,
    driver_features: u32,
    queue: u32,
}

impl MmioTransport {
    /// Offers `device`, whose buffers are in `memory`, and signals its driver by `interrupt`. Each active device runs
    /// on a thread of its own.
    ///
    /// # Errors
    /// When the process is out of file descriptors: each queue has an event, and the device's thread one to stop it and
    /// an epoll. All are made here, so that nothing but a thread is asked of the host while a guest runs.
    pub fn new(device: Box<dyn VirtioDevice>, memory: Memory, interrupt: Arc<dyn Interrupt>) -> io::Result<Self> {
        Self::with_runner(device, memory, interrupt, Runner::Thread)
    }

    /// As [`MmioTransport::new`], with a choice of where the active device runs.
    ///
    /// # Errors
    /// As [`MmioTransport::new`].
    pub fn with_runner(
        device: Box<dyn VirtioDevice>,
        memory: Memory,
        interrupt: Arc<dyn Interrupt>,
        runner: Runner,
    ) -> io::Result<Self> {
        let device = Lifecycle::new(device, memory, Signal::new(interrupt), runner)?;
        Ok(Self { device, selected: Selected::default() })
    }

    /// One event for each queue. The hypervisor should signal event `n` by itself on a write of four bytes with the
    /// value `n` to [`spec::QUEUE_NOTIFY`] (KVM: ioeventfd with datamatch); a write that arrives here does the same.
    #[must_use]
    pub fn queue_events(&self) -> &[EventFd] {
        self.device.queue_events()
    }

    fn read_register(&self, register: Register) -> u32 {
        let queue = self.device.queue(self.selected.queue);
        match register {
            Register::MagicValue => spec::MAGIC,
            Register::Version => spec::VERSION,
            Register::DeviceId => self.device.device_id,
            Register::VendorId => spec::VENDOR,
            Register::DeviceFeatures => half(self.device.offered, self.selected.device_features),
            Register::QueueNumMax => queue.map_or(0, |queue| queue.max_size.into()),
            Register::QueueReady => queue.map_or(0, |queue| queue.ready.into()),
            Register::InterruptStatus => self.device.signal.status(),
            Register::Status => self.device.status(),
            Register::ShmLenLow | Register::ShmLenHigh | Register::ShmBaseLow | Register::ShmBaseHigh => {
                spec::NO_SHARED_MEMORY
            }
            // Written only, or of a feature that is not offered, or the count of changes of a constant configuration.
            Register::DeviceFeaturesSel
            | Register::DriverFeatures
            | Register::DriverFeaturesSel
            | Register::QueueSel
            | Register::QueueNum
            | Register::QueueNotify
            | Register::InterruptAck
            | Register::QueueDescLow
            | Register::QueueDescHigh
            | Register::QueueDriverLow
            | Register::QueueDriverHigh
            | Register::QueueDeviceLow
            | Register::QueueDeviceHigh
            | Register::ShmSel
            | Register::QueueReset
            | Register::ConfigGeneration => 0,
        }
    }

    fn write_register(&mut self, register: Register, value: u32) {
        match register {
            Register::DeviceFeaturesSel => self.selected.device_features = value,
            Register::DriverFeaturesSel => self.selected.driver_features = value,
            Register::DriverFeatures => self.device.write_features(self.selected.driver_features, value),
            Register::QueueSel => self.selected.queue = value,
            Register::QueueNotify => self.device.notify(value),
            Register::InterruptAck => self.device.signal.acknowledge(value),
            Register::Status => self.write_status(value),
            Register::QueueNum => self.configure_queue(|queue| queue.size = value),
            Register::QueueReady => self.configure_queue(|queue| queue.ready = value & 1 != 0),
            Register::QueueDescLow => self.configure_queue(|queue| set_low(&mut queue.descriptors, value)),
            Register::QueueDescHigh => self.configure_queue(|queue| set_high(&mut queue.descriptors, value)),
            Register::QueueDriverLow => self.configure_queue(|queue| set_low(&mut queue.available, value)),
            Register::QueueDriverHigh => self.configure_queue(|queue| set_high(&mut queue.available, value)),
            Register::QueueDeviceLow => self.configure_queue(|queue| set_low(&mut queue.used, value)),
            Register::QueueDeviceHigh => self.configure_queue(|queue| set_high(&mut queue.used, value)),
            // Read only, or of a feature that is not offered, or a selection among no regions.
            Register::MagicValue
            | Register::Version
            | Register::DeviceId
            | Register::VendorId
            | Register::DeviceFeatures
            | Register::QueueNumMax
            | Register::InterruptStatus
            | Register::ShmSel
            | Register::ShmLenLow
            | Register::ShmLenHigh
            | Register::ShmBaseLow
            | Register::ShmBaseHigh
            | Register::QueueReset
            | Register::ConfigGeneration => (),
        }
    }

    fn configure_queue(&mut self, change: impl FnOnce(&mut QueueSetup)) {
        self.device.configure_queue(self.selected.queue, change);
    }

    fn write_status(&mut self, value: u32) {
        if value == 0 {
            self.selected = Selected::default();
        }
        self.device.write_status(value);
    }
}

impl BusDevice for MmioTransport {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        if let Some(offset) = offset.checked_sub(spec::CONFIG) {
            self.device.read_config(offset, data);
        } else if let (Some(register), Ok(data)) = (Register::at(offset), <&mut [u8; 4]>::try_from(data)) {
            // 4.2.2.2: registers are read and written in four bytes at once, and not otherwise.
            *data = self.read_register(register).to_le_bytes();
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        if let Some(offset) = offset.checked_sub(spec::CONFIG) {
            self.device.write_config(offset, data);
        } else if let (Some(register), Ok(data)) = (Register::at(offset), <[u8; 4]>::try_from(data)) {
            self.write_register(register, u32::from_le_bytes(data));
        }
    }
}

#[cfg(test)]
mod tests;
