//! Step 2: open KVM, create the VM and its interrupt controller.

use std::sync::Arc;

use kvm_ioctls::{Kvm, VmFd};

use crate::kvm::{self, HypervisorError};

/// KVM and a VM of it.
pub(super) struct Hypervisor {
    pub kvm: Kvm,
    /// Shared with devices that send interrupts as messages.
    pub vm: Arc<VmFd>,
}

/// Opens KVM and creates an empty VM with its interrupt controller.
pub(super) fn open() -> Result<Hypervisor, HypervisorError> {
    let kvm = kvm::open().map_err(HypervisorError::Open)?;
    let vm = Arc::new(kvm::create_vm(&kvm)?);
    Ok(Hypervisor { kvm, vm })
}
