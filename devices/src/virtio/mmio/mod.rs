//! The virtio transport over memory-mapped registers, version 2 (Virtio 1.2, 4.2).
//!
//! [`MmioTransport`] offers one device. It follows the device status from reset to DRIVER_OK (2.1, 3.1), takes the
//! queues' addresses between FEATURES_OK and DRIVER_OK and at no other time, and then hands validated queues to the
//! device, which runs on a [`worker`](super::worker) from there on. Whatever breaks the rules is answered with
//! DEVICE_NEEDS_RESET or ignored.

mod signal;
pub mod spec;

use std::io;
use std::mem;
use std::sync::Arc;

use vmm_sys_util::eventfd::EventFd;

use crate::Memory;
use crate::bus::BusDevice;
use crate::interrupt::Interrupt;
use crate::warnings::Warnings;

use super::device::{Activation, DeviceInterrupt, VirtioDevice};
use super::queue::QueueSetup;
use super::read_config_bytes;
use super::worker::{Runner, Running, StartError, Wakeups};
use signal::Signal;
use spec::Register;

/// The device in one of its states.
enum State {
    Inactive(Box<dyn VirtioDevice>),
    Active {
        running: Running,
        /// The configuration space, which a vCPU reads without asking the device's thread.
        config: Box<[u8]>,
    },
    /// Its thread ended without giving it back, which no code path does; it needs a reset for ever.
    Lost,
}

/// A virtio device behind memory-mapped registers.
pub struct MmioTransport {
    state: State,
    runner: Runner,
    memory: Memory,
    signal: Arc<Signal>,
    wakeups: Arc<Wakeups>,
    warnings: Warnings,
    device_id: u32,
    /// All features that are offered: the device's and the transport's.
    offered: u64,
    registers: Registers,
}

/// What the driver wrote, all of which a reset forgets.
struct Registers {
    /// Without DEVICE_NEEDS_RESET, which the worker may set at any time.
    status: u32,
    device_features_sel: u32,
    driver_features_sel: u32,
    driver_features: u64,
    queue_sel: u32,
    queues: Vec<QueueSetup>,
}

impl Registers {
    fn new(queue_sizes: &[u16]) -> Self {
        Self {
            status: 0,
            device_features_sel: 0,
            driver_features_sel: 0,
            driver_features: 0,
            queue_sel: 0,
            queues: queue_sizes.iter().copied().map(QueueSetup::new).collect(),
        }
    }

    fn queue(&self) -> Option<&QueueSetup> {
        self.queues.get(usize::try_from(self.queue_sel).ok()?)
    }

    fn queue_mut(&mut self) -> Option<&mut QueueSetup> {
        self.queues.get_mut(usize::try_from(self.queue_sel).ok()?)
    }

