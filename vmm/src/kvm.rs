//! KVM as this host has it: where it is, what a machine needs of it, and an empty VM.

use std::io;
use std::os::fd::{FromRawFd, IntoRawFd};

use kvm_ioctls::{Cap, Kvm, VmFd};

use crate::failure::{Blame, Explain};

/// Where KVM is.
pub(crate) const KVM_PATH: &str = "/dev/kvm";

/// What a machine cannot do without.
const REQUIRED: [(Cap, &str); 4] = [
    (Cap::Irqchip, "an interrupt controller"),
    (Cap::Irqfd, "interrupts by eventfd"),
    (Cap::Ioeventfd, "notifications by eventfd"),
    (Cap::UserMemory, "user memory"),
];

/// Checks that `kvm` has all that a machine needs, by making an empty one.
pub(crate) fn probe(kvm: &Kvm) -> Result<(), HypervisorError> {
    create_vm(kvm).map(drop)
}

/// Creates an empty VM with its interrupt controller.
pub(crate) fn create_vm(kvm: &Kvm) -> Result<VmFd, HypervisorError> {
    match kvm.get_api_version() {
        12 => {}
        other => return Err(HypervisorError::Version(other)),
    }
    if let Some((_, what)) = REQUIRED.into_iter().find(|(cap, _)| !kvm.check_extension(*cap)) {
        return Err(HypervisorError::Missing(what));
    }
    let vm = kvm.create_vm().map_err(HypervisorError::Create)?;
    ovum_arch::prepare_vm(&vm).map_err(HypervisorError::Prepare)?;
    Ok(vm)
}

/// Opens [`KVM_PATH`] for reading and writing.
#[allow(unsafe_code)]
pub(crate) fn open() -> io::Result<Kvm> {
    let file = std::fs::File::options().read(true).write(true).open(KVM_PATH)?;
    // SAFETY: the descriptor is open, and nobody else owns it any more.
    Ok(unsafe { Kvm::from_raw_fd(file.into_raw_fd()) })
}

/// KVM is not there, or not good enough.
#[derive(Debug, thiserror::Error)]
pub enum HypervisorError {
    /// It could not be opened.
    #[error("{KVM_PATH} could not be opened: {0}")]
    Open(io::Error),
    /// It is not the KVM that everybody knows.
    #[error("{KVM_PATH} speaks version {0} of its interface, not 12")]
    Version(i32),
    /// It lacks something.
    #[error("this host's KVM has no {0}")]
    Missing(&'static str),
    /// No VM.
    #[error("KVM gave no VM: {0}")]
    Create(kvm_ioctls::Error),
    /// No interrupt controller.
    #[error("KVM gave the VM no interrupt controller: {0}")]
    Prepare(kvm_ioctls::Error),
}

impl Explain for HypervisorError {
    fn remedy(&self) -> String {
        match self {
            Self::Open(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                "join the group that owns it (usually: sudo usermod -aG kvm $USER) and log in again; `ovum doctor` says more".into()
            }
            Self::Open(error) if error.kind() == io::ErrorKind::NotFound => {
                "load the module (kvm-intel or kvm-amd) and enable virtualization in the firmware; `ovum doctor` says more"
                    .into()
            }
            Self::Create(_) => "another hypervisor may hold the CPU; `ovum doctor` says more".into(),
            _ => "run `ovum doctor` to see what this host's KVM can do; a newer Linux kernel may help".into(),
        }
    }

    fn blame(&self) -> Blame {
        Blame::Host
    }
}
