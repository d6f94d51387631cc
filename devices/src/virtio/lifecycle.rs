//! What all transports have in common: the life of a device as its driver sees it (Virtio 1.2, 2.1 and 3.1).
//!
//! [`Lifecycle`] follows the device status from reset to DRIVER_OK, takes the queues' addresses between FEATURES_OK and
//! DRIVER_OK and at no other time, and then hands validated queues to the device, which runs on a
//! [`worker`](super::worker) from there on. Whatever breaks the rules is answered with DEVICE_NEEDS_RESET or ignored.
//!
//! A transport says where the registers are, and how the driver is signalled.

use std::io;
use std::mem;
use std::sync::Arc;

use vmm_sys_util::eventfd::EventFd;

use crate::Memory;
use crate::warnings::Warnings;

use super::device::{Activation, DeviceInterrupt, VirtioDevice};
use super::queue::QueueSetup;
use super::read_config_bytes;
use super::status::{ACKNOWLEDGE, DRIVER, DRIVER_OK, FAILED, FEATURES_OK, NEEDS_RESET, VERSION_1};
use super::worker::{Runner, Running, StartError, Wakeups};

/// How a transport signals the driver.
pub(crate) trait TransportSignal: DeviceInterrupt + 'static {
    /// Whether the device said that it cannot go on.
    fn is_reset_needed(&self) -> bool;

    /// Forgets everything, as a reset does.
    fn reset(&self);
}

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

/// A device, and what its driver wrote so far.
pub(crate) struct Lifecycle<S> {
    state: State,
    runner: Runner,
    memory: Memory,
    pub signal: Arc<S>,
    wakeups: Arc<Wakeups>,
    warnings: Warnings,
    /// The device's number (Virtio 1.2, 5).
    pub device_id: u32,
    /// All features that are offered: the device's and the transport's.
    pub offered: u64,
    driver: Written,
}

/// What the driver wrote, all of which a reset forgets.
struct Written {
    /// Without DEVICE_NEEDS_RESET, which the worker may set at any time.
    status: u32,
    features: u64,
    queues: Vec<QueueSetup>,
}

impl Written {
    fn new(queue_sizes: &[u16]) -> Self {
        Self { status: 0, features: 0, queues: queue_sizes.iter().copied().map(QueueSetup::new).collect() }
    }

    fn has(&self, bit: u32) -> bool {
        self.status & bit != 0
    }
}

impl<S: TransportSignal> Lifecycle<S> {
    /// Offers `device`, whose buffers are in `memory`.
    ///
    /// # Errors
    /// When the process is out of file descriptors.
    pub fn new(device: Box<dyn VirtioDevice>, memory: Memory, signal: S, runner: Runner) -> io::Result<Self> {
        Ok(Self {
            runner,
            memory,
            signal: Arc::new(signal),
            wakeups: Arc::new(Wakeups::new(device.queue_sizes().len())?),
            warnings: Warnings::new(device.name()),
            device_id: device.device_id(),
            offered: device.features() | VERSION_1,
            driver: Written::new(device.queue_sizes()),
            state: State::Inactive(device),
        })
    }

    /// One event for each queue.
    pub fn queue_events(&self) -> &[EventFd] {
        self.wakeups.queues()
    }

    /// The device status.
    pub fn status(&self) -> u32 {
        let needs_reset = if self.signal.is_reset_needed() { NEEDS_RESET } else { 0 };
        self.driver.status | needs_reset
    }

    /// The features that the driver wrote.
    pub fn driver_features(&self) -> u64 {
        self.driver.features
    }

    /// How many queues there are.
    pub fn queue_count(&self) -> usize {
        self.driver.queues.len()
    }

    /// What the driver said about queue `index`.
    pub fn queue(&self, index: u32) -> Option<&QueueSetup> {
        self.driver.queues.get(usize::try_from(index).ok()?)
    }

    /// 3.1.1: features are chosen between DRIVER and FEATURES_OK. `selector` says which half: 0 the low, 1 the high one.
    pub fn write_features(&mut self, selector: u32, value: u32) {
        if !self.driver.has(DRIVER) || self.driver.has(FEATURES_OK) {
            return self.warnings.warn(format_args!("the driver writes features outside of negotiation; ignored"));
        }
        match selector {
            0 => set_low(&mut self.driver.features, value),
            1 => set_high(&mut self.driver.features, value),
            // Bits from 64 on are not defined, and so not offered.
            _ => (),
        }
    }

