//! Step 4: kernel and initramfs into guest memory.

use ovum_arch::layout;
use ovum_boot::{InitramfsError, KernelError, LoadedKernel, Protocol};
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
pub(super) fn load(inputs: &mut Inputs, memory: &Memory) -> Result<Loaded, LoadError> {
    let kernel = inputs.kernel.load(memory, layout::KERNEL_START, Protocol::Auto)?;
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
