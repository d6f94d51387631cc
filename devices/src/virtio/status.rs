//! What Virtio 1.2 says about the device status (2.1), the same for all transports.

/// 2.1: the driver noticed the device.
pub const ACKNOWLEDGE: u32 = 1;
/// 2.1: the driver knows how to drive the device.
pub const DRIVER: u32 = 2;
/// 2.1: the driver has set up the device and it may start.
pub const DRIVER_OK: u32 = 4;
/// 2.1: driver and device agree on features.
pub const FEATURES_OK: u32 = 8;
/// 2.1: the device cannot go on without a reset.
pub const NEEDS_RESET: u32 = 64;
/// 2.1: the driver has given up on the device.
pub const FAILED: u32 = 128;

/// 6: VIRTIO_F_VERSION_1 as a feature bit.
pub const VERSION_1: u64 = 1 << 32;
