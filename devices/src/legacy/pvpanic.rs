//! The pvpanic port: a guest kernel writes one byte to it when it crashes (ACPI device `QEMU0001`).

use crate::bus::BusDevice;

use super::{PowerEvent, PowerHandler};

/// Bit 0: the kernel has panicked.
const PANICKED: u8 = 1 << 0;
/// Bit 1: the kernel has panicked, and runs its crash kernel.
const CRASH_LOADED: u8 = 1 << 1;

/// The pvpanic port. A read tells which events it knows.
pub struct PvPanic {
    on_event: PowerHandler,
}

impl PvPanic {
    /// A port that reports to `on_event`.
    #[must_use]
    pub fn new(on_event: PowerHandler) -> Self {
        Self { on_event }
    }
}

impl BusDevice for PvPanic {
    fn read(&mut self, _offset: u64, data: &mut [u8]) {
        data.fill(0);
        if let Some(first) = data.first_mut() {
            *first = PANICKED | CRASH_LOADED;
        }
    }

    fn write(&mut self, _offset: u64, data: &[u8]) {
        let &[value] = data else { return };
        if value & PANICKED != 0 {
            (self.on_event)(PowerEvent::Panicked);
        }
        if value & CRASH_LOADED != 0 {
            (self.on_event)(PowerEvent::CrashLoaded);
        }
    }
}
