//! What PCI Local Bus 3.0 says about configuration space (chapter 6). Offsets and lengths are in bytes.

/// 6.1: Command.
pub const COMMAND: u16 = 0x04;
/// 6.2.2: Command bits that a driver may change: memory space, bus master, interrupt disable.
pub const COMMAND_WRITABLE: u16 = 1 << 1 | 1 << 2 | 1 << 10;
/// 6.1: Status.
pub const STATUS: u16 = 0x06;
/// 6.2.3: Status bit 4: there is a list of capabilities.
pub const STATUS_CAPABILITIES: u16 = 1 << 4;
/// 6.2.4: Cache Line Size, which software may use as it likes.
pub const CACHE_LINE_SIZE: u16 = 0x0c;
/// 6.2.5.1: the first base address register.
pub const BAR0: u16 = 0x10;
/// 6.2.6: the first capability.
pub const CAPABILITIES: u16 = 0x34;
/// 6.2.4: Interrupt Line, which software may use as it likes.
pub const INTERRUPT_LINE: u16 = 0x3c;
/// 6.1: where the header ends and capabilities may begin.
pub const HEADER_LEN: u16 = 0x40;

/// 6.7, appendix H: the capability of message-signalled interrupts with a table.
pub const CAPABILITY_MSIX: u8 = 0x11;
/// Appendix H: a capability of the vendor's own making.
pub const CAPABILITY_VENDOR: u8 = 0x09;

/// What a function says it is (6.2.1).
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Class code: base class, sub-class, programming interface.
    pub class: [u8; 3],
    /// Revision ID.
    pub revision: u8,
    /// Subsystem Vendor ID.
    pub subsystem_vendor: u16,
    /// Subsystem ID.
    pub subsystem: u16,
}

/// The number that guests know as a generic host bridge without registers (Red Hat's, given to QEMU).
pub const HOST_BRIDGE: Identity = Identity {
    vendor: 0x1b36,
    device: 0x0008,
    class: [0x06, 0x00, 0x00],
    revision: 0,
    subsystem_vendor: 0,
    subsystem: 0,
};
