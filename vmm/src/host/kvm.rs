//! The kind of KVM that this host has, and whether this user may use it.

use std::io;
use std::os::unix::fs::MetadataExt;

use kvm_ioctls::Kvm;
use ovum_arch::VIRTUALIZATION_FLAGS;
use serde::Serialize;

use super::{Check, probe};
use crate::kvm::{self, KVM_PATH};

/// The kinds of host that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KvmKind {
    /// The CPU runs guests by itself (Intel VT-x, AMD-V, or an architecture where it always does).
    Hardware,
    /// There is a KVM, but the CPU does not show the means: a software one such as PVM, which runs its own kind of guest.
    Software,
    /// There is none.
    None,
}

/// Looks at CPU and KVM.
pub(super) fn examine() -> (KvmKind, Vec<Check>) {
    let flag = cpu_flag();
    let opened = kvm::open();
    let kind = match (&opened, flag) {
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => KvmKind::None,
        (_, Some(_)) => KvmKind::Hardware,
        (_, None) => KvmKind::Software,
    };
    let mut checks = vec![cpu(kind, flag), access(&opened)];
    if let Ok(kvm) = &opened {
        checks.push(features(kvm));
    }
    (kind, checks)
}

/// The flag by which this CPU says that it runs guests. Where the architecture has no such flag, every CPU does.
pub(super) fn cpu_flag() -> Option<&'static str> {
    if VIRTUALIZATION_FLAGS.is_empty() {
        return Some("always");
    }
    let info = probe::read("/proc/cpuinfo");
    let flags = info.lines().find(|line| line.starts_with("flags"))?;
    VIRTUALIZATION_FLAGS.iter().copied().find(|flag| flags.split_whitespace().any(|word| word == *flag))
}

fn cpu(kind: KvmKind, flag: Option<&str>) -> Check {
    const NAME: &str = "CPU";
    match (kind, flag) {
        (KvmKind::Software, _) => Check::missing(
            NAME,
            "no vmx or svm, and yet a KVM: a software one (PVM), which cannot run a stock kernel",
            "use a host with nested virtualization or a bare-metal one; to try Ovum here: cargo xtask lab",
        ),
        (_, Some(flag)) => Check::good(NAME, format!("runs guests in hardware ({flag})")),
        (_, None) => Check::missing(
            NAME,
            "no vmx or svm: the CPU does not run guests, or hides it",
            "enable virtualization in the firmware, or nested virtualization in the hypervisor below; to try Ovum here: cargo xtask lab",
        ),
    }
}

fn access(opened: &io::Result<Kvm>) -> Check {
    let error = match opened {
        Ok(_) => return Check::good(KVM_PATH, "can be opened"),
        Err(error) => error,
    };
    match error.kind() {
        io::ErrorKind::NotFound => Check::missing(
            KVM_PATH,
            "is not there",
            "load its module (sudo modprobe kvm-intel or kvm-amd); in a container, pass --device /dev/kvm",
        ),
        io::ErrorKind::PermissionDenied => {
            let (found, remedy) = owner();
            Check::missing(KVM_PATH, found, remedy)
        }
        _ => Check::missing(KVM_PATH, error.to_string(), "see the host's kernel log (dmesg | grep -i kvm)"),
    }
}

/// Who may open KVM, and how to become one of them.
fn owner() -> (String, String) {
    let Ok(meta) = std::fs::metadata(KVM_PATH) else {
        return ("permission denied".into(), "run as a user who may open it".into());
    };
    let group = probe::group_name(meta.gid());
    let mode = meta.mode() & 0o777;
    let found = format!("permission denied: owner {}, group {group}, mode {mode:o}", meta.uid());
    let remedy = if mode & 0o060 == 0o060 && meta.gid() != 0 {
        format!("sudo usermod -aG {group} $USER, then log in again")
    } else {
        format!("sudo chgrp kvm {KVM_PATH}; sudo chmod 660 {KVM_PATH}; sudo usermod -aG kvm $USER; then log in again")
    };
    (found, remedy)
}

fn features(kvm: &Kvm) -> Check {
    const NAME: &str = "KVM features";
    match kvm::probe(kvm) {
        Ok(()) => Check::good(NAME, format!("a VM can be made, with up to {} vCPUs", kvm.get_max_vcpus())),
        Err(error) => Check::missing(
            NAME,
            error.to_string(),
            "end other hypervisors that hold the CPU, or use a newer Linux kernel",
        ),
    }
}
