//! Step 8: the vCPUs.

use kvm_ioctls::VcpuFd;
use ovum_arch::{ConfigureError, Processor, StartState};

use super::hypervisor::Hypervisor;
use crate::failure::{Blame, Explain};

/// Creates and configures all vCPUs; the first is to start the kernel.
pub(super) fn create(hypervisor: &Hypervisor, cpus: u8, start: &StartState) -> Result<Vec<VcpuFd>, VcpuError> {
    let processor = Processor::new(&hypervisor.kvm, cpus).map_err(VcpuError::Features)?;
    let create = |cpu: u8| {
        let vcpu = hypervisor.vm.create_vcpu(cpu.into()).map_err(|source| VcpuError::Create { cpu, cpus, source })?;
        processor.configure(&vcpu, cpu, (cpu == 0).then_some(start))?;
        Ok(vcpu)
    };
    (0..cpus).map(create).collect()
}

/// A vCPU could not be made.
#[derive(Debug, thiserror::Error)]
pub enum VcpuError {
    /// KVM does not say what a vCPU may be.
    #[error("KVM does not tell what its vCPUs can do: {0}")]
    Features(kvm_ioctls::Error),
    /// KVM gave no vCPU.
    #[error("KVM gave no vCPU number {cpu} of {cpus}: {source}")]
    Create {
        /// Its number, from 0.
        cpu: u8,
        /// How many were asked for.
        cpus: u8,
        /// What KVM said.
        source: kvm_ioctls::Error,
    },
    /// KVM refused its state.
    #[error(transparent)]
    Configure(#[from] ConfigureError),
}

impl Explain for VcpuError {
    fn remedy(&self) -> String {
        match self {
            Self::Create { .. } => {
                "ask for fewer vCPUs with --cpus, or raise the limit of open files (ulimit -n)".into()
            }
            _ => "run `ovum doctor` to see what this host's KVM can do; a newer Linux kernel may help".into(),
        }
    }

    fn blame(&self) -> Blame {
        Blame::Host
    }
}
