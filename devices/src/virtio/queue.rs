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

/// A chain that the device is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// The number of its queue.
    pub queue: u16,
    /// The index of its first descriptor.
    pub head: u16,
    /// Bytes that were written to it.
    pub written: u32,
}

/// Serves a round of queue `index`, for a device that has done what a chain asks for when `handle` returns, with the
/// number of bytes that it wrote. Signals the driver at most once. Looks at `stop` before each chain.
///
/// # Errors
/// [`NeedsReset`] when `handle` says so, or the driver broke the rules of the rings.
pub fn serve<'m>(
    queues: &mut [Queue],
    index: u16,
    memory: &'m Memory,
    interrupt: &dyn DeviceInterrupt,
    stop: &Stop,
    mut handle: impl FnMut(DescriptorChain<&'m Memory>) -> Result<u32, NeedsReset>,
) -> Result<Served, NeedsReset> {
    let Some(queue) = queues.get_mut(usize::from(index)) else { return Ok(Served::Drained) };
    let mut used = Vec::new();
    let served = take(queue, memory, ROUND, stop, |chain, _| {
        let head = chain.head_index();
        handle(chain).map(|written| used.push(Used { queue: index, head, written }))
    });
    // Also after an error: what was served until then is the driver's.
    give_back(queues, memory, interrupt, used)?;
    served
}

/// Takes chains from `queue`, a round or `most` of them, and hands them to `handle`, which also hears whether another one
/// is available already. Looks at `stop` before each chain.
///
/// # Errors
/// [`NeedsReset`] when `handle` says so, or the driver broke the rules of the rings.
pub fn take<'m>(
    queue: &mut Queue,
    memory: &'m Memory,
    most: u16,
    stop: &Stop,
    mut handle: impl FnMut(DescriptorChain<&'m Memory>, bool) -> Result<(), NeedsReset>,
) -> Result<Served, NeedsReset> {
    if !queue.ready() {
        return Ok(Served::Drained);
    }
    let mut left = queue.size().min(ROUND).min(most);
    queue.disable_notification(memory).map_err(|_| NeedsReset)?;
    loop {
        while left > 0 {
            if stop.is_requested() {
                return Ok(Served::More);
            }
            let Some(chain) = queue.iter(memory).map_err(|_| NeedsReset)?.next() else { break };
            if chain.head_index() >= queue.size() {
                return Err(NeedsReset);
            }
            let available = queue.avail_idx(memory, Ordering::Relaxed).map_err(|_| NeedsReset)?;
            handle(chain, available.0 != queue.next_avail())?;
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

/// Gives chains of any of `queues` back to the driver, and signals it at most once for each queue.
///
/// # Errors
/// None that a guest can cause: rings and heads were checked.
pub fn give_back(
    queues: &mut [Queue],
    memory: &Memory,
    interrupt: &dyn DeviceInterrupt,
    used: impl IntoIterator<Item = Used>,
) -> Result<(), NeedsReset> {
    // Queues whose driver is to be told, in the order of their first chains; nearly always one.
    let mut touched: Vec<u16> = Vec::new();
    for Used { queue: index, head, written } in used {
        let queue = queues.get_mut(usize::from(index)).ok_or(NeedsReset)?;
        queue.add_used(memory, head, written).map_err(|_| NeedsReset)?;
        if !touched.contains(&index) {
            touched.push(index);
        }
    }
    for index in touched {
        if let Some(queue) = queues.get_mut(usize::from(index))
            && wants_interrupt(queue, memory)?
        {
            interrupt.used(index);
        }
    }
    Ok(())
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
