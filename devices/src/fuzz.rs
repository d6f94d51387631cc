//! The bodies of the fuzz targets: plain functions on bytes, which a fuzzer and the crate's own tests both run.
//!
//! They are deterministic: devices run inline. None may panic, hang or grow, whatever the bytes say, and after whatever
//! a driver did, a reset brings back a device that works.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::missing_panics_doc)] // a fuzz body reports by panicking

mod pci;

use std::sync::Arc;

use vm_memory::{Bytes, GuestAddress};

use crate::bus::BusDevice;
use crate::virtio::blk::Blk;
use crate::virtio::mmio::spec::{self, Register};
use crate::virtio::mock::{BUFFERS, Desc, Driver, MEMORY_END, MemoryDisk, NEXT, WRITE};
use crate::virtio::status;
use crate::virtio::worker::Runner;

pub use pci::pci_registers;

const DISK_SIZE: usize = 64 * 1024;
const QUEUES: u16 = 2;

/// The bytes of a fuzzer, taken from the front; zeroes when they are used up.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let (front, rest) = self.0.split_at(self.0.len().min(N));
        bytes.iter_mut().zip(front).for_each(|(to, from)| *to = *from);
        self.0 = rest;
        bytes
    }

    fn u8(&mut self) -> u8 {
        let [byte] = self.bytes();
        byte
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.bytes())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    /// One of `values`, or something else now and then.
    fn one_of(&mut self, values: &[u64]) -> u64 {
        let choice = usize::from(self.u8());
        values.get(choice % (values.len() + 1)).copied().unwrap_or_else(|| self.u64())
    }
}

fn driver() -> Driver {
    let disk = Arc::new(MemoryDisk::new(DISK_SIZE));
    Driver::new(Box::new(Blk::new("fuzz", disk, "serial", QUEUES)), Runner::Inline)
}

/// Whatever was done before: reset, start and use the device.
fn check_works(driver: &mut Driver) {
    driver.write(Register::Status, 0);
    assert_eq!(driver.status(), 0, "a reset clears the status");
    assert_eq!(driver.read(Register::InterruptStatus), 0, "a reset clears the interrupt status");
    driver.start(0);
    assert_eq!(driver.blk(1, 1, 1, &[0x5a; 512]).status, 0);
    assert_eq!(driver.blk_read(0, 1, 512).data, [0x5a; 512]);
}

/// Reads and writes registers of a block device, at any offset and of any size, mixed with the steps of a regular
/// driver so that every state is reached.
pub fn mmio_registers(data: &[u8]) {
    let mut input = Input(data);
    let mut driver = driver();
    while !input.is_empty() {
        match input.u8() % 8 {
            0 | 1 => {
                let value = input.u32();
                let (_, register) = pick_register(&mut input);
                driver.write(register, value);
            }
            2 => {
                // Values that mean something: status bits, selectors, sizes.
                let (_, register) = pick_register(&mut input);
                let value = input.one_of(&[0, 1, 2, 3, 7, 11, 15, 64, 128, 256, 0x8000]);
                driver.write(register, u32::try_from(value & u64::from(u32::MAX)).unwrap());
            }
            3 => {
                let offset = input.one_of(&[0, 0x50, 0x70, 0xfc, 0xff, 0x100, 0x13c, 0xfff]);
                let bytes: [u8; 16] = input.bytes();
                let len = usize::from(input.u8() % 17);
                driver.transport.write(offset, bytes.get(..len).unwrap());
            }
            4 => check_read(&mut driver, &mut input),
            5 => {
                driver.negotiate(input.one_of(&[status::VERSION_1, 0, u64::MAX, status::VERSION_1 | 1 << 29]));
            }
            6 => driver.add_status(1 << (input.u8() % 8)),
            _ => driver.start(0),
        }
        check_frozen(&mut driver, input.u32());
    }
    check_works(&mut driver);
}

fn pick_register(input: &mut Input<'_>) -> (u64, Register) {
    let choice = usize::from(input.u8()) % spec::REGISTERS.len();
    spec::REGISTERS.get(choice).copied().unwrap()
}

/// Reads something of an odd size; what is no register and no configuration reads as zero.
fn check_read(driver: &mut Driver, input: &mut Input<'_>) {
    let offset = u64::from(input.u16()) % 0x180;
    let len = usize::from(input.u8() % 17);
    let mut bytes = [0xee; 16];
    let read = bytes.get_mut(..len).unwrap();
    driver.transport.read(offset, read);
    if offset < spec::CONFIG && (len != 4 || offset % 4 != 0) {
        assert!(read.iter().all(|byte| *byte == 0), "a read of {len} bytes at {offset:#x} is no register");
    }
}

