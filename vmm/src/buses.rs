//! The address spaces of a machine.

use ovum_devices::bus::Bus;

/// The address spaces that guest code reaches devices in.
#[derive(Clone, Default)]
pub(crate) struct Buses {
    /// By the CPU's port instructions.
    pub ports: Bus,
    /// By memory access where no memory is.
    pub memory: Bus,
}
