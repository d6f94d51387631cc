//! Routes a guest's access to an address range to the device that lives there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A device behind a range of ports or of memory addresses.
///
/// Neither call can fail: a guest may write anything anywhere, and a device answers with a status of its own.
pub trait BusDevice: Send {
    /// Fills `data` (1, 2, 4 or 8 bytes as a rule, but any length must be borne) from the register at `offset`.
    fn read(&mut self, offset: u64, data: &mut [u8]);
    /// Takes `data` written to the register at `offset`.
    fn write(&mut self, offset: u64, data: &[u8]);
}

/// A device shared between the vCPUs that reach it.
pub type SharedDevice = Arc<Mutex<dyn BusDevice>>;

/// Two devices claim the same addresses.
#[derive(Debug, thiserror::Error)]
#[error("addresses {start:#x} to {end:#x} are taken already: two devices overlap on the bus")]
pub struct Overlap {
    start: u64,
    end: u64,
}

/// An address space (ports or memory) with the devices in it.
#[derive(Default, Clone)]
pub struct Bus {
    /// By first address: length in bytes, and the device.
    ranges: BTreeMap<u64, (u64, SharedDevice)>,
}

impl Bus {
    /// Places `device` at `start..start + len`.
    ///
    /// # Errors
    /// When another device is in that range, or the range is empty or wraps.
    pub fn insert(&mut self, start: u64, len: u64, device: SharedDevice) -> Result<(), Overlap> {
        let overlap = Overlap { start, end: start.saturating_add(len) };
        let last = match len.checked_sub(1).and_then(|l| start.checked_add(l)) {
            Some(last) => last,
            None => return Err(overlap),
        };
        if let Some((&below, &(below_len, _))) = self.ranges.range(..=last).next_back()
            && below + (below_len - 1) >= start
        {
            return Err(overlap);
        }
        self.ranges.insert(start, (len, device));
        Ok(())
    }

    /// Answers a guest's read. Where no device is, the bus floats: all ones.
    pub fn read(&self, address: u64, data: &mut [u8]) {
        match self.find(address, data.len()) {
            Some((offset, device)) => device.lock().unwrap_or_else(PoisonError::into_inner).read(offset, data),
            None => data.fill(0xff),
        }
    }

    /// Carries a guest's write. Where no device is, it is lost. Says whether a device took it.
    pub fn write(&self, address: u64, data: &[u8]) -> bool {
        match self.find(address, data.len()) {
            Some((offset, device)) => {
                device.lock().unwrap_or_else(PoisonError::into_inner).write(offset, data);
                true
            }
            None => false,
        }
    }

    /// The device that holds all of `address..address + len`, and the offset in it.
    fn find(&self, address: u64, len: usize) -> Option<(u64, &SharedDevice)> {
        let (start, (range, device)) = self.ranges.range(..=address).next_back()?;
        let offset = address - start;
        let end = offset.checked_add(u64::try_from(len).ok()?)?;
        (end <= *range).then_some((offset, device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads as its name, and remembers the last write.
    struct Named(u8, Option<(u64, Vec<u8>)>);

    impl BusDevice for Named {
        fn read(&mut self, _offset: u64, data: &mut [u8]) {
            data.fill(self.0);
        }

        fn write(&mut self, offset: u64, data: &[u8]) {
            self.1 = Some((offset, data.to_vec()));
        }
    }

    fn named(name: u8) -> Arc<Mutex<Named>> {
        Arc::new(Mutex::new(Named(name, None)))
    }

    fn read(bus: &Bus, address: u64, len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        bus.read(address, &mut data);
        data
    }

    #[test]
    fn an_access_goes_to_the_device_that_holds_all_of_it() {
        let mut bus = Bus::default();
        let (one, two) = (named(1), named(2));
        bus.insert(0x100, 0x10, one.clone()).unwrap();
        bus.insert(0x110, 4, two).unwrap();
        assert_eq!(read(&bus, 0x100, 1), [1]);
        assert_eq!(read(&bus, 0x10f, 1), [1]);
        assert_eq!(read(&bus, 0x110, 4), [2; 4]);
        for (address, len) in [(0xff, 1), (0xff, 2), (0x10e, 4), (0x114, 1), (0, 8), (u64::MAX, 8)] {
            assert_eq!(read(&bus, address, len), vec![0xff; len], "{len} bytes at {address:#x} float");
            assert!(!bus.write(address, &vec![0; len]));
        }
        assert!(bus.write(0x104, &[7, 8]));
        assert_eq!(one.lock().unwrap().1, Some((4, vec![7, 8])));
    }

    #[test]
    fn ranges_neither_overlap_nor_wrap() {
        let mut bus = Bus::default();
        bus.insert(0x100, 0x10, named(1)).unwrap();
        for (start, len) in [(0x100, 0x10), (0xff, 2), (0x10f, 1), (0x108, 1), (0, 0x1000), (0x200, 0), (u64::MAX, 2)] {
            assert!(bus.insert(start, len, named(2)).is_err(), "{len:#x} bytes at {start:#x}");
        }
        bus.insert(0xff, 1, named(2)).unwrap();
        bus.insert(0x110, 1, named(2)).unwrap();
        bus.insert(u64::MAX, 1, named(3)).unwrap();
        assert_eq!(read(&bus, u64::MAX - 1, 1), [0xff]);
    }

    #[test]
    fn a_device_that_panicked_does_not_take_its_bus_along() {
        let mut bus = Bus::default();
        let device = named(1);
        bus.insert(0, 1, device.clone()).unwrap();
        let _ = std::thread::spawn(move || {
            let _guard = device.lock();
            panic!("as a test");
        })
        .join();
        assert_eq!(read(&bus, 0, 1), [1]);
    }
}