    /// Changes queue `index`. Only now, when the device knows the features and does not use the queue yet, is it allowed to
    /// (3.1.1): an active device relies on queues that were checked once.
    pub fn configure_queue(&mut self, index: u32, change: impl FnOnce(&mut QueueSetup)) {
        if !self.driver.has(FEATURES_OK) || self.driver.has(DRIVER_OK) {
            return self.warnings.warn(format_args!("the driver configures a queue outside of set-up; ignored"));
        }
        let queue = usize::try_from(index).ok().and_then(|index| self.driver.queues.get_mut(index));
        if let Some(queue) = queue {
            change(queue);
        }
    }

    /// A notification of queue `index` that the hypervisor did not take.
    pub fn notify(&mut self, index: u32) {
        let State::Active { running, .. } = &mut self.state else { return };
        // Without NOTIFICATION_DATA, which is not offered, the value is the queue's index and nothing else.
        let Ok(index) = u16::try_from(index) else { return };
        if let Some(event) = self.wakeups.queues().get(usize::from(index)) {
            running.notify(index, event);
        }
    }

    /// Fills `data` from the configuration space.
    pub fn read_config(&self, offset: u64, data: &mut [u8]) {
        match &self.state {
            State::Inactive(device) => read_config_bytes(device.config(), offset, data),
            State::Active { config, .. } => read_config_bytes(config, offset, data),
            State::Lost => data.fill(0),
        }
    }

    /// Writes to the configuration space.
    pub fn write_config(&mut self, offset: u64, data: &[u8]) {
        // An active device has no writable fields, as the seam stands.
        if let State::Inactive(device) = &mut self.state {
            device.write_config(offset, data);
        }
    }

    /// 2.1: each status bit is set once and in order, and only a reset clears them.
    pub fn write_status(&mut self, value: u32) {
        if value == 0 {
            return self.reset();
        }
        if self.driver.status & !value != 0 {
            return self.warnings.warn(format_args!("the driver clears a part of the status; ignored"));
        }
        self.driver.status |= value & FAILED;
        let mut previous = ACKNOWLEDGE;
        for bit in [ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK] {
            if value & bit == 0 || (bit != ACKNOWLEDGE && !self.driver.has(previous)) {
                break;
            }
            if !self.driver.has(bit) {
                self.enter(bit);
            }
            previous = bit;
        }
    }

    /// Sets one new status bit, if the device agrees, and does what it stands for.
    fn enter(&mut self, bit: u32) {
        if bit == FEATURES_OK && !self.accepts_features() {
            return self.warnings.warn(format_args!(
                "the driver's features {:#x} are not among those offered, {:#x}",
                self.driver.features, self.offered
            ));
        }
        self.driver.status |= bit;
        if bit == DRIVER_OK {
            self.activate();
        }
    }

    /// 2.2.2 and 6.1: a subset of what is offered, with VERSION_1, without which no transport here is anything.
    fn accepts_features(&self) -> bool {
        let features = self.driver.features;
        features & !self.offered == 0 && features & VERSION_1 != 0
    }

    /// Hands the queues to the device.
    fn activate(&mut self) {
        let features = self.driver.features;
        let queues: Result<Vec<_>, _> =
            self.driver.queues.iter().map(|queue| queue.build(&self.memory, features)).collect();
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
        let interrupt: Arc<dyn DeviceInterrupt> = Arc::<S>::clone(&self.signal);
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
            State::Inactive(device) => self.driver = Written::new(device.queue_sizes()),
            State::Active { .. } | State::Lost => self.signal.needs_reset(),
        }
    }
}

/// The half of `bits` that a selector names: 0 the low, 1 the high one, and nothing beyond.
pub(crate) fn half(bits: u64, selector: u32) -> u32 {
    let [a, b, c, d, e, f, g, h] = bits.to_le_bytes();
    match selector {
        0 => u32::from_le_bytes([a, b, c, d]),
        1 => u32::from_le_bytes([e, f, g, h]),
        _ => 0,
    }
}

/// Puts `value` into the low half.
pub(crate) fn set_low(bits: &mut u64, value: u32) {
    *bits = *bits >> 32 << 32 | u64::from(value);
}

/// Puts `value` into the high half.
pub(crate) fn set_high(bits: &mut u64, value: u32) {
    *bits = u64::from(half(*bits, 0)) | u64::from(value) << 32;
}
