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

/// How a machine's virtio devices are found by its guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Transport {
    /// As memory-mapped registers: nothing to probe.
    #[default]
    Mmio,
    /// As functions of a PCI bus.
    Pci,
}

/// The virtio devices of a machine, where the guest is to find them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VirtioPlaces {
    /// Each in a slot of its own.
    Mmio(Vec<VirtioSlot>),
    /// All on one PCI bus, which says by itself what is on it.
    Pci,
}

/// A PCI bus: bus 0, with its host bridge in place 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PciBus {
    /// Guest-physical address of the configuration spaces (ECAM).
    pub ecam: u64,
    /// Their length in bytes.
    pub ecam_len: u64,
    /// Guest-physical address of the memory of its functions.
    pub window: u32,
    /// Its length in bytes.
    pub window_len: u32,
}

impl PciBus {
    /// Where the memory of the device in place `slot` lies, of `slots` that there are: they share the window evenly.
    #[must_use]
    pub fn memory_of(&self, slot: usize, slots: usize) -> Option<u32> {
        let share = self.window_len.checked_div(u32::try_from(slots).ok()?)?;
        let slot = u32::try_from(slot).ok().filter(|_| slot < slots)?;
        self.window.checked_add(share.checked_mul(slot)?)
    }
}
