//! Buffers in guest memory, held for as long as a request is in flight.

use std::io;

use vm_memory::{Address, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, VolatileSlice};

/// Buffers in guest memory that stays mapped as long as this lives: it holds a handle of it.
#[derive(Debug)]
pub(super) struct GuestBuffers {
    memory: GuestMemoryMmap<()>,
    ranges: Vec<(GuestAddress, usize)>,
}

impl GuestBuffers {
    /// The buffers `slices`.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if one of them does not lie in `memory`.
    pub fn new(memory: &GuestMemoryMmap<()>, slices: &[VolatileSlice<'_>]) -> io::Result<Self> {
        let mut ranges = Vec::with_capacity(slices.len());
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            ranges.push((address_of(memory, slice).ok_or(io::ErrorKind::InvalidInput)?, slice.len()));
        }
        Ok(Self { memory: memory.clone(), ranges })
    }

    /// The buffers, as they were given but for those of no length.
    ///
    /// # Errors
    /// None: each was in memory when this was made, and the handle's memory does not change.
    pub fn slices(&self) -> io::Result<Vec<VolatileSlice<'_>>> {
        self.ranges.iter().map(|&(at, len)| self.memory.get_slice(at, len).map_err(io::Error::other)).collect()
    }
}

/// Where in guest memory the bytes of `slice` lie; `None` if they do not, all in one region.
#[must_use]
pub fn address_of(memory: &GuestMemoryMmap<()>, slice: &VolatileSlice<'_>) -> Option<GuestAddress> {
    let start = slice.ptr_guard().as_ptr() as usize;
    memory.iter().find_map(|region| {
        let offset = start.checked_sub(region.as_ptr() as usize)? as u64;
        let end = offset.checked_add(slice.len() as u64)?;
        if end <= region.len() { region.start_addr().checked_add(offset) } else { None }
    })
}
