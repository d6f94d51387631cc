//! What the transport and its device's worker share: the vectors by which the driver is signalled.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::interrupt::MessageSink;
use crate::pci::msix::Msix;
use crate::virtio::device::DeviceInterrupt;
use crate::virtio::lifecycle::TransportSignal;

use super::spec;

/// Vectors, and which of them is for what.
#[derive(Debug)]
pub struct Signal {
    vectors: Mutex<Vectors>,
    /// ISR status.
    isr: AtomicU8,
    /// DEVICE_NEEDS_RESET of the device status.
    needs_reset: AtomicBool,
}

/// The function's vectors, and what the driver wants them for.
#[derive(Debug)]
pub struct Vectors {
    pub msix: Msix,
    /// For changes of the configuration.
    pub config: u16,
    /// For each queue.
    pub queues: Vec<u16>,
}

impl Signal {
    /// A vector for each of `queues` queues and one for the configuration, to begin with for nothing.
    pub fn new(queues: usize, sink: Arc<dyn MessageSink>) -> Self {
        let msix = Msix::new(queues + 1, sink);
        let vectors = Vectors { msix, config: spec::NO_VECTOR, queues: vec![spec::NO_VECTOR; queues] };
        Self { vectors: Mutex::new(vectors), isr: AtomicU8::new(0), needs_reset: AtomicBool::new(false) }
    }

    /// The vectors, for the vCPU that reads or writes them. Nothing blocks while they are held.
    pub fn vectors(&self) -> MutexGuard<'_, Vectors> {
        // Every change leaves them whole, also one that a panic cut short.
        self.vectors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// 4.1.4.5: reading the ISR status clears it.
    pub fn take_isr(&self) -> u8 {
        self.isr.swap(0, Ordering::AcqRel)
    }
}

impl Vectors {
    /// 4.1.5.1.2.1: what the driver may map an event to; anything else is no vector.
    pub fn checked(&self, vector: u16) -> u16 {
        if usize::from(vector) < self.msix.count() { vector } else { spec::NO_VECTOR }
    }
}

impl TransportSignal for Signal {
    fn is_reset_needed(&self) -> bool {
        self.needs_reset.load(Ordering::Acquire)
    }

    /// The table of vectors belongs to PCI, and stays as it is.
    fn reset(&self) {
        let mut vectors = self.vectors();
        vectors.config = spec::NO_VECTOR;
        vectors.queues.fill(spec::NO_VECTOR);
        vectors.msix.forget_pending();
        self.isr.store(0, Ordering::Release);
        self.needs_reset.store(false, Ordering::Release);
    }
}

impl DeviceInterrupt for Signal {
    fn used(&self, index: u16) {
        self.isr.fetch_or(spec::ISR_QUEUE, Ordering::AcqRel);
        let mut vectors = self.vectors();
        if let Some(vector) = vectors.queues.get(usize::from(index)).copied() {
            vectors.msix.signal(vector);
        }
    }

    fn needs_reset(&self) {
        self.needs_reset.store(true, Ordering::Release);
        self.isr.fetch_or(spec::ISR_CONFIG, Ordering::AcqRel);
        let mut vectors = self.vectors();
        let vector = vectors.config;
        vectors.msix.signal(vector);
    }
}
