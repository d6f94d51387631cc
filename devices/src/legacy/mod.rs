//! Devices of the old PC that a kernel still expects, and the registers by which a guest ends.
//!
//! * [`serial`]: the 16550A serial port, the guest's console.
//! * [`i8042`]: the keyboard controller, of which only the reset line is left.
//! * [`power`]: ACPI's sleep and reset registers.
//! * [`pvpanic`]: where a guest kernel says that it has crashed.
//!
//! The last three end a machine, or may: they call the [`PowerHandler`] that they were given, from the thread of the
//! vCPU that wrote the register.

use std::sync::Arc;

pub mod i8042;
pub mod power;
pub mod pvpanic;
pub mod serial;

pub use i8042::I8042;
pub use power::PowerRegisters;
pub use pvpanic::PvPanic;
pub use serial::Serial;

/// What a guest said about the life of its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerEvent {
    /// Switch the machine off.
    PowerOff,
    /// Start the machine anew.
    Reset,
    /// The kernel has crashed and does nothing more.
    Panicked,
    /// The kernel has crashed and its crash kernel takes over.
    CrashLoaded,
}

/// Told of each [`PowerEvent`]; must return soon, since a vCPU waits for it.
pub type PowerHandler = Arc<dyn Fn(PowerEvent) + Send + Sync>;

#[cfg(test)]
mod tests;
