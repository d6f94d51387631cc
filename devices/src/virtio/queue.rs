//! The driver's queues: from the addresses that it chose to a queue that can be served, and the loop that serves it.

use std::sync::atomic::Ordering;

use virtio_bindings::bindings::virtio_ring::{
    VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC, VRING_AVAIL_F_NO_INTERRUPT,
};
use virtio_queue::{DescriptorChain, Queue, QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemory, Permissions};

use crate::Memory;

use super::device::{DeviceInterrupt, NeedsReset, Served, Stop};

/// The ring features that [`serve`] and [`super::chain`] support; for a device's feature bits.
pub const RING_FEATURES: u64 = 1 << VIRTIO_RING_F_INDIRECT_DESC | EVENT_IDX;

/// VIRTIO_F_EVENT_IDX as a feature bit.
const EVENT_IDX: u64 = 1 << VIRTIO_RING_F_EVENT_IDX;

/// How many chains are served before another queue gets a turn.
const ROUND: u16 = 64;

/// What the driver said about one queue, not yet believed.
#[derive(Debug, Clone, Copy)]
pub struct QueueSetup {
    /// The largest size that the device offers, in descriptors; a power of two.
    pub max_size: u16,
    /// The size in descriptors.
    pub size: u32,
    /// The driver has finished this queue.
    pub ready: bool,
    /// GPA of the descriptor table ("descriptor area").
    pub descriptors: u64,
    /// GPA of the available ring ("driver area").
    pub available: u64,
    /// GPA of the used ring ("device area").
    pub used: u64,
}

/// Why a queue cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadQueue {
    /// Not a power of two, zero, or more than the device offers.
    #[error("its size is zero, not a power of two, or more than the device offers")]
    Size,
    /// Virtio 1.2, 2.7: the areas are aligned to 16, 2 and 4 bytes.
    #[error("an area is not aligned")]
    Alignment,
    /// An area is, wholly or in part, not guest memory.
    #[error("an area lies outside of guest memory")]
    Outside,
}

impl QueueSetup {
    /// A queue as it is after a reset.
    #[must_use]
    pub fn new(max_size: u16) -> Self {
        Self { max_size, size: u32::from(max_size), ready: false, descriptors: 0, available: 0, used: 0 }
    }

    /// The queue, checked against `memory`; one that is not ready stays so and is not checked.
    ///
    /// # Errors
    /// [`BadQueue`] when the driver broke a rule.
    pub fn build(&self, memory: &Memory, features: u64) -> Result<Queue, BadQueue> {
        let mut queue = Queue::new(self.max_size).map_err(|_| BadQueue::Size)?;
        if !self.ready {
            return Ok(queue);
        }
        let size = u16::try_from(self.size).map_err(|_| BadQueue::Size)?;
        queue.try_set_size(size).map_err(|_| BadQueue::Size)?;
        let aligned = queue.try_set_desc_table_address(GuestAddress(self.descriptors)).is_ok()
            && queue.try_set_avail_ring_address(GuestAddress(self.available)).is_ok()
            && queue.try_set_used_ring_address(GuestAddress(self.used)).is_ok();
        if !aligned {
            return Err(BadQueue::Alignment);
        }
        // As Queue::is_valid does, but without a line in the log each time a guest tries it. Lengths: Virtio 1.2, 2.7.
        let entries = usize::from(size);
        let areas = [
            (self.descriptors, 16 * entries, Permissions::Read),
            (self.available, 6 + 2 * entries, Permissions::Read),
            (self.used, 6 + 8 * entries, Permissions::Write),
        ];
        if !areas.iter().all(|&(start, len, access)| memory.check_range(GuestAddress(start), len, access)) {
            return Err(BadQueue::Outside);
        }
        queue.set_event_idx(features & EVENT_IDX != 0);
        queue.set_ready(true);
        Ok(queue)
    }
}

/// Serves a round of `queue`, number `index` of its device: hands each available chain to `handle`, which returns how
/// many bytes it wrote, and signals the driver at most once. Looks at `stop` before each chain.
///
/// # Errors
/// [`NeedsReset`] when `handle` says so, or the driver broke the rules of the rings.
pub fn serve<'m>(
    queue: &mut Queue,
    index: u16,
    memory: &'m Memory,
    interrupt: &dyn DeviceInterrupt,
    stop: &Stop,
    handle: impl FnMut(DescriptorChain<&'m Memory>) -> Result<u32, NeedsReset>,
) -> Result<Served, NeedsReset> {
    if !queue.ready() {
        return Ok(Served::Drained);
    }
    let used_before = queue.next_used();
    let served = serve_round(queue, memory, stop, handle);
    // Also after an error: what was served until then is the driver's.
    if queue.next_used() != used_before && wants_interrupt(queue, memory)? {
        interrupt.used(index);
    }
    served
}

fn serve_round<'m>(
    queue: &mut Queue,
    memory: &'m Memory,
    stop: &Stop,
    mut handle: impl FnMut(DescriptorChain<&'m Memory>) -> Result<u32, NeedsReset>,
) -> Result<Served, NeedsReset> {
    let mut left = queue.size().min(ROUND);
    queue.disable_notification(memory).map_err(|_| NeedsReset)?;
    loop {
        while left > 0 {
            if stop.is_requested() {
                return Ok(Served::More);
            }
            let Some(chain) = queue.iter(memory).map_err(|_| NeedsReset)?.next() else { break };
            let head = chain.head_index();
            if head >= queue.size() {
                return Err(NeedsReset);
            }
            let written = handle(chain)?;
            queue.add_used(memory, head, written).map_err(|_| NeedsReset)?;
            left -= 1;
        }
        // Chains that came before notifications were on again are not going to be notified.
        let more = queue.enable_notification(memory).map_err(|_| NeedsReset)?;
        match (more, left) {
            (false, _) => return Ok(Served::Drained),
            (true, 0) => return Ok(Served::More),
            (true, _) => queue.disable_notification(memory).map_err(|_| NeedsReset)?,
        }
    }
}

/// Whether the driver wants to hear of the buffers used since it was last asked (Virtio 1.2, 2.7.7).
fn wants_interrupt(queue: &mut Queue, memory: &Memory) -> Result<bool, NeedsReset> {
    // This holds the fence between the used index and what the driver says about interrupts.
    let wanted = queue.needs_notification(memory).map_err(|_| NeedsReset)?;
    if queue.event_idx_enabled() {
        return Ok(wanted);
    }
    let flags: u16 = memory.load(GuestAddress(queue.avail_ring()), Ordering::Relaxed).map_err(|_| NeedsReset)?;
    Ok(u32::from(u16::from_le(flags)) & VRING_AVAIL_F_NO_INTERRUPT == 0)
}
