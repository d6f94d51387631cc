//! The seam between a virtio device and the transport that shows it to the guest.
//!
//! A device has two states and changes between them by value, so that a queue cannot be served before the driver is
//! ready, nor be set up while it is served:
//!
//! ```text
//! VirtioDevice --activate(queues, memory, interrupt)--> ActiveDevice --deactivate()--> VirtioDevice
//! ```

use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use virtio_queue::Queue;

use crate::Memory;

/// What a device uses to tell the driver that something happened (Virtio 1.2, 2.3 and 2.7.7.1).
pub trait DeviceInterrupt: Send + Sync {
    /// Buffers of queue `index` were used.
    fn used(&self, index: u16);
    /// The device cannot go on until the driver resets it (Virtio 1.2, 2.1.2, DEVICE_NEEDS_RESET).
    fn needs_reset(&self);
}

/// Everything a device gets when the driver sets DRIVER_OK. The queues are validated and frozen from here on.
pub struct Activation {
    /// Guest memory, to read descriptors and buffers from and to write them to.
    pub memory: Memory,
    /// One queue for each size in [`VirtioDevice::queue_sizes`]; those that the driver did not enable are not ready.
    pub queues: Vec<Queue>,
    /// Signals the driver.
    pub interrupt: Arc<dyn DeviceInterrupt>,
    /// The features that both sides agreed on: always a subset of [`VirtioDevice::features`] and the transport's own.
    pub features: u64,
    /// Whether somebody sleeps on [`ActiveDevice::event`]. If not, all that is taken from a queue has to be done when
    /// [`ActiveDevice::serve`] returns.
    pub asynchronous: bool,
}

/// A virtio device that is not in use: offered, negotiated with, or reset.
pub trait VirtioDevice: Send {
    /// The device's number in Virtio 1.2, section 5.
    fn device_id(&self) -> u32;
    /// A short name for logs, threads and metrics, such as `blk0`.
    fn name(&self) -> &str;
    /// The device's own feature bits, and any of the reserved ones (24 to 40) that it can do beside VERSION_1.
    fn features(&self) -> u64;
    /// The largest size of each queue, in descriptors; a power of two.
    fn queue_sizes(&self) -> &[u16];
    /// The configuration space, if the device has one. While the device is at work it stays as it was at activation.
    fn config(&self) -> &[u8] {
        &[]
    }
    /// Takes a driver's write to the configuration space; devices without writable fields ignore it.
    fn write_config(&mut self, _offset: u64, _data: &[u8]) {}
    /// Starts work on the queues.
    fn activate(self: Box<Self>, activation: Activation) -> Box<dyn ActiveDevice>;
}

/// A virtio device at work.
pub trait ActiveDevice: Send {
    /// Serves what is available in queue `index`, but no more than a bounded amount, and ends soon when `stop` asks
    /// for it. Called on a notification, once after activation, and again after each [`Served::More`].
    ///
    /// # Errors
    /// [`NeedsReset`] when the driver broke the rules of the queue so that it cannot be served any further.
    fn serve(&mut self, index: u16, stop: &Stop) -> Result<Served, NeedsReset>;
    /// What the device waits for beside its queues: a descriptor that becomes readable when its backend has something (a
    /// disk's requests are over, a packet arrived). It stays the same, and open, while the device is at work.
    fn event(&self) -> Option<RawFd> {
        None
    }
    /// Takes what the backend has. Called after each time that [`ActiveDevice::event`] became readable, as edges are seen
    /// (epoll(7)): a counter need not be read, but what is not taken is not announced again.
    ///
    /// # Errors
    /// As [`ActiveDevice::serve`].
    fn wake(&mut self) -> Result<(), NeedsReset> {
        Ok(())
    }
    /// Waits for what is in flight, or cancels it: no buffer of the guest is touched after this returns. Called on the
    /// thread that served, when nothing is going to be served any more.
    fn finish(&mut self) {}
    /// Ends the work: no buffer of the guest is touched after this returns.
    fn deactivate(self: Box<Self>) -> Box<dyn VirtioDevice>;
}

/// Whether a device at work shall come to an end: the driver resets it and waits, or the machine is over. Work that takes
/// long looks at it now and then; what is left undone then is nobody's any more.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// Whether to end.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Asks for the end.
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// As new.
    pub(crate) fn clear(&self) {
        self.0.store(false, Ordering::Release);
    }
}

/// How far serving a queue came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// The queue is empty, and the driver will notify when it is not.
    Drained,
    /// More may be available and waits for another call, so that nobody is kept waiting by a driver that never pauses.
    More,
    /// More may be available, and nothing can be taken until the backend has something: to be called again after the next
    /// [`ActiveDevice::wake`].
    Busy,
}

/// The driver broke the device's rules; it has to reset the device (Virtio 1.2, 2.1.2, DEVICE_NEEDS_RESET).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeedsReset;
