//! The virtio block device (Virtio 1.2, 5.2): a disk, offered to the guest.
//!
//! [`spec`] has the numbers, [`request`] reads what the driver wants, [`mod@submit`] hands it to the disk's engine, and
//! [`mod@complete`] answers it when it is over, in whatever order that is. Data goes between the disk and guest memory
//! without a copy.

pub mod complete;
pub mod request;
pub mod spec;
pub mod submit;

use std::os::fd::RawFd;
use std::sync::Arc;

use ovum_disk::Disk;
use ovum_disk::engine::{Backend, Engine, Haste};
use virtio_queue::{DescriptorChain, Queue, QueueT};

use crate::Memory;
use crate::warnings::Warnings;

use super::device::{Activation, ActiveDevice, DeviceInterrupt, NeedsReset, Served, Stop, VirtioDevice};
use super::queue::{self, RING_FEATURES, Used};
use complete::{Pending, complete};
use request::{Limits, Request};
use submit::{Origin, submit};

/// Descriptors of each queue.
const QUEUE_SIZE: u16 = 256;
/// The most queues: one for each of the most vCPUs.
const MAX_QUEUES: u16 = 64;

/// A block device that is not in use.
pub struct Blk {
    name: String,
    disk: Engine<Pending>,
    serial: [u8; spec::ID_LEN],
    features: u64,
    config: [u8; spec::CONFIG_LEN],
    queue_sizes: Vec<u16>,
    warnings: Warnings,
}

impl Blk {
    /// Offers `disk` under `name` (for logs and threads). The guest sees the first 20 bytes of `serial` as the disk's
    /// identity, and `queues` queues, of which there are at least 1 and at most 64.
    #[must_use]
    pub fn new(name: &str, disk: Arc<dyn Disk>, serial: &str, queues: u16) -> Self {
        let queues = queues.clamp(1, MAX_QUEUES);
        let mut id = [0; spec::ID_LEN];
        id.iter_mut().zip(serial.bytes()).for_each(|(to, from)| *to = from);
        Self {
            name: name.to_owned(),
            features: features(disk.as_ref(), queues),
            config: config(disk.as_ref(), queues),
            disk: Engine::new(name, disk, Backend::Best),
            serial: id,
            queue_sizes: vec![QUEUE_SIZE; queues.into()],
            warnings: Warnings::new(name),
        }
    }
}

fn features(disk: &dyn Disk, queues: u16) -> u64 {
    let always =
        RING_FEATURES | spec::F_SIZE_MAX | spec::F_SEG_MAX | spec::F_BLK_SIZE | spec::F_FLUSH | spec::F_TOPOLOGY;
    let access = if disk.is_read_only() { spec::F_RO } else { spec::F_DISCARD | spec::F_WRITE_ZEROES };
    let several = if queues > 1 { spec::F_MQ } else { 0 };
    always | access | several
}

/// How many sectors `bytes` are.
fn sectors(bytes: u32) -> u32 {
    u32::try_from(u64::from(bytes) / spec::SECTOR).unwrap_or(0)
}

/// How many times 1 is to be doubled to give `number`, or the power of two below it.
fn doublings(number: u32) -> u8 {
    number.checked_ilog2().and_then(|exponent| u8::try_from(exponent).ok()).unwrap_or(0)
}

/// The configuration space (5.2.4), whose fields are all constant.
fn config(disk: &dyn Disk, queues: u16) -> [u8; spec::CONFIG_LEN] {
    let mut space = [0; spec::CONFIG_LEN];
    let mut put = |offset: usize, bytes: &[u8]| {
        space.iter_mut().skip(offset).zip(bytes).for_each(|(to, from)| *to = *from);
    };
    put(spec::CONFIG_CAPACITY, &(disk.size() / spec::SECTOR).to_le_bytes());
    put(spec::CONFIG_SIZE_MAX, &request::MAX_SEGMENT.to_le_bytes());
    put(spec::CONFIG_SEG_MAX, &u32::from(request::MAX_DATA_SEGMENTS).to_le_bytes());
    let topology = disk.topology();
    let blocks = |bytes: u32| bytes / topology.logical.max(1);
    put(spec::CONFIG_BLK_SIZE, &topology.logical.to_le_bytes());
    put(spec::CONFIG_PHYSICAL_BLOCK_EXP, &[doublings(blocks(topology.physical))]);
    // Disks begin with a whole physical block.
    put(spec::CONFIG_ALIGNMENT_OFFSET, &[0]);
    put(spec::CONFIG_MIN_IO_SIZE, &u16::try_from(blocks(topology.physical)).unwrap_or(0).to_le_bytes());
    put(spec::CONFIG_OPT_IO_SIZE, &blocks(topology.optimal).to_le_bytes());
    put(spec::CONFIG_NUM_QUEUES, &queues.to_le_bytes());
    put(spec::CONFIG_MAX_DISCARD_SECTORS, &request::MAX_DISCARD_SECTORS.to_le_bytes());
    put(spec::CONFIG_MAX_DISCARD_SEG, &u32::from(request::MAX_DISCARD_SEGMENTS).to_le_bytes());
    put(spec::CONFIG_DISCARD_SECTOR_ALIGNMENT, &sectors(topology.discard).to_le_bytes());
    put(spec::CONFIG_MAX_WRITE_ZEROES_SECTORS, &request::MAX_WRITE_ZEROES_SECTORS.to_le_bytes());
    put(spec::CONFIG_MAX_WRITE_ZEROES_SEG, &u32::from(request::MAX_WRITE_ZEROES_SEGMENTS).to_le_bytes());
    put(spec::CONFIG_WRITE_ZEROES_MAY_UNMAP, &[1]);
    space
}

