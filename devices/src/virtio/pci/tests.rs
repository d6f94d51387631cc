use std::sync::PoisonError;

use vm_memory::{Bytes, GuestAddress};

use super::spec::{COMMON_FIELDS, Common};
use super::*;
use crate::pci::Ecam;
use crate::pci::msix::testing::Notes;
use crate::virtio::blk::Blk;
use crate::virtio::mock::{Desc, MemoryDisk};
use crate::virtio::rng::Rng;
use crate::virtio::status::{ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, NEEDS_RESET};

const ADDRESS: u32 = 0xd100_0000;
const DESCRIPTORS: u64 = 0x1000;
const AVAILABLE: u64 = 0x2000;
const USED: u64 = 0x3000;
const BUFFER: u64 = 0x4000;

/// A guest's driver: it looks at the configuration space first, as Linux does.
struct Guest {
    bus: Ecam,
    registers: SharedDevice,
    memory: Memory,
    notes: Arc<Notes>,
}

impl Guest {
    fn new(device: Box<dyn VirtioDevice>) -> Self {
        let memory = Memory::from_ranges(&[(GuestAddress(0), 0x1_0000)]).unwrap();
        let notes = Arc::new(Notes::default());
        let sink = Arc::<Notes>::clone(&notes);
        let transport = PciTransport::with_runner(device, memory.clone(), sink, Runner::Inline).unwrap();
        let mut bus = Ecam::new();
        bus.add(transport.function(ADDRESS)).unwrap();
        Self { bus, registers: transport.memory(), memory, notes }
    }

    fn config(&mut self, offset: u16, len: usize) -> u32 {
        let mut data = [0; 4];
        self.bus.read(offset.into(), &mut data[..len]);
        u32::from_le_bytes(data)
    }

    fn read(&self, offset: u64, len: usize) -> u32 {
        let mut data = [0; 4];
        self.registers.lock().unwrap_or_else(PoisonError::into_inner).read(offset, &mut data[..len]);
        u32::from_le_bytes(data)
    }

    fn write(&self, offset: u64, len: usize, value: u32) {
        let bytes = value.to_le_bytes();
        self.registers.lock().unwrap_or_else(PoisonError::into_inner).write(offset, &bytes[..len]);
    }

    fn get(&self, field: Common) -> u32 {
        let (offset, len, _) = COMMON_FIELDS.into_iter().find(|(.., it)| *it == field).unwrap();
        self.read(offset, len)
    }

    fn set(&self, field: Common, value: u32) {
        let (offset, len, _) = COMMON_FIELDS.into_iter().find(|(.., it)| *it == field).unwrap();
        self.write(offset, len, value);
    }

    /// The capabilities: number, offset, and for those of virtio kind, place and length of the structure.
    fn capabilities(&mut self) -> Vec<(u8, u16, [u32; 3])> {
        let mut found = Vec::new();
        let mut next = u16::try_from(self.config(0x34, 1)).unwrap();
        while next != 0 {
            let word = self.config(next, 4).to_le_bytes();
            let place = [u32::from(word[3]), self.config(next + 8, 4), self.config(next + 12, 4)];
            found.push((word[0], next, place));
            next = word[1].into();
        }
        found
    }

    /// Vector 0 for the configuration, 1 for queue 0.
    fn enable_vectors(&mut self, control: u16) {
        for vector in [0u64, 1] {
            let data = 0x40 + u32::try_from(vector).unwrap();
            for (word, value) in [(0, 0xfee0_0000), (4, 0), (8, data), (12, 0)] {
                self.write(TABLE + 16 * vector + word, 4, value);
            }
        }
        let msix = self.capabilities().into_iter().find(|(number, ..)| *number == 0x11).unwrap().1;
        self.bus.write((msix + 2).into(), &control.to_le_bytes());
        self.set(Common::ConfigMsixVector, 0);
        self.set(Common::QueueSelect, 0);
        self.set(Common::QueueMsixVector, 1);
    }

