//! What Virtio 1.2 says about the transport over memory-mapped registers (section 4.2).

/// 4.2.2: offset of the device's configuration space.
pub const CONFIG: u64 = 0x100;
/// 4.2.2: offset of QueueNotify. A write of four bytes that hold a queue's index signals that queue's event.
pub const QUEUE_NOTIFY: u64 = 0x50;

/// 4.2.2: MagicValue, "virt" in little-endian order.
pub const MAGIC: u32 = 0x7472_6976;
/// 4.2.2: Version of a device that is not a legacy one.
pub const VERSION: u32 = 2;
/// 4.2.2: VendorID, here "OVUM" in little-endian order.
pub const VENDOR: u32 = u32::from_le_bytes(*b"OVUM");
/// 4.2.2: SHMLen and SHMBase of a region that does not exist, in each half.
pub const NO_SHARED_MEMORY: u32 = u32::MAX;

/// 4.2.2, InterruptStatus, bit 0: buffers were used.
pub const INTERRUPT_USED: u32 = 1 << 0;
/// 4.2.2, InterruptStatus, bit 1: the configuration, or DEVICE_NEEDS_RESET, changed.
pub const INTERRUPT_CONFIG: u32 = 1 << 1;

/// A register, see [`REGISTERS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names of 4.2.2
pub enum Register {
    MagicValue,
    Version,
    DeviceId,
    VendorId,
    DeviceFeatures,
    DeviceFeaturesSel,
    DriverFeatures,
    DriverFeaturesSel,
    QueueSel,
    QueueNumMax,
    QueueNum,
    QueueReady,
    QueueNotify,
    InterruptStatus,
    InterruptAck,
    Status,
    QueueDescLow,
    QueueDescHigh,
    QueueDriverLow,
    QueueDriverHigh,
    QueueDeviceLow,
    QueueDeviceHigh,
    ShmSel,
    ShmLenLow,
    ShmLenHigh,
    ShmBaseLow,
    ShmBaseHigh,
    QueueReset,
    ConfigGeneration,
}

/// 4.2.2, table 4.1: offset and register, each four bytes wide, in the order of offsets.
pub const REGISTERS: [(u64, Register); 29] = [
    (0x000, Register::MagicValue),
    (0x004, Register::Version),
    (0x008, Register::DeviceId),
    (0x00c, Register::VendorId),
    (0x010, Register::DeviceFeatures),
    (0x014, Register::DeviceFeaturesSel),
    (0x020, Register::DriverFeatures),
    (0x024, Register::DriverFeaturesSel),
    (0x030, Register::QueueSel),
    (0x034, Register::QueueNumMax),
    (0x038, Register::QueueNum),
    (0x044, Register::QueueReady),
    (QUEUE_NOTIFY, Register::QueueNotify),
    (0x060, Register::InterruptStatus),
    (0x064, Register::InterruptAck),
    (0x070, Register::Status),
    (0x080, Register::QueueDescLow),
    (0x084, Register::QueueDescHigh),
    (0x090, Register::QueueDriverLow),
    (0x094, Register::QueueDriverHigh),
    (0x0a0, Register::QueueDeviceLow),
    (0x0a4, Register::QueueDeviceHigh),
    (0x0ac, Register::ShmSel),
    (0x0b0, Register::ShmLenLow),
    (0x0b4, Register::ShmLenHigh),
    (0x0b8, Register::ShmBaseLow),
    (0x0bc, Register::ShmBaseHigh),
    (0x0c0, Register::QueueReset),
    (0x0fc, Register::ConfigGeneration),
];

impl Register {
    /// The register at `offset`, if there is one.
    #[must_use]
    pub fn at(offset: u64) -> Option<Self> {
        let index = REGISTERS.binary_search_by_key(&offset, |(at, _)| *at).ok()?;
        REGISTERS.get(index).map(|(_, register)| *register)
    }

    /// Where the register is.
    #[must_use]
    pub fn offset(self) -> u64 {
        REGISTERS.iter().find(|(_, register)| *register == self).map_or(CONFIG, |(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_holds_each_register_once() {
        assert!(REGISTERS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (offset, register) in REGISTERS {
            assert_eq!(offset % 4, 0);
            assert_eq!(Register::at(offset), Some(register));
            assert_eq!(register.offset(), offset);
        }
        assert_eq!(Register::at(0x18), None);
    }
}
