//! The virtio entropy device (Virtio 1.2, 5.4): random bytes from the host's kernel.

use std::sync::Arc;

use virtio_queue::{DescriptorChain, Queue, QueueT};

use crate::Memory;
use crate::entropy;
use crate::warnings::Warnings;

use super::chain::ChainBuffers;
use super::device::{Activation, ActiveDevice, DeviceInterrupt, NeedsReset, Served, Stop, VirtioDevice};
use super::queue::{self, RING_FEATURES};

/// 5.4.1: device number.
const DEVICE_ID: u32 = 4;
/// 5.4.2: one queue, `requestq`.
const QUEUE_SIZES: [u16; 1] = [64];
/// The most bytes for one request; a driver takes what it gets (5.4.6) and asks again.
const MAX_BYTES: usize = 64 * 1024;

/// An entropy device that is not in use.
pub struct Rng {
    name: String,
    warnings: Warnings,
}

impl Rng {
    /// An entropy device called `name` in logs and threads.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), warnings: Warnings::new(name) }
    }

    /// Fills a chain's buffers and returns the number of bytes written.
    fn handle<'m>(
        &self,
        memory: &'m Memory,
        chain: DescriptorChain<&'m Memory>,
        limit: u16,
    ) -> Result<u32, NeedsReset> {
        let buffers = ChainBuffers::collect(memory, chain, limit)?.writable;
        let mut filled = 0;
        for slice in buffers.as_slices() {
            let wanted = slice.len().min(MAX_BYTES - filled);
            let slice = slice.subslice(0, wanted).map_err(|_| NeedsReset)?;
            match entropy::fill(&slice) {
                Ok(()) => filled += wanted,
                Err(error) => {
                    self.warnings.warn(format_args!("the host gives no entropy: {error}"));
                    break;
                }
            }
        }
        u32::try_from(filled).map_err(|_| NeedsReset)
    }
}

impl VirtioDevice for Rng {
    fn device_id(&self) -> u32 {
        DEVICE_ID
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn features(&self) -> u64 {
        RING_FEATURES
    }

    fn queue_sizes(&self) -> &[u16] {
        &QUEUE_SIZES
    }

    fn activate(self: Box<Self>, activation: Activation) -> Box<dyn ActiveDevice> {
        let Activation { memory, queues, interrupt, .. } = activation;
        Box::new(ActiveRng { rng: self, memory, queues, interrupt })
    }
}

/// An entropy device at work.
struct ActiveRng {
    rng: Box<Rng>,
    memory: Memory,
    queues: Vec<Queue>,
    interrupt: Arc<dyn DeviceInterrupt>,
}

impl ActiveDevice for ActiveRng {
    fn serve(&mut self, index: u16, stop: &Stop) -> Result<Served, NeedsReset> {
        let Self { rng, memory, queues, interrupt } = self;
        let limit = queues.get(usize::from(index)).map_or(0, QueueT::size);
        let handle = |chain| rng.handle(memory, chain, limit);
        let served = queue::serve(queues, index, memory, interrupt.as_ref(), stop, handle);
        if served.is_err() {
            rng.warnings.warn(format_args!("the driver broke the rules of queue {index}; the device needs a reset"));
        }
        served
    }

    fn deactivate(self: Box<Self>) -> Box<dyn VirtioDevice> {
        self.rng
    }
}

#[cfg(test)]
mod tests {
    use vm_memory::{Bytes, GuestAddress};

    use super::*;
    use crate::virtio::mmio::spec::Register;
    use crate::virtio::mock::{BUFFERS, Desc, Driver, LOW_END, MEMORY_END};
    use crate::virtio::status;
    use crate::virtio::worker::Runner;

    fn started() -> Driver {
        let mut driver = Driver::new(Box::new(Rng::new("rng0")), Runner::Inline);
        assert_eq!(driver.read(Register::DeviceId), 4);
        driver.start(0);
        driver
    }

    fn get(driver: &Driver, address: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        driver.memory.read_slice(&mut bytes, GuestAddress(address)).unwrap();
        bytes
    }

    #[test]
    fn buffers_are_filled_and_nothing_beside_them() {
        let mut driver = started();
        // Two buffers, the second across two regions of memory.
        driver.add(0, &[Desc::writable(BUFFERS, 64), Desc::writable(LOW_END - 64, 128)]);
        driver.kick(0);
        assert_eq!(driver.used(0).unwrap().len, 192);
        assert_eq!(driver.interrupt.count(), 1);
        for address in [BUFFERS, LOW_END - 64, LOW_END] {
            // Random bytes are 64 zeroes once in 2^512 runs.
            assert_ne!(get(&driver, address, 64), [0; 64]);
        }
        for address in [BUFFERS - 64, BUFFERS + 64, LOW_END - 128, LOW_END + 64] {
            assert_eq!(get(&driver, address, 64), [0; 64]);
        }
    }

    #[test]
    fn a_request_gives_64_kib_at_most() {
        let mut driver = started();
        driver.add(0, &[Desc::writable(BUFFERS, 1000), Desc::writable(BUFFERS + 1000, 0x1_0000)]);
        driver.kick(0);
        assert_eq!(driver.used(0).unwrap().len, 65536);
        assert_eq!(get(&driver, BUFFERS + 65536, 1000), [0; 1000]);
    }

    #[test]
    fn a_request_without_room_gets_nothing() {
        let mut driver = started();
        driver.add(0, &[Desc::readable(BUFFERS, 64)]);
        driver.kick(0);
        assert_eq!(driver.used(0).unwrap().len, 0);
        assert_eq!(get(&driver, BUFFERS, 64), [0; 64]);
    }

    #[test]
    fn buffers_outside_of_memory_break_the_device() {
        for desc in [Desc::writable(MEMORY_END, 1), Desc::writable(BUFFERS, u32::MAX), Desc::writable(u64::MAX, 2)] {
            let mut driver = started();
            driver.add(0, &[desc]);
            driver.kick(0);
            assert_eq!(driver.status(), 15 | status::NEEDS_RESET);
        }
    }
}