    fn start(&mut self) {
        self.set(Common::DeviceStatus, ACKNOWLEDGE | DRIVER);
        for half in [0, 1] {
            self.set(Common::DeviceFeatureSelect, half);
            self.set(Common::DriverFeatureSelect, half);
            self.set(Common::DriverFeature, self.get(Common::DeviceFeature));
        }
        self.set(Common::DeviceStatus, ACKNOWLEDGE | DRIVER | FEATURES_OK);
        self.enable_vectors(1 << 15);
        self.set(Common::QueueSize, 16);
        for (field, address) in
            [(Common::QueueDescLow, DESCRIPTORS), (Common::QueueDriverLow, AVAILABLE), (Common::QueueDeviceLow, USED)]
        {
            self.set(field, u32::try_from(address).unwrap());
        }
        self.set(Common::QueueEnable, 1);
        self.set(Common::DeviceStatus, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
    }

    /// Gives the device one buffer of 64 bytes to fill, and returns what is in it then.
    fn fill_buffer(&self, number: u16) -> [u8; 64] {
        let descriptor = Desc::writable(BUFFER, 64).to_bytes();
        self.memory.write_slice(&descriptor, GuestAddress(DESCRIPTORS)).unwrap();
        self.memory.write_obj(0u16, GuestAddress(AVAILABLE + 4 + 2 * u64::from(number))).unwrap();
        // The driver wants to hear of this one (Virtio 1.2, 2.7.10).
        self.memory.write_obj(number, GuestAddress(AVAILABLE + 4 + 2 * 16)).unwrap();
        self.memory.write_obj(number + 1, GuestAddress(AVAILABLE + 2)).unwrap();
        self.write(NOTIFY, 2, 0);
        let mut bytes = [0; 64];
        self.memory.read_slice(&mut bytes, GuestAddress(BUFFER)).unwrap();
        bytes
    }
}

#[test]
fn the_function_says_who_it_is_and_where_its_structures_are() {
    let mut guest = Guest::new(Box::new(Rng::new("rng0")));
    assert_eq!(guest.config(0, 4), 0x1044_1af4);
    assert_eq!(guest.config(8, 1), 1, "revision");
    assert_eq!(guest.config(0x3d, 1), 0, "no interrupt pin");
    assert_eq!(guest.config(0x10, 4), ADDRESS);
    guest.bus.write(0x10, &[0xff; 4]);
    assert_eq!(guest.config(0x10, 4), !(MEMORY_LEN - 1));
    let capabilities = guest.capabilities();
    let numbers: Vec<_> = capabilities.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, [0x11, 9, 9, 9, 9, 9]);
    let kinds: Vec<_> = capabilities.iter().skip(1).map(|(.., place)| place[0]).collect();
    assert_eq!(kinds, [1, 3, 4, 2, 5]);
    for (_, offset, [_, place, len]) in capabilities.into_iter().skip(1) {
        assert_eq!(guest.config(offset + 4, 1), 0, "in the first memory");
        assert!(place + len <= MEMORY_LEN);
    }
    assert_eq!(guest.get(Common::NumQueues), 1);
}

#[test]
fn a_queue_is_served_and_answered_by_its_vector() {
    let mut guest = Guest::new(Box::new(Rng::new("rng0")));
    guest.start();
    assert_eq!(guest.get(Common::DeviceStatus), 15);
    assert_ne!(guest.fill_buffer(0), [0; 64]);
    assert_eq!(guest.notes.take(), [(0xfee0_0000, 0x41)]);
    assert_eq!((guest.read(ISR, 1), guest.read(ISR, 1)), (1, 0), "reading clears it");
    // Masked, the message waits, and is seen among those that do.
    guest.write(TABLE + 16 + 12, 4, 1);
    guest.fill_buffer(1);
    assert_eq!(guest.notes.take(), []);
    assert_eq!(guest.read(PENDING, 4), 2);
    guest.write(TABLE + 16 + 12, 4, 0);
    assert_eq!((guest.notes.take().len(), guest.read(PENDING, 4)), (1, 0));
}

