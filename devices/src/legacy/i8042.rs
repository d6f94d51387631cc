//! The i8042 keyboard controller, as far as a kernel uses it to reset the machine, and the system control port B, which
//! lies among its ports.

use crate::bus::BusDevice;

use super::{PowerEvent, PowerHandler};

/// Offset of system control port B (0x61).
const PORT_B: u64 = 1;
/// Port B, bit 5: the output of timer 2 is high. A kernel that measures its clock by that timer waits for this bit
/// without a limit, and there is no timer to wait for.
const TIMER_2_OUTPUT: u8 = 1 << 5;
/// Offset of the command port (write) and the status port (read), from the data port (0x60) on.
const COMMAND: u64 = 4;
/// Command: pulse output line 0, which is the CPU's reset line.
const PULSE_RESET: u8 = 0xfe;

/// A keyboard controller without a keyboard. Its status is always "nothing to read, ready for a command", and port B's
/// "timer 2 has run out".
pub struct I8042 {
    on_event: PowerHandler,
}

impl I8042 {
    /// A controller that reports a reset to `on_event`.
    #[must_use]
    pub fn new(on_event: PowerHandler) -> Self {
        Self { on_event }
    }
}

impl BusDevice for I8042 {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        if let (PORT_B, Some(first)) = (offset, data.first_mut()) {
            *first = TIMER_2_OUTPUT;
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        if offset == COMMAND && data == [PULSE_RESET] {
            (self.on_event)(PowerEvent::Reset);
        }
    }
}
