//! What Virtio 1.2 says about the transport over PCI (section 4.1). Offsets and lengths are in bytes.

/// 4.1.2: the vendor of virtio devices.
pub const VENDOR: u16 = 0x1af4;
/// 4.1.2: the device's number (5) is added to this.
pub const DEVICE_BASE: u16 = 0x1040;
/// 4.1.2.1: a device that is not a transitional one.
pub const REVISION: u8 = 1;

/// 4.1.4: what a structure is: common configuration.
pub const CFG_COMMON: u8 = 1;
/// 4.1.4: notifications.
pub const CFG_NOTIFY: u8 = 2;
/// 4.1.4: ISR status.
pub const CFG_ISR: u8 = 3;
/// 4.1.4: the device's own configuration.
pub const CFG_DEVICE: u8 = 4;
/// 4.1.4: the way to the structures through configuration space.
pub const CFG_PCI: u8 = 5;

/// 4.1.4.4: from one queue's notification address to the next.
pub const NOTIFY_MULTIPLIER: u32 = 4;

/// 4.1.5.1.2.1: no vector.
pub const NO_VECTOR: u16 = 0xffff;

/// 4.1.4.5: ISR status, bit 0: buffers were used.
pub const ISR_QUEUE: u8 = 1;
/// 4.1.4.5: ISR status, bit 1: the configuration, or DEVICE_NEEDS_RESET, changed.
pub const ISR_CONFIG: u8 = 2;

/// A field of the common configuration (4.1.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names of 4.1.4.3
pub enum Common {
    DeviceFeatureSelect,
    DeviceFeature,
    DriverFeatureSelect,
    DriverFeature,
    ConfigMsixVector,
    NumQueues,
    DeviceStatus,
    ConfigGeneration,
    QueueSelect,
    QueueSize,
    QueueMsixVector,
    QueueEnable,
    QueueNotifyOff,
    QueueDescLow,
    QueueDescHigh,
    QueueDriverLow,
    QueueDriverHigh,
    QueueDeviceLow,
    QueueDeviceHigh,
}

/// 4.1.4.3: offset, length and field, in the order of offsets; those of 64 bits as two halves, as 4.1.3.1 allows.
pub const COMMON_FIELDS: [(u64, usize, Common); 19] = [
    (0x00, 4, Common::DeviceFeatureSelect),
    (0x04, 4, Common::DeviceFeature),
    (0x08, 4, Common::DriverFeatureSelect),
    (0x0c, 4, Common::DriverFeature),
    (0x10, 2, Common::ConfigMsixVector),
    (0x12, 2, Common::NumQueues),
    (0x14, 1, Common::DeviceStatus),
    (0x15, 1, Common::ConfigGeneration),
    (0x16, 2, Common::QueueSelect),
    (0x18, 2, Common::QueueSize),
    (0x1a, 2, Common::QueueMsixVector),
    (0x1c, 2, Common::QueueEnable),
    (0x1e, 2, Common::QueueNotifyOff),
    (0x20, 4, Common::QueueDescLow),
    (0x24, 4, Common::QueueDescHigh),
    (0x28, 4, Common::QueueDriverLow),
    (0x2c, 4, Common::QueueDriverHigh),
    (0x30, 4, Common::QueueDeviceLow),
    (0x34, 4, Common::QueueDeviceHigh),
];

/// 4.1.4.3: length of the common configuration, as far as it is offered.
pub const COMMON_LEN: u32 = 0x38;

impl Common {
    /// The field that an access of `len` bytes at `offset` means: 4.1.3.1, in the field's own width and not otherwise.
    #[must_use]
    pub fn at(offset: u64, len: usize) -> Option<Self> {
        let index = COMMON_FIELDS.binary_search_by_key(&offset, |(at, ..)| *at).ok()?;
        COMMON_FIELDS.get(index).filter(|(_, width, _)| *width == len).map(|(.., field)| *field)
    }
}
