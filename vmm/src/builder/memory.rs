//! Step 3: map guest memory and give it to the VM.
//!
//! Nothing is touched: the host gives pages as the guest uses them, and large ones where it can. For that, the mapping
//! begins where a large page may begin, as the guest-physical addresses do: KVM maps a large page only where both agree.
//! Each fault of the guest on memory that it has not used before then brings 2 MiB and not 4 KiB.
#![allow(unsafe_code)]

use std::io;
use std::ptr::NonNull;

use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::VmFd;
use libc::c_void;
use ovum_arch::layout;
use ovum_devices::Memory;
use vm_memory::mmap::MmapRegionBuilder;
use vm_memory::{Address, GuestAddress, GuestMemoryBackend, GuestMemoryRegion, GuestRegionMmap};

use crate::failure::{Blame, Explain};

/// The large pages of every architecture that matters, in bytes.
const LARGE_PAGE: usize = 2 << 20;
const PROTECTION: i32 = libc::PROT_READ | libc::PROT_WRITE;
const FLAGS: i32 = libc::MAP_ANONYMOUS | libc::MAP_PRIVATE | libc::MAP_NORESERVE;

/// Guest memory, and what keeps it mapped.
pub(super) struct Mapped {
    pub memory: Memory,
    /// To be dropped after everything that uses `memory`.
    pub mappings: Vec<Mapping>,
}

/// Maps `size` bytes where the architecture has its memory, and makes them the VM's.
pub(super) fn map(vm: &VmFd, size: u64) -> Result<Mapped, MemoryError> {
    let failed = |cause: String| MemoryError::Map { size, cause };
    let mut mappings = Vec::new();
    let mut regions = Vec::new();
    for (start, len) in layout::memory_ranges(size) {
        let len = usize::try_from(len).map_err(|e| failed(e.to_string()))?;
        let mapping = Mapping::new(len).map_err(|e| failed(e.to_string()))?;
        regions.push(mapping.region(start).map_err(failed)?);
        mappings.push(mapping);
    }
    let memory = Memory::from_regions(regions).map_err(|e| failed(e.to_string()))?;
    for (slot, region) in memory.iter().enumerate() {
        register(vm, slot, region).map_err(|source| MemoryError::Register { size, source })?;
    }
    Ok(Mapped { memory, mappings })
}

/// Anonymous memory that begins at a multiple of a large page; unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<c_void>,
    len: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread; this only holds its address to unmap it in the end.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `len` bytes.
    fn new(len: usize) -> io::Result<Self> {
        let reserved = len.checked_add(LARGE_PAGE).ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: a new mapping at an address that the kernel chooses replaces nothing.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), reserved, PROTECTION, FLAGS, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let before = base.align_offset(LARGE_PAGE).min(LARGE_PAGE);
        let start = base.wrapping_byte_add(before);
        let behind = LARGE_PAGE - before;
        // SAFETY: both ranges lie inside the mapping that was just made, and nobody knows of them yet. Failing to give
        // them back costs address space only, and asking for large pages is a wish.
        unsafe {
            if before > 0 {
                libc::munmap(base, before);
            }
            if behind > 0 {
                libc::munmap(start.wrapping_byte_add(len), behind);
            }
            libc::madvise(start, len, libc::MADV_HUGEPAGE);
        }
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, len })
    }

    /// The mapping as guest memory that begins at `address`.
    fn region(&self, address: GuestAddress) -> Result<GuestRegionMmap<()>, String> {
        // SAFETY: the mapping is this long, and it stays until the machine's resources are dropped, devices and all.
        let builder = unsafe { MmapRegionBuilder::new(self.len).with_raw_mmap_pointer(self.start.as_ptr().cast()) };
        let region = builder.with_mmap_prot(PROTECTION).with_mmap_flags(FLAGS).build().map_err(|e| e.to_string())?;
        GuestRegionMmap::new(region, address).ok_or_else(|| "it would end beyond the last address".into())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is this value's own, and its owner drops it last.
        unsafe { libc::munmap(self.start.as_ptr(), self.len) };
    }
}

fn register(vm: &VmFd, slot: usize, region: &GuestRegionMmap<()>) -> Result<(), kvm_ioctls::Error> {
    let region = kvm_userspace_memory_region {
        slot: u32::try_from(slot).unwrap_or(u32::MAX),
        guest_phys_addr: region.start_addr().raw_value(),
        memory_size: region.len(),
        userspace_addr: region.as_ptr() as u64,
        flags: 0,
    };
    // SAFETY: the mapping is as long as the slot says, the slots do not overlap, and the mapping lives as long as the VM
    // does: both are fields of the machine's resources.
    unsafe { vm.set_user_memory_region(region) }
}

/// The host does not give that much memory.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// It could not be mapped.
    #[error("the host cannot map {size} bytes of guest memory: {cause}")]
    Map {
        /// Bytes asked for.
        size: u64,
        /// What the host said.
        cause: String,
    },
    /// KVM did not take it.
    #[error("KVM cannot give the guest {size} bytes of memory: {source}")]
    Register {
        /// Bytes asked for.
        size: u64,
        /// What KVM said.
        source: kvm_ioctls::Error,
    },
}

impl Explain for MemoryError {
    fn remedy(&self) -> String {
        "ask for less with --memory, or raise the limit of address space (ulimit -v)".into()
    }

    fn blame(&self) -> Blame {
        Blame::Host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_begin_with_a_large_page_and_end_where_they_say() {
        for len in [4096, LARGE_PAGE, 5 * LARGE_PAGE + 4096] {
            let mapping = Mapping::new(len).unwrap();
            assert_eq!(mapping.start.as_ptr() as usize % LARGE_PAGE, 0);
            let region = mapping.region(GuestAddress(0)).unwrap();
            assert_eq!(region.len(), len as u64);
            drop(region);
        }
        assert!(Mapping::new(1 << 60).is_err());
    }
}
