//! A vCPU's identity and start: CPUID, model-specific registers, registers.

use kvm_bindings::{CpuId, KVM_MAX_CPUID_ENTRIES, Msrs, kvm_msr_entry};
use kvm_ioctls::{Cap, Kvm, VcpuFd};

use super::cpuid::{self, Identity};
use super::registers::StartState;

/// `IA32_MTRR_DEF_TYPE` (Intel SDM volume 3, 12.11.2.1): enabled, everything write-back, as firmware would leave it.
const MSR_MTRR_DEF_TYPE: u32 = 0x2ff;
const MTRR_ENABLED_WRITE_BACK: u64 = 1 << 11 | 6;
/// `IA32_MISC_ENABLE` (Intel SDM volume 4, 2.1): fast string operations, which a kernel does without where it is clear.
const MSR_MISC_ENABLE: u32 = 0x1a0;
const FAST_STRINGS: u64 = 1;

/// What all vCPUs of a machine are told about themselves.
#[derive(Debug)]
pub struct Processor {
    supported: CpuId,
    cpus: u8,
    deadline_timer: bool,
    amd: bool,
}

/// A vCPU could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("KVM refused the {what} of vCPU {cpu}: {source}")]
pub struct ConfigureError {
    what: &'static str,
    cpu: u8,
    source: kvm_ioctls::Error,
}

impl Processor {
    /// Asks KVM what the guest may see, for a machine with `cpus` vCPUs.
    ///
    /// # Errors
    /// KVM's own.
    pub fn new(kvm: &Kvm, cpus: u8) -> Result<Self, kvm_ioctls::Error> {
        let supported = kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)?;
        Ok(Self {
            amd: cpuid::is_amd(&supported),
            supported,
            cpus,
            deadline_timer: kvm.check_extension(Cap::TscDeadlineTimer),
        })
    }

    /// Sets up vCPU number `cpu`. The first gets the state in which the kernel starts; the others, which get none, wait
    /// for the first to wake them.
    ///
    /// # Errors
    /// Which part KVM refused, and why.
    pub fn configure(&self, vcpu: &VcpuFd, cpu: u8, start: Option<&StartState>) -> Result<(), ConfigureError> {
        let refused = |what| move |source| ConfigureError { what, cpu, source };
        let identity = Identity {
            apic_id: cpu,
            cpus: self.cpus,
            tsc_khz: vcpu.get_tsc_khz().ok(),
            deadline_timer: self.deadline_timer,
            amd: self.amd,
        };
        let cpuid = cpuid::for_vcpu(&self.supported, &identity).map_err(refused("CPUID"))?;
        vcpu.set_cpuid2(&cpuid).map_err(refused("CPUID"))?;
        set_msrs(vcpu).map_err(refused("model-specific registers"))?;
        match start {
            Some(state) => state.load(vcpu).map_err(refused("registers")),
            None => Ok(()),
        }
    }
}

fn set_msrs(vcpu: &VcpuFd) -> Result<(), kvm_ioctls::Error> {
    let entry = |index, data| kvm_msr_entry { index, data, ..Default::default() };
    let entries = [entry(MSR_MTRR_DEF_TYPE, MTRR_ENABLED_WRITE_BACK), entry(MSR_MISC_ENABLE, FAST_STRINGS)];
    let msrs = Msrs::from_entries(&entries).map_err(|_| cpuid::invalid())?;
    if vcpu.set_msrs(&msrs)? == entries.len() { Ok(()) } else { Err(cpuid::invalid()) }
}