/// After DRIVER_OK, no write changes a queue.
fn check_frozen(driver: &mut Driver, value: u32) {
    if driver.status() & status::DRIVER_OK == 0 {
        return;
    }
    let before = driver.read(Register::QueueReady);
    driver.write(Register::QueueNum, value);
    driver.write(Register::QueueReady, 1 - before);
    assert_eq!(driver.read(Register::QueueReady), before, "an active queue is frozen");
}

/// Puts descriptors, rings and requests of any kind before an active block device and notifies it.
pub fn blk_requests(data: &[u8]) {
    let mut input = Input(data);
    let mut driver = driver();
    let offered = driver.offered();
    driver.start(offered & (input.u64() | status::VERSION_1));
    while !input.is_empty() {
        if driver.status() & status::NEEDS_RESET != 0 {
            driver.start(offered & (input.u64() | status::VERSION_1));
        }
        let queue = usize::from(input.u8() % 2);
        match input.u8() % 5 {
            0 => put_header(&mut driver, &mut input),
            1 => put_descriptor(&mut driver, &mut input, queue),
            2 => {
                driver.make_available(queue, pick_index(&mut input));
                driver.kick(queue);
            }
            3 => put_request(&mut driver, &mut input, queue),
            _ => {
                // Anything, anywhere in the rings.
                let areas = Driver::areas(u32::from(input.u8() % 2));
                let area = areas.get(usize::from(input.u8()) % areas.len()).copied().unwrap();
                let address = area + u64::from(input.u8());
                driver.memory.write_obj(input.u16(), GuestAddress(address)).unwrap();
                driver.kick(queue);
            }
        }
    }
    check_works(&mut driver);
}

/// A well-formed request; what it asks for may be nonsense.
fn put_request(driver: &mut Driver, input: &mut Input<'_>, queue: usize) {
    put_header(driver, input);
    let head = Desc { addr: BUFFERS + 16 * u64::from(input.u8() % 8), len: 16, flags: NEXT, next: 1 };
    let data = Desc { addr: BUFFERS + 256, len: 512 * u32::from(input.u8() % 4), flags: NEXT, next: 2 };
    let flags = data.flags | if input.u8() & 1 == 0 { WRITE } else { 0 };
    let status = Desc { addr: BUFFERS + 128, len: 1, flags: WRITE, next: 0 };
    for (slot, desc) in (0..).zip([head, Desc { flags, ..data }, status]) {
        driver.put_descriptor(queue, slot, desc);
    }
    driver.make_available(queue, 0);
    driver.kick(queue);
}

/// Writes a request's header, or a discard segment, to where descriptors are likely to point.
fn put_header(driver: &mut Driver, input: &mut Input<'_>) {
    let mut bytes = Vec::new();
    bytes.extend(input.one_of(&[0, 1, 4, 8, 11, 13, 2]).to_le_bytes());
    bytes.extend(input.one_of(&[0, 1, 127, 128, 129, u64::MAX, 1 << 55]).to_le_bytes());
    let address = BUFFERS + 16 * u64::from(input.u8() % 8);
    driver.memory.write_slice(&bytes, GuestAddress(address)).unwrap();
}

fn put_descriptor(driver: &mut Driver, input: &mut Input<'_>, queue: usize) {
    let [table, available, used] = Driver::areas(u32::from(input.u8() % 2));
    let addr =
        input.one_of(&[BUFFERS, BUFFERS + 16, MEMORY_END - 512, MEMORY_END, u64::MAX - 15, table, available, used]);
    let len = input.one_of(&[16, 1, 512, 0, 32, 513, 17, 4096, u64::from(u32::MAX), 16 * 65535]);
    let len = u32::try_from(len & u64::from(u32::MAX)).unwrap();
    let desc = Desc { addr, len, flags: input.u16() % 8, next: pick_index(input) };
    driver.put_descriptor(queue, pick_index(input), desc);
}

/// Mostly one of the first few descriptors, so that chains come about; sometimes one that does not exist.
fn pick_index(input: &mut Input<'_>) -> u16 {
    match input.u8() {
        byte @ 0..250 => u16::from(byte % 6),
        _ => input.u16(),
    }
}

#[cfg(test)]
mod tests;
