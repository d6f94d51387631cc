//! Whose fault it is when KVM gives up on a vCPU.
#![allow(unsafe_code)]

use kvm_bindings::KVM_INTERNAL_ERROR_EMULATION;
use kvm_ioctls::VcpuFd;

use crate::ending::End;
use crate::host::cpu_runs_guests;

/// The end that KVM's internal error means. The vCPU must just have come back with it.
pub(super) fn internal_error(vcpu: &mut VcpuFd) -> End {
    // SAFETY: after an internal error this is the part of the union that KVM filled; it holds plain numbers.
    let number = unsafe { vcpu.get_kvm_run().__bindgen_anon_1.internal.suberror };
    end(number, cpu_runs_guests())
}

/// Where the CPU runs guests by itself, KVM only emulates what touches devices: an instruction there that it cannot
/// emulate is one that no sane guest executes. A software KVM emulates everything, and does not know every instruction.
fn end(number: u32, hardware: bool) -> End {
    match number {
        KVM_INTERNAL_ERROR_EMULATION if hardware => {
            End::GuestFault("it executed something that is no memory and no instruction for a device".into())
        }
        KVM_INTERNAL_ERROR_EMULATION => End::HostFault("it met an instruction that it cannot emulate".into()),
        _ => End::HostFault(format!("it gave up with internal error {number}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stray_guest_is_to_blame_only_where_the_cpu_runs_guests() {
        assert!(matches!(end(KVM_INTERNAL_ERROR_EMULATION, true), End::GuestFault(_)));
        assert!(matches!(end(KVM_INTERNAL_ERROR_EMULATION, false), End::HostFault(_)));
        assert_eq!(end(3, true), End::HostFault("it gave up with internal error 3".into()));
    }
}
