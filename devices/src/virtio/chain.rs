//! From a descriptor chain to the buffers in guest memory that it names.

use virtio_queue::DescriptorChain;
use vm_memory::{Bytes, GuestMemory, Permissions, VolatileSlice};

use crate::Memory;

use super::device::NeedsReset;

/// A piece of guest memory, used in place.
pub type Slice<'m> = VolatileSlice<'m, ()>;

/// A chain's buffers, all of them inside guest memory.
#[derive(Debug)]
pub struct ChainBuffers<'m> {
    /// What the driver wrote for the device.
    pub readable: Buffers<'m>,
    /// What the device may write.
    pub writable: Buffers<'m>,
}

impl<'m> ChainBuffers<'m> {
    /// Walks `chain`, of at most `limit` descriptors.
    ///
    /// # Errors
    /// [`NeedsReset`] when the chain is broken: it loops, is longer than `limit` (a driver must not make it longer than
    /// the queue, Virtio 1.2, 2.7.5.2), leaves its table or guest memory, or has a readable buffer after a writable one
    /// (2.7.4.2).
    pub fn collect(memory: &'m Memory, mut chain: DescriptorChain<&'m Memory>, limit: u16) -> Result<Self, NeedsReset> {
        let mut buffers = Self { readable: Buffers::default(), writable: Buffers::default() };
        for _ in 0..limit {
            // The iterator ends without a word at whatever it cannot follow; but then the last descriptor that it gave
            // had announced another.
            let descriptor = chain.next().ok_or(NeedsReset)?;
            let (side, access) = if descriptor.is_write_only() {
                (&mut buffers.writable, Permissions::Write)
            } else if buffers.writable.is_untouched() {
                (&mut buffers.readable, Permissions::Read)
            } else {
                return Err(NeedsReset);
            };
            let len = usize::try_from(descriptor.len()).map_err(|_| NeedsReset)?;
            for slice in memory.get_slices(descriptor.addr(), len, access).map_err(|_| NeedsReset)? {
                side.push(slice.map_err(|_| NeedsReset)?);
            }
            if !descriptor.has_next() {
                return Ok(buffers);
            }
        }
        Err(NeedsReset)
    }
}

/// Bytes of guest memory that lie in one or more pieces; where one piece ends has no meaning (Virtio 1.2, 2.7.4).
#[derive(Debug, Default)]
pub struct Buffers<'m> {
    slices: Vec<Slice<'m>>,
    len: u64,
}

impl<'m> Buffers<'m> {
    fn is_untouched(&self) -> bool {
        self.slices.is_empty()
    }

    fn push(&mut self, slice: Slice<'m>) {
        self.len += slice.len() as u64;
        self.slices.push(slice);
    }

    /// Bytes in all pieces together.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces.
    #[must_use]
    pub fn as_slices(&self) -> &[Slice<'m>] {
        &self.slices
    }

    /// Copies the first `N` bytes out and drops them from the front; nothing happens if there are fewer.
    pub fn take_front<const N: usize>(&mut self) -> Option<[u8; N]> {
        if self.len < N as u64 {
            return None;
        }
        let mut bytes = [0; N];
        let mut rest = bytes.as_mut_slice();
        // Pieces that are used up.
        let mut used = 0;
        for slice in &mut self.slices {
            let copied = slice.copy_to(rest);
            rest = rest.get_mut(copied..)?;
            if copied < slice.len() {
                *slice = slice.offset(copied).ok()?;
                break;
            }
            used += 1;
        }
        self.slices.drain(..used);
        self.len -= N as u64;
        Some(bytes)
    }

    /// Splits the last byte off.
    pub fn take_last_byte(&mut self) -> Option<Slice<'m>> {
        let last = self.slices.pop()?;
        let (front, byte) = last.split_at(last.len().checked_sub(1)?).ok()?;
        if !front.is_empty() {
            self.slices.push(front);
        }
        self.len -= 1;
        Some(byte)
    }

    /// Writes as much of `bytes` as there is room for, from the first byte on, and returns how much that was.
    pub fn write(&self, mut bytes: &[u8]) -> usize {
        let all = bytes.len();
        for slice in &self.slices {
            // Fails only at an offset past the end, and 0 is none.
            let written = slice.write(bytes, 0).unwrap_or(0);
            bytes = bytes.get(written..).unwrap_or_default();
            if bytes.is_empty() {
                break;
            }
        }
        all - bytes.len()
    }
}
