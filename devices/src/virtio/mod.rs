//! Virtio devices (Virtio 1.2) and their transports.
//!
//! * [`device`]: the seam between the two; a transport offers any device, and a device works behind any transport.
//! * [`lifecycle`]: what all transports have in common: the life of a device as its driver sees it; [`status`] its numbers.
//! * [`mmio`]: the transport over memory-mapped registers.
//! * [`pci`]: the transport over PCI.
//! * [`worker`]: the thread on which an active device runs.
//! * [`queue`]: from the driver's queue addresses to a validated queue, and the loop that serves it.
//! * [`chain`]: from a descriptor chain to buffers in guest memory.
//! * [`blk`], [`rng`]: the devices.

pub mod blk;
pub mod chain;
pub mod device;
pub(crate) mod lifecycle;
pub mod mmio;
#[cfg(any(test, feature = "mock"))]
pub mod mock;
pub mod pci;
pub mod queue;
pub mod rng;
pub mod status;
pub mod worker;

/// Fills `data` from `space`, a device's configuration space, as seen from `offset`; past its end are zeroes.
pub(crate) fn read_config_bytes(space: &[u8], offset: u64, data: &mut [u8]) {
    let rest = usize::try_from(offset).ok().and_then(|offset| space.get(offset..)).unwrap_or_default();
    let bytes = rest.iter().copied().chain(std::iter::repeat(0));
    data.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
}