    fn has(&self, bit: u32) -> bool {
        self.status & bit != 0
    }
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
        Ok(Self {
            runner,
            memory,
            signal: Arc::new(Signal::new(interrupt)),
            wakeups: Arc::new(Wakeups::new(device.queue_sizes().len())?),
            warnings: Warnings::new(device.name()),
            device_id: device.device_id(),
            offered: device.features() | spec::VERSION_1,
            registers: Registers::new(device.queue_sizes()),
            state: State::Inactive(device),
        })
    }

    /// One event for each queue. The hypervisor should signal event `n` by itself on a write of four bytes with the
    /// value `n` to [`spec::QUEUE_NOTIFY`] (KVM: ioeventfd with datamatch); a write that arrives here does the same.
    #[must_use]
    pub fn queue_events(&self) -> &[EventFd] {
        self.wakeups.queues()
    }

    fn read_register(&self, register: Register) -> u32 {
        let queue = self.registers.queue();
        match register {
            Register::MagicValue => spec::MAGIC,
            Register::Version => spec::VERSION,
            Register::DeviceId => self.device_id,
            Register::VendorId => spec::VENDOR,
            Register::DeviceFeatures => half(self.offered, self.registers.device_features_sel),
            Register::QueueNumMax => queue.map_or(0, |queue| queue.max_size.into()),
            Register::QueueReady => queue.map_or(0, |queue| queue.ready.into()),
            Register::InterruptStatus => self.signal.status(),
            Register::Status => self.status(),
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
            Register::DeviceFeaturesSel => self.registers.device_features_sel = value,
            Register::DriverFeaturesSel => self.registers.driver_features_sel = value,
            Register::DriverFeatures => self.write_features(value),
            Register::QueueSel => self.registers.queue_sel = value,
            Register::QueueNotify => self.notify(value),
            Register::InterruptAck => self.signal.acknowledge(value),
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

    fn status(&self) -> u32 {
        let needs_reset = if self.signal.is_reset_needed() { spec::NEEDS_RESET } else { 0 };
        self.registers.status | needs_reset
    }

    /// 3.1.1: features are chosen between DRIVER and FEATURES_OK.
    fn write_features(&mut self, value: u32) {
        if !self.registers.has(spec::DRIVER) || self.registers.has(spec::FEATURES_OK) {
            return self.warnings.warn(format_args!("the driver writes features outside of negotiation; ignored"));
        }
        match self.registers.driver_features_sel {
            0 => set_low(&mut self.registers.driver_features, value),
            1 => set_high(&mut self.registers.driver_features, value),
            // Bits from 64 on are not defined, and so not offered.
            _ => (),
        }
    }

    /// Changes the selected queue. Only now, when the device knows the features and does not use the queue yet, is it
    /// allowed to (3.1.1): an active device relies on queues that were checked once.
    fn configure_queue(&mut self, change: impl FnOnce(&mut QueueSetup)) {
        if !self.registers.has(spec::FEATURES_OK) || self.registers.has(spec::DRIVER_OK) {
            return self.warnings.warn(format_args!("the driver configures a queue outside of set-up; ignored"));
        }
        if let Some(queue) = self.registers.queue_mut() {
            change(queue);
        }
    }

    /// A notification that the hypervisor did not take.
    fn notify(&mut self, index: u32) {
        let State::Active { running, .. } = &mut self.state else { return };
        // Without NOTIFICATION_DATA, which is not offered, the value is the queue's index and nothing else (4.2.2).
        let Ok(index) = u16::try_from(index) else { return };
        if let Some(event) = self.wakeups.queues().get(usize::from(index)) {
            running.notify(index, event);
        }
    }

    /// 2.1: each status bit is set once and in order, and only a reset clears them.
    fn write_status(&mut self, value: u32) {
        if value == 0 {
            return self.reset();
        }
        if self.registers.status & !value != 0 {
            return self.warnings.warn(format_args!("the driver clears a part of the status; ignored"));
        }
        self.registers.status |= value & spec::FAILED;
        let mut previous = spec::ACKNOWLEDGE;
        for bit in [spec::ACKNOWLEDGE, spec::DRIVER, spec::FEATURES_OK, spec::DRIVER_OK] {
            if value & bit == 0 || (bit != spec::ACKNOWLEDGE && !self.registers.has(previous)) {
                break;
            }
            if !self.registers.has(bit) {
                self.enter(bit);
            }
            previous = bit;
        }
    }

    /// Sets one new status bit, if the device agrees, and does what it stands for.
    fn enter(&mut self, bit: u32) {
        if bit == spec::FEATURES_OK && !self.accepts_features() {
            return self.warnings.warn(format_args!(
                "the driver's features {:#x} are not among those offered, {:#x}",
                self.registers.driver_features, self.offered
            ));
        }
        self.registers.status |= bit;
        if bit == spec::DRIVER_OK {
            self.activate();
        }
    }

    /// 2.2.2 and 6.1: a subset of what is offered, with VERSION_1, without which version 2 of the transport is nothing.
    fn accepts_features(&self) -> bool {
        let features = self.registers.driver_features;
        features & !self.offered == 0 && features & spec::VERSION_1 != 0
    }

    /// Hands the queues to the device.
    fn activate(&mut self) {
        let features = self.registers.driver_features;
        let queues: Result<Vec<_>, _> =
            self.registers.queues.iter().map(|queue| queue.build(&self.memory, features)).collect();
        let queues = match queues {
            Ok(queues) => queues,
            Err(bad) => {
                self.warnings.warn(format_args!("the driver set up a queue that cannot be used: {bad}"));
                return self.signal.needs_reset();
            }
        };
        let State::Inactive(device) = mem::replace(&mut self.state, State::Lost) else { return };
        let name = device.name().to_owned();
        let config = device.config().into();
        let interrupt: Arc<dyn DeviceInterrupt> = Arc::<Signal>::clone(&self.signal);
        let memory = self.memory.clone();
        let asynchronous = self.runner == Runner::Thread;
        let activation = Activation { memory, queues, interrupt: Arc::clone(&interrupt), features, asynchronous };
        let active = device.activate(activation);
        self.state = match self.runner.start(&name, active, &self.wakeups, &interrupt) {
            Ok(running) => State::Active { running, config },
            Err(StartError { device, error }) => {
                self.warnings.warn(format_args!("cannot start the device's thread: {error}"));
                self.signal.needs_reset();
                State::Inactive(device.deactivate())
            }
        };
    }

    /// 2.4: back to where everything began. When this returns, the device touches no memory of the guest.
    fn reset(&mut self) {
        let state = match mem::replace(&mut self.state, State::Lost) {
            State::Active { running, .. } => {
                running.stop().map_or(State::Lost, |device| State::Inactive(device.deactivate()))
            }
            state => state,
        };
        self.signal.reset();
        self.state = state;
        match &self.state {
            State::Inactive(device) => self.registers = Registers::new(device.queue_sizes()),
            State::Active { .. } | State::Lost => self.signal.needs_reset(),
        }
    }
}

impl BusDevice for MmioTransport {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        if let Some(offset) = offset.checked_sub(spec::CONFIG) {
            match &self.state {
                State::Inactive(device) => read_config_bytes(device.config(), offset, data),
                State::Active { config, .. } => read_config_bytes(config, offset, data),
                State::Lost => (),
            }
        } else if let (Some(register), Ok(data)) = (Register::at(offset), <&mut [u8; 4]>::try_from(data)) {
            // 4.2.2.2: registers are read and written in four bytes at once, and not otherwise.
            *data = self.read_register(register).to_le_bytes();
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        if let Some(offset) = offset.checked_sub(spec::CONFIG) {
            // An active device has no writable fields, as the seam stands.
            if let State::Inactive(device) = &mut self.state {
                device.write_config(offset, data);
            }
        } else if let (Some(register), Ok(data)) = (Register::at(offset), <[u8; 4]>::try_from(data)) {
            self.write_register(register, u32::from_le_bytes(data));
        }
    }
}

/// The half of `bits` that a selector names: 0 the low, 1 the high one, and nothing beyond.
fn half(bits: u64, selector: u32) -> u32 {
    let [a, b, c, d, e, f, g, h] = bits.to_le_bytes();
    match selector {
        0 => u32::from_le_bytes([a, b, c, d]),
        1 => u32::from_le_bytes([e, f, g, h]),
        _ => 0,
    }
}

fn set_low(bits: &mut u64, value: u32) {
    *bits = *bits >> 32 << 32 | u64::from(value);
}

fn set_high(bits: &mut u64, value: u32) {
    *bits = u64::from(half(*bits, 0)) | u64::from(value) << 32;
}

#[cfg(test)]
mod tests;
