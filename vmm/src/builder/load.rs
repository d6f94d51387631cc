//! Step 4: kernel and initramfs into guest memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ovum_arch::layout;
use ovum_boot::{Format, InitramfsError, KernelError, LoadedKernel, Protocol};
use ovum_devices::Memory;
use vm_memory::{GuestAddress, GuestMemoryBackend};

use super::Inputs;
use crate::failure::{Blame, Explain};

/// What lies in guest memory.
pub(super) struct Loaded {
    pub kernel: LoadedKernel,
    /// First address and length in bytes.
    pub initramfs: Option<(GuestAddress, u64)>,
}

/// Loads the kernel where it wants to lie, and the initramfs as high above it as it may.
pub(super) fn load(inputs: &mut Inputs, memory: &Memory, cache: Option<&Path>) -> Result<Loaded, LoadError> {
    let kernel = load_kernel(inputs, memory, cache)?;
    let size = memory.iter().map(vm_memory::GuestMemoryRegion::len).sum();
    let end = layout::low_memory_end(size);
    let limit = inputs.kernel.initramfs_limit().map_or(end, |limit| limit.min(end));
    let initramfs = match &mut inputs.initramfs {
        Some(initramfs) => {
            let placed = initramfs.load(memory, kernel.end..limit)?;
            Some((placed.start, placed.length))
        }
        None => None,
    };
    Ok(Loaded { kernel, initramfs })
}

/// Loads the kernel. One that is packed comes unpacked from the cache; where there is no cache it unpacks itself, as that
/// takes fewer instructions than to unpack it here for one boot.
fn load_kernel(inputs: &mut Inputs, memory: &Memory, cache: Option<&Path>) -> Result<LoadedKernel, KernelError> {
    if let (Some(cache), Format::BzImage) = (cache, inputs.kernel.format()) {
        match unpacked(inputs, memory, cache) {
            Ok(kernel) => return Ok(kernel),
            Err(reason) => log::info!("the kernel unpacks itself: {reason}"),
        }
    }
    inputs.kernel.load(memory, layout::KERNEL_START, Protocol::Auto)
}

fn unpacked(inputs: &mut Inputs, memory: &Memory, cache: &Path) -> Result<LoadedKernel, String> {
    let chance = if inputs.move_kernel { Some(random().map_err(|error| error.to_string())?) } else { None };
    inputs.kernel.load_cached(memory, layout::KERNEL_START, chance, cache).map_err(|error| error.to_string())
}

/// A number that nobody can guess. Where the host gives none, the kernel is left to find its own place.
fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Kernel or initramfs cannot lie in this guest's memory.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum LoadError {
    /// The kernel.
    Kernel(#[from] KernelError),
    /// The initramfs.
    Initramfs(#[from] InitramfsError),
}

impl Explain for LoadError {
    fn remedy(&self) -> String {
        match self {
            Self::Kernel(error) => error.remedy(),
            Self::Initramfs(error) => error.remedy(),
        }
    }

    fn blame(&self) -> Blame {
        Blame::Request
    }
}
