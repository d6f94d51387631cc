//! The body of the fuzz target for virtio over PCI.

use std::sync::{Arc, PoisonError};

use vm_memory::{Bytes, GuestAddress};

use super::{DISK_SIZE, Input, QUEUES};
use crate::Memory;
use crate::bus::{BusDevice, SharedDevice};
use crate::interrupt::MessageSink;
use crate::pci::Ecam;
use crate::virtio::blk::Blk;
use crate::virtio::mock::MemoryDisk;
use crate::virtio::pci::spec::COMMON_FIELDS;
use crate::virtio::pci::{MEMORY_LEN, PciTransport};
use crate::virtio::status::NEEDS_RESET;
use crate::virtio::worker::Runner;

/// Bytes of guest memory.
const MEMORY: usize = 0x1_0000;
/// Where the device's memory is, as its function says.
const ADDRESS: u32 = 0xd100_0000;
/// Places where something is: common configuration, ISR, notifications, table of vectors, pending bits, the end.
const PLACES: [u64; 8] = [0, 0x14, 0x1000, 0x2000, 0x3000, 0x4000, 0x6000, 0x7ffc];

/// Takes all messages.
#[derive(Debug)]
struct Nobody;

impl MessageSink for Nobody {
    fn send(&self, _: u64, _: u32) {}
}

struct Machine {
    bus: Ecam,
    registers: SharedDevice,
    memory: Memory,
}

impl Machine {
    fn new() -> Self {
        let memory = Memory::from_ranges(&[(GuestAddress(0), MEMORY)]).unwrap();
        let disk = Arc::new(MemoryDisk::new(DISK_SIZE));
        let device = Box::new(Blk::new("fuzz", disk, "serial", QUEUES));
        let transport = PciTransport::with_runner(device, memory.clone(), Arc::new(Nobody), Runner::Inline).unwrap();
        let mut bus = Ecam::new();
        bus.add(transport.function(ADDRESS)).unwrap();
        Self { bus, registers: transport.memory(), memory }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        self.registers.lock().unwrap_or_else(PoisonError::into_inner).write(offset, data);
    }

    fn read(&self, offset: u64, data: &mut [u8]) {
        self.registers.lock().unwrap_or_else(PoisonError::into_inner).read(offset, data);
    }

    fn status(&self) -> u32 {
        let mut status = [0];
        self.read(0x14, &mut status);
        status[0].into()
    }
}

/// Reads and writes configuration space and the device's memory, in any order and of any size, and rings in guest memory.
/// Whatever was done, a reset brings back a device that can be negotiated with.
pub fn pci_registers(data: &[u8]) {
    let mut input = Input(data);
    let mut machine = Machine::new();
    while !input.is_empty() {
        let kind = input.u8();
        let bytes: [u8; 8] = input.bytes();
        let data = bytes.get(..usize::from(input.u8() % 9)).unwrap_or_default();
        match kind % 6 {
            0 => machine.bus.write(u64::from(input.u16()) % 0x140, data),
            1 => machine.bus.read(u64::from(input.u16()) % 0x140, &mut data.to_vec()),
            2 => machine.write(input.one_of(&PLACES) % u64::from(2 * MEMORY_LEN), data),
            3 => machine.read(input.one_of(&PLACES) % u64::from(2 * MEMORY_LEN), &mut data.to_vec()),
            4 => {
                // A field in its own width.
                let (offset, len, _) = COMMON_FIELDS[usize::from(input.u8()) % COMMON_FIELDS.len()];
                machine.write(offset, bytes.get(..len).unwrap());
            }
            _ => {
                let place = usize::from(input.u16()) % (MEMORY - 8);
                machine.memory.write_slice(&bytes, GuestAddress(place as u64)).unwrap();
            }
        }
    }
    machine.write(0x14, &[0]);
    assert_eq!(machine.status(), 0, "a reset clears the status");
    for bit in [1, 3] {
        machine.write(0x14, &[bit]);
    }
    assert_eq!(machine.status() & NEEDS_RESET, 0, "and nothing is left of what was before");
    assert_eq!(machine.status(), 3);
}
