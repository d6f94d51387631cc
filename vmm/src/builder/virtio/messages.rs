//! Interrupts as messages, delivered by KVM.

use std::fmt;
use std::sync::Arc;

use kvm_bindings::kvm_msi;
use kvm_ioctls::VmFd;
use ovum_devices::interrupt::MessageSink;

/// Gives messages to KVM, one call for each: as many as an eventfd would take, and no table of routes to keep.
pub(super) struct KvmMessages(Arc<VmFd>);

impl KvmMessages {
    /// Messages to the interrupt controllers of `vm`.
    pub(super) fn new(vm: Arc<VmFd>) -> Self {
        Self(vm)
    }
}

impl fmt::Debug for KvmMessages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KvmMessages")
    }
}

impl MessageSink for KvmMessages {
    fn send(&self, address: u64, data: u32) {
        let [a, b, c, d, e, f, g, h] = address.to_le_bytes();
        let address_lo = u32::from_le_bytes([a, b, c, d]);
        let address_hi = u32::from_le_bytes([e, f, g, h]);
        // A guest may have chosen an address where no controller listens.
        let _ = self.0.signal_msi(kvm_msi { address_lo, address_hi, data, ..kvm_msi::default() });
    }
}
