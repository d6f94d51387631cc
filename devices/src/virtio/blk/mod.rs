//! The virtio block device (Virtio 1.2, 5.2): a disk, offered to the guest.
//!
//! [`spec`] has the numbers, [`request`] reads what the driver wants, [`mod@execute`] does it. Data goes between the disk
//! and guest memory without a copy.

pub mod execute;
pub mod request;
pub mod spec;

use std::sync::Arc;

use ovum_disk::Disk;
use virtio_queue::{DescriptorChain, Queue, QueueT};

use crate::Memory;
use crate::warnings::Warnings;

use super::device::{Activation, ActiveDevice, DeviceInterrupt, NeedsReset, Served, Stop, VirtioDevice};
use super::queue::{self, RING_FEATURES};
use execute::execute;
use request::{Limits, Request, Status};

/// Descriptors of each queue.
const QUEUE_SIZE: u16 = 256;
/// The most queues: one for each of the most vCPUs.
const MAX_QUEUES: u16 = 64;
/// Discards are best aligned to file system blocks of 4 KiB, in sectors.
const DISCARD_ALIGNMENT: u32 = 8;

/// A block device that is not in use.
pub struct Blk {
    name: String,
    disk: Arc<dyn Disk>,
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
            disk,
            serial: id,
            queue_sizes: vec![QUEUE_SIZE; queues.into()],
            warnings: Warnings::new(name),
        }
    }
}

fn features(disk: &dyn Disk, queues: u16) -> u64 {
    let always = RING_FEATURES | spec::F_SIZE_MAX | spec::F_SEG_MAX | spec::F_BLK_SIZE | spec::F_FLUSH;
    let access = if disk.is_read_only() { spec::F_RO } else { spec::F_DISCARD | spec::F_WRITE_ZEROES };
    let several = if queues > 1 { spec::F_MQ } else { 0 };
    always | access | several
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
    put(spec::CONFIG_BLK_SIZE, &disk.logical_block_size().to_le_bytes());
    put(spec::CONFIG_NUM_QUEUES, &queues.to_le_bytes());
    put(spec::CONFIG_MAX_DISCARD_SECTORS, &request::MAX_DISCARD_SECTORS.to_le_bytes());
    put(spec::CONFIG_MAX_DISCARD_SEG, &u32::from(request::MAX_DISCARD_SEGMENTS).to_le_bytes());
    put(spec::CONFIG_DISCARD_SECTOR_ALIGNMENT, &DISCARD_ALIGNMENT.to_le_bytes());
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

    fn activate(self: Box<Self>, activation: Activation) -> Box<dyn ActiveDevice> {
        let Activation { memory, queues, interrupt, features } = activation;
        Box::new(ActiveBlk { blk: self, memory, queues, interrupt, features })
    }
}

/// A block device at work.
struct ActiveBlk {
    blk: Box<Blk>,
    memory: Memory,
    queues: Vec<Queue>,
    interrupt: Arc<dyn DeviceInterrupt>,
    features: u64,
}

impl ActiveDevice for ActiveBlk {
    fn serve(&mut self, index: u16, stop: &Stop) -> Result<Served, NeedsReset> {
        let Self { blk, memory, queues, interrupt, features } = self;
        let Some(queue) = queues.get_mut(usize::from(index)) else { return Ok(Served::Drained) };
        let limits = Limits { size: blk.disk.size(), descriptors: queue.size(), features: *features };
        let handle = |chain| blk.handle(memory, chain, limits, stop);
        let served = queue::serve(queue, index, memory, interrupt.as_ref(), stop, handle);
        if served.is_err() {
            blk.warnings.warn(format_args!("the driver broke the rules of queue {index}; the device needs a reset"));
        }
        served
    }

    fn deactivate(self: Box<Self>) -> Box<dyn VirtioDevice> {
        self.blk
    }
}

impl Blk {
    /// Reads, executes and completes one request; returns the number of bytes that were written to the chain.
    fn handle<'m>(
        &self,
        memory: &'m Memory,
        chain: DescriptorChain<&'m Memory>,
        limits: Limits,
        stop: &Stop,
    ) -> Result<u32, NeedsReset> {
        let request = Request::parse(memory, chain, limits)?;
        let (status, filled) = self.execute(&request, limits.features, stop);
        request.complete(status, filled)
    }

    fn execute(&self, request: &Request<'_>, features: u64, stop: &Stop) -> (Status, u64) {
        let operation = match &request.operation {
            Ok(operation) => operation,
            Err(status) => return (*status, 0),
        };
        let write_through = features & spec::F_FLUSH == 0;
        match execute(operation, self.disk.as_ref(), &self.serial, write_through, stop) {
            Ok(filled) => (Status::Ok, filled),
            Err(error) => {
                self.warnings.warn(format_args!("{} failed: {error}", operation.name()));
                (Status::IoError, 0)
            }
        }
    }
}

#[cfg(test)]
mod tests;
