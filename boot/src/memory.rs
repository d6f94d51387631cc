//! Where in guest memory something may lie.

use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion};

/// Guest memory as the loaders see it.
pub type Memory = GuestMemoryMmap<()>;

/// Kernels that want more memory than this just to start have a broken header, in bytes.
const PLAUSIBLE: u64 = 4 << 30;

/// Why a range cannot be filled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RangeProblem {
    /// The guest has too little memory; this much would do, in bytes.
    TooSmall(u64),
    /// There is no memory there, and more of it would not help.
    NoRam,
}

/// Checks that all of `start..end` is guest RAM.
pub(crate) fn check_range(memory: &Memory, start: u64, end: u64) -> Result<(), RangeProblem> {
    let length = end.checked_sub(start).and_then(|length| usize::try_from(length).ok()).ok_or(RangeProblem::NoRam)?;
    let fits = length == 0 || memory.check_range(GuestAddress(start), length);
    if fits && end <= limit(memory) {
        return Ok(());
    }
    let base = memory.iter().map(|region| region.start_addr().0).min().unwrap_or_default();
    match end.checked_sub(base) {
        Some(needed) if end > limit(memory) && needed <= PLAUSIBLE => Err(RangeProblem::TooSmall(needed)),
        _ => Err(RangeProblem::NoRam),
    }
}

/// The first address past the guest's RAM.
fn limit(memory: &Memory) -> u64 {
    memory.last_addr().0.saturating_add(1)
}

/// Bytes as the MiB that hold them, rounded up.
pub(crate) fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}
