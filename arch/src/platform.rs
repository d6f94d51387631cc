//! The words in which an architecture describes its machine to the rest of Ovum.

/// Where a device answers: in the space of ports, or in that of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// A port, reached by the CPU's port instructions (where the architecture has any).
    Port(u16),
    /// A guest-physical address outside memory.
    Memory(u64),
}

/// A device that every machine of this architecture has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlatformKind {
    /// The first serial port, a 16550A: the console.
    Serial,
    /// A keyboard controller that only knows how to reset the machine.
    KeyboardController,
    /// ACPI sleep control (offset 0), sleep status (1) and reset (2): ACPI 6.5, 4.8.3.6 and 4.8.3.7.
    Power,
    /// The register by which a guest tells that its kernel panicked.
    PanicNotifier,
}

/// A platform device in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlatformDevice {
    /// What it is.
    pub kind: PlatformKind,
    /// Its first address.
    pub address: Address,
    /// How many addresses it answers to, in bytes.
    pub len: u64,
    /// Its interrupt (global system interrupt), where it has one. Edge-triggered, active high.
    pub gsi: Option<u32>,
}

/// A place for a virtio-mmio device. Its interrupt is edge-triggered: each event of the device is one edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtioSlot {
    /// Guest-physical address of its first register.
    pub base: u64,
    /// Length of its registers, in bytes.
    pub len: u64,
    /// Its interrupt (global system interrupt).
    pub gsi: u32,
}
