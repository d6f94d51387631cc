//! A driver for tests and fuzz targets: it works a device through the transport's registers and rings in guest memory,
//! in the order in which Linux does.
//!
//! ```
//! # use std::sync::Arc;
//! # use ovum_devices::virtio::{blk::Blk, mock::{Driver, MemoryDisk}, worker::Runner};
//! let disk = Arc::new(MemoryDisk::new(1024 * 1024));
//! let mut driver = Driver::new(Box::new(Blk::new("blk0", disk, "serial", 1)), Runner::Inline);
//! driver.start(0);
//! assert_eq!(driver.blk(0, 1, 8, &[1; 512]).status, 0); // write sector 8
//! assert_eq!(driver.blk_read(0, 8, 512).data, [1; 512]);
//! ```

// A mistake here must stop the test that made it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::missing_panics_doc)]

mod disk;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use vm_memory::{Bytes, GuestAddress};

use crate::Memory;
use crate::bus::BusDevice;
use crate::interrupt::Interrupt;

use super::device::VirtioDevice;
use super::mmio::MmioTransport;
use super::mmio::spec::{self, Register};
use super::status;
use super::worker::Runner;

pub use disk::MemoryDisk;

/// The first region of guest memory: its end, where a hole begins.
pub const LOW_END: u64 = 0x20_0000;
/// The second region of guest memory: its start, right behind the first, so that a buffer may lie in both.
pub const HIGH_START: u64 = LOW_END;
/// The second region's end, behind which there is nothing.
pub const MEMORY_END: u64 = LOW_END + 0x10_0000;
/// Where buffers for requests are placed.
pub const BUFFERS: u64 = 0x10_0000;

/// Guest memory that one queue takes.
const QUEUE_SPACE: u64 = 0x4000;
const AVAILABLE_OFFSET: u64 = 0x2000;
const USED_OFFSET: u64 = 0x3000;
/// The largest queue that the space is enough for, in descriptors.
const MAX_QUEUE_SIZE: u16 = 256;
/// How long to wait for a device on another thread.
const PATIENCE: Duration = Duration::from_secs(10);

/// A descriptor's flags (Virtio 1.2, 2.7.5): the chain goes on.
pub const NEXT: u16 = 1;
/// A descriptor's flags: the device writes to it.
pub const WRITE: u16 = 2;
/// A descriptor's flags: it names a table of descriptors.
pub const INDIRECT: u16 = 4;

/// A descriptor as it lies in guest memory (2.7.5).
#[derive(Debug, Clone, Copy, Default)]
pub struct Desc {
    /// GPA of the buffer.
    pub addr: u64,
    /// Bytes of the buffer.
    pub len: u32,
    /// [`NEXT`], [`WRITE`], [`INDIRECT`].
    pub flags: u16,
    /// Index of the next descriptor, with [`NEXT`].
    pub next: u16,
}

impl Desc {
    /// A buffer that the device reads.
    #[must_use]
    pub fn readable(addr: u64, len: u32) -> Self {
        Self { addr, len, ..Self::default() }
    }

    /// A buffer that the device writes.
    #[must_use]
    pub fn writable(addr: u64, len: u32) -> Self {
        Self { addr, len, flags: WRITE, ..Self::default() }
    }

    /// Its 16 bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.addr.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.len.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.flags.to_le_bytes());
        bytes[14..].copy_from_slice(&self.next.to_le_bytes());
        bytes
    }
}

/// An entry of the used ring (2.7.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// Index of the chain's first descriptor.
    pub head: u32,
    /// Bytes that the device says it wrote.
    pub len: u32,
}

/// How a block request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlkAnswer {
    /// The status byte; 0xee if the device did not write it.
    pub status: u8,
    /// What the device wrote before the status.
    pub data: Vec<u8>,
    /// The length in the used ring.
    pub len: u32,
}

/// Where the driver put one queue, and how far it is.
#[derive(Debug, Clone, Copy)]
struct DriverQueue {
    size: u16,
    base: u64,
    next_descriptor: u16,
    available: u16,
    used: u16,
}

/// Counts its edges.
#[derive(Debug, Default)]
pub struct CountingInterrupt(AtomicUsize);

