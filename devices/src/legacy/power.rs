//! ACPI's registers to switch off and to reset, as a machine with reduced hardware has them (ACPI 6.5, 4.8.3.6 and
//! 4.8.3.7). The FADT names their addresses; each is one byte wide.

use crate::bus::BusDevice;

use super::{PowerEvent, PowerHandler};

/// Offset of the sleep control register (FADT: SLEEP_CONTROL_REG).
pub const SLEEP_CONTROL: u64 = 0;
/// Offset of the sleep status register (FADT: SLEEP_STATUS_REG).
pub const SLEEP_STATUS: u64 = 1;
/// Offset of the reset register (FADT: RESET_REG).
pub const RESET: u64 = 2;

/// Sleep control, bit 5: enter the sleep state now.
const SLP_EN: u8 = 1 << 5;
/// Sleep control, bits 2 to 4: the sleep state.
const SLP_TYP_SHIFT: u8 = 2;
const SLP_TYP_MASK: u8 = 0b111;

/// What a byte written to a register asks for.
type Decode = fn(&PowerRegisters, u8) -> Option<PowerEvent>;

/// The registers by offset. All of them read as zero: never asleep, never woken.
const REGISTERS: [(u64, Decode); 3] = [
    (SLEEP_CONTROL, |registers, value| {
        let off = value & SLP_EN != 0 && (value >> SLP_TYP_SHIFT) & SLP_TYP_MASK == registers.soft_off;
        off.then_some(PowerEvent::PowerOff)
    }),
    // Writing clears the wake status, which is never set.
    (SLEEP_STATUS, |_, _| None),
    (RESET, |registers, value| (value == registers.reset_value).then_some(PowerEvent::Reset)),
];

/// The sleep and reset registers.
pub struct PowerRegisters {
    soft_off: u8,
    reset_value: u8,
    on_event: PowerHandler,
}

impl PowerRegisters {
    /// Registers that report to `on_event`. The ACPI tables must name the same values: `soft_off` is the sleep type that
    /// means "off" (DSDT: `\_S5`), `reset_value` what is written to the reset register (FADT: RESET_VALUE).
    #[must_use]
    pub fn new(soft_off: u8, reset_value: u8, on_event: PowerHandler) -> Self {
        Self { soft_off, reset_value, on_event }
    }
}

impl BusDevice for PowerRegisters {
    fn read(&mut self, _offset: u64, data: &mut [u8]) {
        data.fill(0);
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        let &[value] = data else { return };
        let register = REGISTERS.iter().find(|(at, _)| *at == offset);
        if let Some(event) = register.and_then(|(_, decode)| decode(self, value)) {
            (self.on_event)(event);
        }
    }
}
