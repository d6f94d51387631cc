//! The facts of Ovum's x86-64 machine that the guests rely on, stated a second time on purpose: a guest that took them
//! from the machine's own description would agree with it even when it is wrong.

/// COM1: the 16550A's first port.
pub const SERIAL: u16 = 0x3f8;
/// The i8042's command port; 0xfe there resets the machine.
pub const KEYBOARD_COMMAND: u16 = 0x64;
/// pvpanic.
pub const PANIC: u16 = 0x505;
/// ACPI's sleep control register (ACPI 6.5, 4.8.3.7); the sleep status register is the next port.
pub const SLEEP_CONTROL: u16 = 0x600;
/// SLP_EN and the sleep type that the machine's `\_S5` names.
pub const SLEEP_OFF: u8 = 1 << 5 | 5 << 2;
/// ACPI's reset register (ACPI 6.5, 4.8.3.6); the value 1 resets.
pub const RESET: u16 = 0x602;
/// The first virtio-mmio slot.
pub const VIRTIO: u64 = 0xd000_0000;
/// From one virtio-mmio slot to the next, in bytes.
pub const VIRTIO_STRIDE: u64 = 0x1000;
/// How many slots the guests look at.
pub const VIRTIO_SLOTS: u32 = 4;
/// The local APIC's page.
pub const LOCAL_APIC: u32 = 0xfee0_0000;
/// A page below 1 MiB that the machine leaves to the guest; other vCPUs start there.
pub const TRAMPOLINE: u32 = 0x8_0000;
/// Where in that page they count themselves.
pub const COUNTER: u32 = 0x100;

/// Where the guests are loaded and linked: 1 MiB.
pub const LOAD: u64 = 0x10_0000;
/// Memory that the guests use, from [`LOAD`] on, in bytes.
pub const MEMORY: u64 = 0x20_0000;
/// The top of their stack.
pub const STACK: u64 = 0x2f_f000;
/// The descriptors of their virtqueue.
pub const DESCRIPTORS: u64 = 0x20_0000;
/// Its available ring.
pub const AVAILABLE: u64 = 0x20_1000;
/// Its used ring.
pub const USED: u64 = 0x20_2000;
/// A request's header.
pub const REQUEST: u64 = 0x20_3000;
/// A request's data.
pub const SECTOR: u64 = 0x20_4000;
/// A request's status.
pub const STATUS: u64 = 0x20_5000;
