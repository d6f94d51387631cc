//! What machine is wanted.
//!
//! [`MachineConfig`] is all of it; [`sources`] says where the bytes of kernels and disks come from.

pub mod sources;

use std::path::PathBuf;
use std::time::Duration;

use ovum_arch::SMALLEST_MEMORY;
pub use ovum_arch::platform::Transport;
pub use ovum_disk::Format as DiskFormat;

use crate::failure::{Blame, Explain};
pub use sources::{BootFile, DiskConfig, DiskSource, Writes};

/// The most vCPUs that a machine can have.
pub const MAX_CPUS: u32 = 64;
/// The vCPUs of a machine that asks for nothing else.
pub const DEFAULT_CPUS: u32 = 1;
/// The memory of a machine that asks for nothing else, in bytes.
pub const DEFAULT_MEMORY: u64 = 256 << 20;

/// Where discarded writes go that do not fit into memory, if nobody says otherwise: not /tmp, which is memory on many hosts.
pub const DEFAULT_SCRATCH: &str = "/var/tmp";

/// A machine to be built. Plain data; [`MachineConfig::new`] gives the defaults.
#[derive(Debug, Clone)]
pub struct MachineConfig {
    /// The kernel: an ELF vmlinux or a bzImage.
    pub kernel: BootFile,
    /// The initramfs, in any form that the kernel can unpack.
    pub initramfs: Option<BootFile>,
    /// The kernel's command line.
    pub cmdline: CmdlineChoice,
    /// Whether Ovum's own arguments include those that make a boot shorter (docs/performance.md). What the user says of
    /// the same things wins, and with [`CmdlineChoice::Whole`] nothing is added.
    pub boot_tuning: bool,
    /// A folder of this user's alone in which unpacked kernels are kept, so that a bzImage need not unpack itself at each
    /// boot; it is made when it is not there. Without one, and where it cannot be used, kernels unpack themselves.
    pub kernel_cache: Option<PathBuf>,
    /// How many vCPUs, 1 to [`MAX_CPUS`].
    pub cpus: u32,
    /// Guest memory, in bytes; a multiple of 4 KiB.
    pub memory: u64,
    /// Disks, in the order in which the guest finds them.
    pub disks: Vec<DiskConfig>,
    /// How the guest finds its virtio devices.
    pub transport: Transport,
    /// Where a file without a name is made if discarded writes do not fit into memory.
    pub scratch: PathBuf,
    /// Ends the machine after this time.
    pub time_limit: Option<Duration>,
}

/// Where the kernel's command line comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CmdlineChoice {
    /// Ovum's own arguments, then these; the kernel lets later ones win.
    Append(String),
    /// These and nothing else.
    Whole(String),
}

impl MachineConfig {
    /// A machine that boots the file `kernel`, with everything else as by default.
    pub fn new(kernel: impl Into<PathBuf>) -> Self {
        Self {
            kernel: BootFile::Path(kernel.into()),
            initramfs: None,
            cmdline: CmdlineChoice::Append(String::new()),
            boot_tuning: true,
            kernel_cache: None,
            cpus: DEFAULT_CPUS,
            memory: DEFAULT_MEMORY,
            disks: Vec::new(),
            transport: Transport::default(),
            scratch: DEFAULT_SCRATCH.into(),
            time_limit: None,
        }
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// The first one that no machine can have.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !(1..=MAX_CPUS).contains(&self.cpus) {
            return Err(ConfigError::Cpus(self.cpus));
        }
        if self.memory < SMALLEST_MEMORY {
            return Err(ConfigError::MemoryTooSmall(self.memory));
        }
        if !self.memory.is_multiple_of(4096) {
            return Err(ConfigError::MemoryUneven(self.memory));
        }
        Ok(())
    }
}

/// A number in the configuration that no machine can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No vCPU, or too many.
    #[error("a machine with {0} vCPUs was asked for; it can have 1 to {MAX_CPUS}")]
    Cpus(u32),
    /// Less memory than anything starts in.
    #[error("{0} bytes of guest memory were asked for; nothing starts in less than {SMALLEST_MEMORY}")]
    MemoryTooSmall(u64),
    /// Memory that is not made of pages.
    #[error("{0} bytes of guest memory were asked for; that is not a multiple of 4096")]
    MemoryUneven(u64),
}

impl Explain for ConfigError {
    fn remedy(&self) -> String {
        match self {
            Self::Cpus(_) => format!("give --cpus a number from 1 to {MAX_CPUS}"),
            Self::MemoryTooSmall(_) => "give --memory a size with its unit, for instance 256M or 2G".into(),
            Self::MemoryUneven(_) => "give --memory a whole number of KiB that four divides, or M or G".into(),
        }
    }

    fn blame(&self) -> Blame {
        Blame::Request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_refused() {
        let config = |cpus, memory| MachineConfig { cpus, memory, ..MachineConfig::new("vmlinux") };
        assert_eq!(config(1, DEFAULT_MEMORY).validate(), Ok(()));
        assert_eq!(config(64, 1 << 50).validate(), Ok(()), "whether the host can map it is the host's word");
        assert_eq!(config(0, DEFAULT_MEMORY).validate(), Err(ConfigError::Cpus(0)));
        assert_eq!(config(300, DEFAULT_MEMORY).validate(), Err(ConfigError::Cpus(300)));
        assert_eq!(config(1, 0).validate(), Err(ConfigError::MemoryTooSmall(0)));
        assert_eq!(config(1, (4 << 20) + 1).validate(), Err(ConfigError::MemoryUneven((4 << 20) + 1)));
    }
}
