//! A PCI bus: configuration spaces behind a window of memory (ECAM), and what every function on it has.
//!
//! * [`Ecam`]: the window (PCI Express Base 3.0, 7.2.2); one bus with a device in each of up to 32 places.
//! * [`config`]: a function's configuration space: bytes, and which bits of them a guest may change.
//! * [`msix`]: interrupts that are messages.
//! * [`spec`]: the standard's numbers.
//!
//! There is no firmware: a function's memory has its address from the start, and keeps it. A guest may measure it as usual
//! (write ones, read the size back), but what it moves elsewhere is not found there.

pub mod config;
pub mod msix;
pub mod spec;

use crate::bus::BusDevice;
use config::ConfigSpace;

/// How many devices are on the bus.
pub const SLOTS: usize = 32;

/// Bytes of the window: one bus of 32 devices with 8 functions of 4 KiB.
pub const ECAM_LEN: u64 = 1 << 20;

/// Bytes of a function's configuration space in the window.
const FUNCTION_LEN: u64 = 4096;

/// Functions of a device.
const FUNCTIONS: u64 = 8;

/// Something on the bus, seen by its configuration space.
pub trait Function: Send {
    /// Fills `data`, at most four bytes that do not cross a register of four bytes.
    fn read_config(&mut self, offset: u16, data: &mut [u8]);

    /// Takes `data`, at most four bytes that do not cross a register of four bytes.
    fn write_config(&mut self, offset: u16, data: &[u8]);
}

/// The bus as memory: function 0 of each device, 4 KiB of configuration space each.
#[derive(Default)]
pub struct Ecam {
    functions: Vec<Box<dyn Function>>,
}

impl Ecam {
    /// An empty bus.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `function` into the next free place and returns its number; nothing when all are taken.
    pub fn add(&mut self, function: Box<dyn Function>) -> Option<usize> {
        let slot = self.functions.len();
        if slot >= SLOTS {
            return None;
        }
        self.functions.push(function);
        Some(slot)
    }

    fn at(&mut self, offset: u64, len: usize) -> Option<(&mut dyn Function, u16)> {
        let register = offset % FUNCTION_LEN;
        let number = offset / FUNCTION_LEN;
        let fits = (1..=4).contains(&len) && register % 4 + u64::try_from(len).ok()? <= 4;
        let slot = usize::try_from(number / FUNCTIONS).ok()?;
        let function = self.functions.get_mut(slot).filter(|_| fits && number.is_multiple_of(FUNCTIONS))?;
        Some((function.as_mut(), u16::try_from(register).ok()?))
    }
}

impl BusDevice for Ecam {
    /// Where nothing is, all bits are set (PCI Local Bus 3.0, 6.1).
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        match self.at(offset, data.len()) {
            Some((function, register)) => function.read_config(register, data),
            None => data.fill(0xff),
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        if let Some((function, register)) = self.at(offset, data.len()) {
            function.write_config(register, data);
        }
    }
}

/// What stands between the CPUs and the bus: a guest's drivers look for it, and it does nothing.
pub struct HostBridge(ConfigSpace);

impl HostBridge {
    /// A bridge without registers of its own.
    #[must_use]
    pub fn new() -> Self {
        Self(ConfigSpace::new(&spec::HOST_BRIDGE))
    }
}

impl Default for HostBridge {
    fn default() -> Self {
        Self::new()
    }
}

impl Function for HostBridge {
    fn read_config(&mut self, offset: u16, data: &mut [u8]) {
        self.0.read(offset, data);
    }

    fn write_config(&mut self, offset: u16, data: &[u8]) {
        self.0.write(offset, data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bus: &mut Ecam, offset: u64) -> u32 {
        let mut data = [0; 4];
        bus.read(offset, &mut data);
        u32::from_le_bytes(data)
    }

    #[test]
    fn a_function_is_found_in_its_place_only() {
        let mut bus = Ecam::new();
        assert_eq!(bus.add(Box::new(HostBridge::new())), Some(0));
        assert_eq!(read(&mut bus, 0), 0x0008_1b36);
        assert_eq!(read(&mut bus, 8) >> 8, 0x0006_0000, "class: host bridge");
        for empty in [1 << 12, 1 << 15, 31 << 15, ECAM_LEN - 4] {
            assert_eq!(read(&mut bus, empty), u32::MAX, "{empty:#x}");
        }
        // What crosses a register is no access to configuration space.
        let mut data = [0; 4];
        bus.read(2, &mut data);
        assert_eq!(data, [0xff; 4]);
        bus.write(0, &[0; 4]);
        assert_eq!(read(&mut bus, 0), 0x0008_1b36);
    }

    #[test]
    fn there_is_room_for_32_devices() {
        let mut bus = Ecam::new();
        for slot in 0..SLOTS {
            assert_eq!(bus.add(Box::new(HostBridge::new())), Some(slot));
        }
        assert_eq!(bus.add(Box::new(HostBridge::new())), None);
    }
}
