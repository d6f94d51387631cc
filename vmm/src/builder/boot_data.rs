//! Step 7: what the kernel is told, in memory.

use std::ffi::CStr;

use ovum_arch::platform::VirtioPlaces;
use ovum_arch::{BootData, BootDataError, StartState};
use ovum_devices::Memory;

use super::load::Loaded;
use crate::config::MachineConfig;
use crate::failure::{Blame, Explain};

/// Writes command line, tables and boot parameters, and says in what state the first vCPU starts.
pub(super) fn write(
    config: &MachineConfig,
    memory: &Memory,
    loaded: &Loaded,
    cmdline: &CStr,
    virtio: &VirtioPlaces,
    cpus: u8,
) -> Result<StartState, BootError> {
    let data = BootData {
        kernel: &loaded.kernel,
        cmdline,
        initramfs: loaded.initramfs,
        memory_size: config.memory,
        cpus,
        virtio,
    };
    Ok(ovum_arch::write_boot_data(memory, &data)?)
}

/// The tables do not fit.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BootError(#[from] BootDataError);

impl Explain for BootError {
    fn remedy(&self) -> String {
        "give the guest more memory with --memory, or a shorter command line".into()
    }

    fn blame(&self) -> Blame {
        Blame::Request
    }
}