impl VirtioDevice for Blk {
    fn device_id(&self) -> u32 {
        spec::DEVICE_ID
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn features(&self) -> u64 {
        self.features
    }

    fn queue_sizes(&self) -> &[u16] {
        &self.queue_sizes
    }

    fn config(&self) -> &[u8] {
        &self.config
    }

    fn activate(mut self: Box<Self>, activation: Activation) -> Box<dyn ActiveDevice> {
        let Activation { memory, queues, interrupt, features, asynchronous } = activation;
        // So a disk behaves to a driver that did not accept the flush request (5.2.6.2).
        self.disk.set_durable(features & spec::F_FLUSH == 0);
        Box::new(ActiveBlk { blk: self, memory, queues, interrupt, features, asynchronous })
    }
}

/// A block device at work.
struct ActiveBlk {
    blk: Box<Blk>,
    memory: Memory,
    queues: Vec<Queue>,
    interrupt: Arc<dyn DeviceInterrupt>,
    features: u64,
    asynchronous: bool,
}

impl ActiveDevice for ActiveBlk {
    fn serve(&mut self, index: u16, stop: &Stop) -> Result<Served, NeedsReset> {
        let mut answered = Vec::new();
        let served = self.take(index, stop, &mut answered);
        self.blk.disk.start();
        if served.is_err() {
            let warnings = &self.blk.warnings;
            warnings.warn(format_args!("the driver broke the rules of queue {index}; the device needs a reset"));
        }
        // Also after an error: what was served until then is the driver's.
        self.give_back(answered)?;
        served
    }

    fn event(&self) -> Option<RawFd> {
        self.blk.disk.event()
    }

    fn wake(&mut self) -> Result<(), NeedsReset> {
        self.give_back(Vec::new())
    }

    /// A reset takes the buffers back, and the end of the machine the memory (Virtio 1.2, 2.4): nobody waits for the
    /// answers any more.
    fn finish(&mut self) {
        self.blk.disk.drain();
    }

    fn deactivate(mut self: Box<Self>) -> Box<dyn VirtioDevice> {
        self.finish();
        self.blk
    }
}

impl ActiveBlk {
    /// Takes a round of requests from queue `index` and begins them; what is answered already goes to `answered`.
    fn take(&mut self, index: u16, stop: &Stop, answered: &mut Vec<Used>) -> Result<Served, NeedsReset> {
        let Self { blk, memory, queues, features, asynchronous, .. } = self;
        let Some(queue) = queues.get_mut(usize::from(index)) else { return Ok(Served::Drained) };
        let room = u16::try_from(blk.disk.room()).unwrap_or(u16::MAX);
        if room == 0 {
            return Ok(Served::Busy);
        }
        let limits = Limits { size: blk.disk.disk().size(), descriptors: queue.size(), features: *features };
        queue::take(queue, memory, room, stop, |chain, more| {
            let haste = match more {
                _ if !*asynchronous => Haste::Now,
                true => Haste::Among,
                false => Haste::Alone,
            };
            let origin = Origin { queue: index, head: chain.head_index(), haste };
            answered.extend(blk.begin(memory, chain, limits, origin)?);
            Ok(())
        })
    }

    /// Answers all requests that are over, and gives them and those that are `answered` back to the driver.
    fn give_back(&mut self, mut answered: Vec<Used>) -> Result<(), NeedsReset> {
        let Self { blk: device, memory, queues, interrupt, .. } = self;
        for over in device.disk.completions() {
            answered.push(complete(over, memory, &device.warnings)?);
        }
        queue::give_back(queues, memory, interrupt.as_ref(), answered)
    }
}

impl Blk {
    /// Reads one request and begins it.
    fn begin<'m>(
        &mut self,
        memory: &'m Memory,
        chain: DescriptorChain<&'m Memory>,
        limits: Limits,
        origin: Origin,
    ) -> Result<Option<Used>, NeedsReset> {
        let request = Request::parse(memory, chain, limits)?;
        submit(&request, origin, &mut self.disk, &self.serial, memory)
    }
}

#[cfg(test)]
mod flight;
#[cfg(test)]
mod tests;
