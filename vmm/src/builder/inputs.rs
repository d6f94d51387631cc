//! Step 1: open and check everything that the configuration names. Nothing of the host but its files is needed.

use std::ffi::{CString, NulError};
use std::sync::Arc;

use ovum_arch::{ARCHITECTURE, layout};
use ovum_boot::cmdline::{Cmdline, CmdlineError};
use ovum_boot::{Architecture, Initramfs, InitramfsError, Kernel, KernelError};
use ovum_devices::virtio::blk::Blk;
use ovum_devices::virtio::device::VirtioDevice;
use ovum_devices::virtio::rng::Rng;
use ovum_disk::{Disk, OpenError};

use super::disks::{self, OpenDisk, Purpose};
use super::{tuning, virtio};
use crate::config::{BootFile, CmdlineChoice, ConfigError, MachineConfig};
use crate::failure::{Blame, Explain};

/// What Ovum tells every kernel, before what the user tells it.
///
/// * `console=ttyS0`: the serial port is the console.
/// * `panic=-1`: a kernel that panicked asks for a reset at once, instead of hanging for ever.
/// * `reboot=`, see [`WARM_AFTER_PANIC`].
const DEFAULT_CMDLINE: &str = "console=ttyS0 panic=-1";

/// The value of `reboot=` with which a reset after a panic is a warm one, and any other a cold one, so that a panic can be
/// told from a reboot. Kernels before 5.2 read another meaning into the first word, which the second takes back.
const WARM_AFTER_PANIC: &str = "panic_warm,acpi";

/// The most queues of a disk. Each vCPU has one to itself, up to here; one thread serves them all.
const MAX_DISK_QUEUES: u8 = 8;

/// What the configuration names, open and checked.
pub(crate) struct Inputs {
    pub kernel: Kernel,
    pub initramfs: Option<Initramfs>,
    pub cmdline: CString,
    /// Whether the command line makes the kernel ask for a warm reset after a panic, and only then.
    pub warm_after_panic: bool,
    /// Whether a kernel that is unpacked here is moved by chance, as it would do itself (KASLR).
    pub move_kernel: bool,
    pub cpus: u8,
    /// The virtio devices, in the order in which the guest finds them.
    pub devices: Vec<Box<dyn VirtioDevice>>,
    /// What there is to say of the disks, in the order of the configuration.
    pub disk_descriptions: Vec<String>,
}

impl Inputs {
    /// Opens everything.
    pub(crate) fn open(config: &MachineConfig, purpose: Purpose) -> Result<Self, InputError> {
        config.validate()?;
        let kernel = open_kernel(&config.kernel)?;
        if kernel.architecture() != ARCHITECTURE {
            return Err(InputError::OtherArchitecture(kernel.architecture()));
        }
        let initramfs = config.initramfs.as_ref().map(open_initramfs).transpose()?;
        let cmdline = cmdline(config, &kernel)?;
        let warm_after_panic = cmdline.value("reboot") == Some(WARM_AFTER_PANIC);
        let move_kernel = !cmdline.contains_key("nokaslr");
        let cmdline = CString::new(cmdline.as_str())?;
        let room = virtio::places(config.transport).saturating_sub(1);
        if config.disks.len() > room {
            return Err(InputError::TooManyDisks { disks: config.disks.len(), room });
        }
        let cpus = u8::try_from(config.cpus).map_err(|_| ConfigError::Cpus(config.cpus))?;
        let open = |disk| disks::open(disk, &config.scratch, purpose);
        let disks = config.disks.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let describe =
            |disk: &OpenDisk| format!("{} bytes, {}, {}", disk.image.size(), disk.image.format(), disk.writes);
        let disk_descriptions = disks.iter().map(describe).collect();
        let devices = devices(disks, cpus.min(MAX_DISK_QUEUES));
        Ok(Self { kernel, initramfs, cmdline, warm_after_panic, move_kernel, cpus, devices, disk_descriptions })
    }
}

fn open_kernel(file: &BootFile) -> Result<Kernel, KernelError> {
    match file {
        BootFile::Path(path) => Kernel::open(path),
        BootFile::Storage(storage) => Kernel::open_storage(Arc::clone(storage)),
    }
}

fn open_initramfs(file: &BootFile) -> Result<Initramfs, InitramfsError> {
    match file {
        BootFile::Path(path) => Initramfs::open(path),
        BootFile::Storage(storage) => Initramfs::open_storage(Arc::clone(storage)),
    }
}

/// The command line: Ovum's words and the user's, or the user's alone, no longer than the kernel takes.
fn cmdline(config: &MachineConfig, kernel: &Kernel) -> Result<Cmdline, InputError> {
    let mut cmdline = Cmdline::default();
    match &config.cmdline {
        CmdlineChoice::Append(words) => {
            cmdline.append(DEFAULT_CMDLINE)?;
            cmdline.append(&format!("reboot={WARM_AFTER_PANIC}"))?;
            if config.boot_tuning {
                tuning::arguments(words)?.try_for_each(|argument| cmdline.append(argument))?;
            }
            cmdline.append(words)?;
        }
        CmdlineChoice::Whole(words) => cmdline.append(words)?,
    }
    cmdline.check_length(kernel.cmdline_size().min(layout::CMDLINE_ROOM - 1))?;
    Ok(cmdline)
}

/// Disks first, each with so many queues, so that the first disk is the guest's `/dev/vda`, then the source of entropy.
fn devices(disks: Vec<OpenDisk>, queues: u8) -> Vec<Box<dyn VirtioDevice>> {
    let disk = |(index, disk): (usize, OpenDisk)| {
        let name = format!("blk{index}");
        Box::new(Blk::new(&name, disk.image, &format!("ovum-{name}"), queues.into())) as Box<dyn VirtioDevice>
    };
    let entropy = Box::new(Rng::new("rng0")) as Box<dyn VirtioDevice>;
    disks.into_iter().enumerate().map(disk).chain([entropy]).collect()
}

/// Something that the configuration names cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A number.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The kernel.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// A kernel for another CPU.
    #[error("the kernel is for {0}, and this machine is {ARCHITECTURE}")]
    OtherArchitecture(Architecture),
    /// The initramfs.
    #[error(transparent)]
    Initramfs(#[from] InitramfsError),
    /// The command line.
    #[error(transparent)]
    Cmdline(#[from] CmdlineError),
    /// The command line has a zero in it.
    #[error("the kernel command line has a zero byte: {0}")]
    CmdlineNul(#[from] NulError),
    /// A disk.
    #[error(transparent)]
    Disk(#[from] OpenError),
    /// More disks than a machine has places for.
    #[error("{disks} disks were asked for; a machine has places for {room}")]
    TooManyDisks {
        /// How many were asked for.
        disks: usize,
        /// How many there can be.
        room: usize,
    },
}

impl Explain for InputError {
    fn remedy(&self) -> String {
        match self {
            Self::Config(error) => error.remedy(),
            Self::Kernel(error) => error.remedy(),
            Self::OtherArchitecture(_) => format!("give a kernel that was built for {ARCHITECTURE}"),
            Self::Initramfs(error) => error.remedy(),
            Self::Cmdline(error) => error.remedy(),
            Self::CmdlineNul(_) => "use printable ASCII on one line only".into(),
            Self::Disk(error) => error.remedy(),
            Self::TooManyDisks { .. } => "leave out some --disk".into(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Disk(error) if error.is_the_hosts() => Blame::Host,
            _ => Blame::Request,
        }
    }
}
