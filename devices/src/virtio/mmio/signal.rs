//! What the transport and its device's worker share: the ways to signal the driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::interrupt::Interrupt;
use crate::virtio::device::DeviceInterrupt;
use crate::virtio::lifecycle::TransportSignal;

use super::spec;

/// The interrupt with the registers that tell its reason.
#[derive(Debug)]
pub struct Signal {
    interrupt: Arc<dyn Interrupt>,
    /// InterruptStatus.
    status: AtomicU32,
    /// DEVICE_NEEDS_RESET of the device status.
    needs_reset: AtomicBool,
}

impl Signal {
    pub fn new(interrupt: Arc<dyn Interrupt>) -> Self {
        Self { interrupt, status: AtomicU32::new(0), needs_reset: AtomicBool::new(false) }
    }

    pub fn status(&self) -> u32 {
        self.status.load(Ordering::Acquire)
    }

    pub fn acknowledge(&self, bits: u32) {
        self.status.fetch_and(!bits, Ordering::AcqRel);
    }

    /// Sets the reason, then gives one edge. An edge for each reason, even if the driver has not acknowledged the last
    /// one: it may have looked at the rings already.
    fn raise(&self, reason: u32) {
        self.status.fetch_or(reason, Ordering::AcqRel);
        self.interrupt.trigger();
    }
}

impl TransportSignal for Signal {
    fn is_reset_needed(&self) -> bool {
        self.needs_reset.load(Ordering::Acquire)
    }

    fn reset(&self) {
        self.status.store(0, Ordering::Release);
        self.needs_reset.store(false, Ordering::Release);
    }
}

impl DeviceInterrupt for Signal {
    fn used(&self, _index: u16) {
        self.raise(spec::INTERRUPT_USED);
    }

    fn needs_reset(&self) {
        self.needs_reset.store(true, Ordering::Release);
        self.raise(spec::INTERRUPT_CONFIG);
    }
}