impl CountingInterrupt {
    /// How many edges there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Interrupt for CountingInterrupt {
    fn trigger(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A driver with the device that it drives.
pub struct Driver {
    /// The device behind its registers.
    pub transport: MmioTransport,
    /// The guest's memory.
    pub memory: Memory,
    /// Counts the device's interrupts.
    pub interrupt: Arc<CountingInterrupt>,
    queues: Vec<DriverQueue>,
}

impl Driver {
    /// A machine that has nothing but `device` and a few MiB of memory in two adjacent regions.
    #[must_use]
    pub fn new(device: Box<dyn VirtioDevice>, runner: Runner) -> Self {
        let low = (GuestAddress(0), usize::try_from(LOW_END).unwrap());
        let high = (GuestAddress(HIGH_START), usize::try_from(MEMORY_END - HIGH_START).unwrap());
        let memory = Memory::from_ranges(&[low, high]).unwrap();
        let interrupt = Arc::new(CountingInterrupt::default());
        let line: Arc<dyn Interrupt> = Arc::<CountingInterrupt>::clone(&interrupt);
        let transport = MmioTransport::with_runner(device, memory.clone(), line, runner).unwrap();
        Self { transport, memory, interrupt, queues: Vec::new() }
    }

    /// Reads a register.
    pub fn read(&mut self, register: Register) -> u32 {
        let mut data = [0; 4];
        self.transport.read(register.offset(), &mut data);
        u32::from_le_bytes(data)
    }

    /// Writes a register.
    pub fn write(&mut self, register: Register, value: u32) {
        self.transport.write(register.offset(), &value.to_le_bytes());
    }

    /// Reads `N` bytes of the configuration space.
    pub fn config<const N: usize>(&mut self, offset: usize) -> [u8; N] {
        let mut data = [0xee; N];
        self.transport.read(spec::CONFIG + offset as u64, &mut data);
        data
    }

    /// The device's status.
    pub fn status(&mut self) -> u32 {
        self.read(Register::Status)
    }

    /// Adds a bit to the status, as Linux does.
    pub fn add_status(&mut self, bit: u32) {
        let status = self.status();
        self.write(Register::Status, status | bit);
    }

    /// All features that are offered.
    pub fn offered(&mut self) -> u64 {
        self.write(Register::DeviceFeaturesSel, 1);
        let high = self.read(Register::DeviceFeatures);
        self.write(Register::DeviceFeaturesSel, 0);
        u64::from(high) << 32 | u64::from(self.read(Register::DeviceFeatures))
    }

    /// Resets the device and accepts exactly `features`; says whether the device agreed.
    pub fn negotiate(&mut self, features: u64) -> bool {
        self.write(Register::Status, 0);
        self.queues.clear();
        self.add_status(status::ACKNOWLEDGE);
        self.add_status(status::DRIVER);
        for (selector, half) in [(1, features >> 32), (0, features & u64::from(u32::MAX))] {
            self.write(Register::DriverFeaturesSel, selector);
            self.write(Register::DriverFeatures, u32::try_from(half).unwrap());
        }
        self.add_status(status::FEATURES_OK);
        self.status() & status::FEATURES_OK != 0
    }

    /// Where the driver puts queue `index`: descriptor table, available ring, used ring.
    #[must_use]
    pub fn areas(index: u32) -> [u64; 3] {
        let base = QUEUE_SPACE * u64::from(index);
        [base, base + AVAILABLE_OFFSET, base + USED_OFFSET]
    }

    /// Names queue `index` of `size` descriptors to the device.
    pub fn set_up_queue(&mut self, index: u32, size: u16) {
        let [descriptors, available, used] = Self::areas(index);
        assert!(size <= MAX_QUEUE_SIZE, "the driver keeps less memory for a queue");
        // The memory of a queue begins as zeroes.
        self.memory.write_slice(&[0; 0x4000], GuestAddress(descriptors)).unwrap();
        self.write(Register::QueueSel, index);
        assert_eq!(self.read(Register::QueueReady), 0, "a queue of a fresh device is not ready");
        self.write(Register::QueueNum, size.into());
        self.write_address(Register::QueueDescLow, Register::QueueDescHigh, descriptors);
        self.write_address(Register::QueueDriverLow, Register::QueueDriverHigh, available);
        self.write_address(Register::QueueDeviceLow, Register::QueueDeviceHigh, used);
        self.write(Register::QueueReady, 1);
        self.queues.push(DriverQueue { size, base: descriptors, next_descriptor: 0, available: 0, used: 0 });
    }

    fn write_address(&mut self, low: Register, high: Register, address: u64) {
        self.write(low, u32::try_from(address & u64::from(u32::MAX)).unwrap());
        self.write(high, u32::try_from(address >> 32).unwrap());
    }

    /// From reset to DRIVER_OK with VERSION_1, `features` and all queues at their largest size.
    pub fn start(&mut self, features: u64) {
        assert!(self.negotiate(features | status::VERSION_1), "the device offers these features");
        for index in 0..self.transport.queue_events().len() {
            let index = u32::try_from(index).unwrap();
            self.write(Register::QueueSel, index);
            let size = self.read(Register::QueueNumMax);
            self.set_up_queue(index, u16::try_from(size).unwrap());
        }
        self.add_status(status::DRIVER_OK);
    }

    /// Writes descriptor `slot` of queue `index`, whatever it says.
    pub fn put_descriptor(&mut self, index: usize, slot: u16, desc: Desc) {
        let address = self.queues[index].base + 16 * u64::from(slot);
        self.memory.write_slice(&desc.to_bytes(), GuestAddress(address)).unwrap();
    }

    /// Makes the chain that begins at descriptor `head` of queue `index` available, without a notification.
    pub fn make_available(&mut self, index: usize, head: u16) {
        let queue = &mut self.queues[index];
        let ring = queue.base + AVAILABLE_OFFSET;
        let entry = ring + 4 + 2 * u64::from(queue.available % queue.size);
        queue.available = queue.available.wrapping_add(1);
        self.memory.write_obj(head, GuestAddress(entry)).unwrap();
        self.memory.store(queue.available, GuestAddress(ring + 2), Ordering::Release).unwrap();
    }

    /// Links `chain` in free descriptors of queue `index`, makes it available and returns its head.
    pub fn add(&mut self, index: usize, chain: &[Desc]) -> u16 {
        let size = self.queues[index].size;
        let first = self.queues[index].next_descriptor;
        let len = u16::try_from(chain.len()).unwrap();
        for (slot, desc) in (0..).zip(chain) {
            let next = (first + slot + 1) % size;
            let flags = desc.flags | if slot + 1 < len { NEXT } else { 0 };
            self.put_descriptor(index, (first + slot) % size, Desc { flags, next, ..*desc });
        }
        self.queues[index].next_descriptor = (first + len) % size;
        self.make_available(index, first);
        first
    }

    /// Notifies the device about queue `index`.
    pub fn kick(&mut self, index: usize) {
        self.write(Register::QueueNotify, u32::try_from(index).unwrap());
    }

    /// Tells the device not to interrupt for queue `index` (2.7.6, VIRTQ_AVAIL_F_NO_INTERRUPT), or to do so again.
    pub fn forbid_interrupts(&mut self, index: usize, forbid: bool) {
        let flags = GuestAddress(self.queues[index].base + AVAILABLE_OFFSET);
        self.memory.store(u16::from(forbid), flags, Ordering::SeqCst).unwrap();
    }

    /// Sets `used_event` of queue `index` (2.7.6): interrupt when that entry is used.
    pub fn set_used_event(&mut self, index: usize, entry: u16) {
        let queue = &self.queues[index];
        let at = GuestAddress(queue.base + AVAILABLE_OFFSET + 4 + 2 * u64::from(queue.size));
        self.memory.store(entry, at, Ordering::SeqCst).unwrap();
    }

    /// The next entry of the used ring of queue `index`, if the device put one there.
    pub fn used(&mut self, index: usize) -> Option<Used> {
        let queue = &mut self.queues[index];
        let ring = queue.base + USED_OFFSET;
        let done: u16 = self.memory.load(GuestAddress(ring + 2), Ordering::Acquire).unwrap();
        if done == queue.used {
            return None;
        }
        let entry = ring + 4 + 8 * u64::from(queue.used % queue.size);
        queue.used = queue.used.wrapping_add(1);
        let head = self.memory.read_obj(GuestAddress(entry)).unwrap();
        let len = self.memory.read_obj(GuestAddress(entry + 4)).unwrap();
        Some(Used { head, len })
    }

    /// As [`Driver::used`], but waits for a device on another thread.
    pub fn wait_used(&mut self, index: usize) -> Used {
        let start = Instant::now();
        loop {
            if let Some(used) = self.used(index) {
                return used;
            }
            assert!(start.elapsed() < PATIENCE, "the device uses the buffers in time");
            thread::sleep(Duration::from_micros(100));
        }
    }

    /// Waits until `done` says so.
    pub fn wait_until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "it happens in time");
            thread::sleep(Duration::from_micros(100));
        }
    }

    /// Sends a block request of type `kind` with `data` for the device.
    pub fn blk(&mut self, queue: usize, kind: u32, sector: u64, data: &[u8]) -> BlkAnswer {
        self.blk_request(queue, kind, sector, data, 0)
    }

    /// Reads `len` bytes at `sector` of a block device.
    pub fn blk_read(&mut self, queue: usize, sector: u64, len: u32) -> BlkAnswer {
        self.blk_request(queue, 0, sector, &[], len)
    }

    /// Sends a block request with `data` for the device and `room` bytes for its answer, and waits for the answer.
    pub fn blk_request(&mut self, queue: usize, kind: u32, sector: u64, data: &[u8], room: u32) -> BlkAnswer {
        let mut out = Vec::from(kind.to_le_bytes());
        out.extend([0; 4]);
        out.extend(sector.to_le_bytes());
        out.extend(data);
        let answer = BUFFERS + 0x8_0000;
        self.memory.write_slice(&out, GuestAddress(BUFFERS)).unwrap();
        self.memory.write_slice(&vec![0xee; room as usize + 1], GuestAddress(answer)).unwrap();
        let mut chain = vec![Desc::readable(BUFFERS, 16)];
        if !data.is_empty() {
            chain.push(Desc::readable(BUFFERS + 16, u32::try_from(data.len()).unwrap()));
        }
        if room > 0 {
            chain.push(Desc::writable(answer, room));
        }
        chain.push(Desc::writable(answer + u64::from(room), 1));
        let head = self.add(queue, &chain);
        self.kick(queue);
        let used = self.wait_used(queue);
        assert_eq!(used.head, u32::from(head));
        let mut data = vec![0; room as usize];
        self.memory.read_slice(&mut data, GuestAddress(answer)).unwrap();
        let status = self.memory.read_obj(GuestAddress(answer + u64::from(room))).unwrap();
        BlkAnswer { status, data, len: used.len }
    }
}