#[test]
fn a_reset_forgets_everything_but_the_vectors_table() {
    let mut guest = Guest::new(Box::new(Rng::new("rng0")));
    guest.start();
    guest.set(Common::DeviceStatus, 0);
    for (field, value) in [
        (Common::DeviceStatus, 0),
        (Common::DriverFeature, 0),
        (Common::ConfigMsixVector, 0xffff),
        (Common::QueueMsixVector, 0xffff),
        (Common::QueueEnable, 0),
        (Common::QueueDescLow, 0),
    ] {
        assert_eq!(guest.get(field), value, "{field:?}");
    }
    assert_eq!(guest.read(TABLE, 4), 0xfee0_0000);
    guest.start();
    guest.fill_buffer(0);
    assert_eq!(guest.notes.take().len(), 1);
}

#[test]
fn a_broken_queue_needs_a_reset_and_says_so_by_the_vector_of_the_configuration() {
    let mut guest = Guest::new(Box::new(Rng::new("rng0")));
    guest.start();
    guest.memory.write_obj(u16::MAX, GuestAddress(AVAILABLE + 2)).unwrap();
    guest.write(NOTIFY, 2, 0);
    assert_eq!(guest.get(Common::DeviceStatus), 15 | NEEDS_RESET);
    assert_eq!(guest.notes.take(), [(0xfee0_0000, 0x40)]);
    assert_eq!(guest.read(ISR, 1), 2);
}

#[test]
fn vectors_and_queues_that_are_not_there_are_none() {
    let guest = Guest::new(Box::new(Rng::new("rng0")));
    guest.set(Common::ConfigMsixVector, 2);
    assert_eq!(guest.get(Common::ConfigMsixVector), 0xffff);
    guest.set(Common::QueueSelect, 7);
    for (field, value) in [
        (Common::QueueSize, 0),
        (Common::QueueMsixVector, 0xffff),
        (Common::QueueEnable, 0),
        (Common::QueueNotifyOff, 0),
    ] {
        guest.set(field, 1);
        assert_eq!(guest.get(field), value, "{field:?}");
    }
    // Another width than the field's own is no access to it.
    guest.write(0x14, 2, ACKNOWLEDGE);
    assert_eq!(guest.get(Common::DeviceStatus), 0);
}

#[test]
fn the_window_in_configuration_space_shows_the_structures() {
    let disk = Arc::new(MemoryDisk::new(1 << 20));
    let mut guest = Guest::new(Box::new(Blk::new("blk0", disk, "serial", 1)));
    assert_eq!(guest.config(0, 4), 0x1042_1af4);
    let window = guest.capabilities().into_iter().find(|(.., place)| place[0] == 5).unwrap().1;
    let mut look = |offset: u32, len: u32| {
        guest.bus.write((window + 8).into(), &offset.to_le_bytes());
        guest.bus.write((window + 12).into(), &len.to_le_bytes());
        guest.config(window + 16, 4)
    };
    assert_eq!(look(u32::try_from(DEVICE).unwrap(), 4), (1 << 20) / 512, "the disk's sectors");
    assert_eq!(look(0x12, 2), 1, "the number of queues");
    for (offset, len) in [(MEMORY_LEN, 4), (u32::MAX, 1), (2, 4), (0, 3), (0, 0), (0, u32::MAX)] {
        look(offset, len);
    }
    guest.bus.write((window + 8).into(), &0x14u32.to_le_bytes());
    guest.bus.write((window + 12).into(), &1u32.to_le_bytes());
    guest.bus.write((window + 16).into(), &[1]);
    assert_eq!(guest.get(Common::DeviceStatus), 1, "written through the window");
}
