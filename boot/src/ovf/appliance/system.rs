//! One machine of a package: what it has, and what hangs where.

use super::About;
use crate::ovf::os::GuestOs;

/// `VirtualSystem`: one machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct System {
    /// Unique in the package.
    pub id: String,
    /// A name for people.
    pub name: Option<String>,
    /// The guest's operating system.
    pub os: Option<GuestOs>,
    /// vCPUs.
    pub cpus: u32,
    /// Guest memory, in bytes.
    pub memory_bytes: u64,
    /// The firmware that the guest was installed with, where the package says so.
    pub firmware: Option<Firmware>,
    /// Families of virtual hardware that it was made for (`vmx-13`, `virtualbox-2.2`), as written.
    pub hardware_types: Vec<String>,
    /// Disks, in the order in which the guest shall find them: by controller, then by address on it.
    pub disks: Vec<Drive>,
    /// CD-ROM and DVD drives, in the same order.
    pub cdroms: Vec<Drive>,
    /// Network cards, in the order of the descriptor, or by address where all have one.
    pub nics: Vec<Nic>,
    /// Serial ports.
    pub serials: u32,
    /// Drives and cards to start from, first to last, where the package says so: `disk`, `cdrom`, `net`, or the instance id
    /// of an item.
    pub boot_order: Vec<String>,
    /// InstallSection: the guest installs itself at its first start and shuts down or reboots.
    pub install: Option<Install>,
    /// The kernel that this machine is started with, where its package brings one beside its disks.
    pub direct_boot: Option<DirectBoot>,
    /// Products, properties, licences.
    pub about: About,
    /// What the descriptor asks for and this machine will not have, item by item.
    pub left_out: Vec<LeftOut>,
}

/// What starts a guest on the hardware that it was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// A PC's BIOS.
    Bios,
    /// UEFI.
    Efi,
    /// UEFI that starts signed code only.
    EfiSecure,
}

impl Firmware {
    /// Its name in `ovum inspect --json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Efi => "efi",
            Self::EfiSecure => "efi-secure",
        }
    }
}

/// Ovum's own section, `DirectBootSection` in [`DIRECT_BOOT_NAMESPACE`]: a kernel in the package, as `ovum pack --kernel` makes
/// it. Other programs may ignore it (`ovf:required="false"`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectBoot {
    /// The id of the file with the kernel: `<Kernel ovf:fileRef=""/>`.
    pub kernel: String,
    /// The id of the file with the initramfs: `<Initrd ovf:fileRef=""/>`.
    pub initrd: Option<String>,
    /// Kernel arguments after Ovum's own: `<CommandLine>`.
    pub cmdline: String,
}

/// The XML namespace of [`DirectBoot`].
pub const DIRECT_BOOT_NAMESPACE: &str = "urn:ovum:direct-boot:1";

/// InstallSection (DSP0243 9.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Install {
    /// Seconds to wait for the guest to shut itself down; 0 is for ever.
    pub initial_boot_stop_delay: u32,
}

/// A disk or CD-ROM drive.
#[derive(Debug, Clone, PartialEq)]
pub struct Drive {
    /// `InstanceID` of its item.
    pub instance: String,
    /// `ElementName`, for messages.
    pub name: Option<String>,
    /// What is in it.
    pub source: Source,
    /// What it hangs on.
    pub controller: Option<Controller>,
    /// `AddressOnParent`: the unit number on the controller.
    pub unit: Option<u32>,
    /// The line of its item in the descriptor.
    pub line: u32,
}

/// What a drive has in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `ovf:/disk/ID`: a disk of the DiskSection.
    Disk(String),
    /// `ovf:/file/ID`: a file as it is.
    File(String),
    /// Nothing; for a CD-ROM.
    Empty,
}

/// A disk controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// `InstanceID` of its item.
    pub instance: String,
    /// Its bus.
    pub kind: ControllerKind,
    /// `ResourceSubType`, as written (`lsilogic`, `AHCI`, `PIIX4`).
    pub model: Option<String>,
    /// `Address`: which of its kind it is.
    pub address: u32,
}

/// The bus of a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ControllerKind {
    /// IDE.
    Ide,
    /// Parallel SCSI, SAS, paravirtual SCSI, virtio-scsi.
    Scsi,
    /// SATA.
    Sata,
    /// NVMe.
    Nvme,
    /// virtio-blk: each disk is its own.
    Virtio,
    /// USB.
    Usb,
    /// A floppy controller, or something unknown.
    Other,
}

impl ControllerKind {
    /// Its name in `ovum inspect --json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ide => "ide",
            Self::Scsi => "scsi",
            Self::Sata => "sata",
            Self::Nvme => "nvme",
            Self::Virtio => "virtio",
            Self::Usb => "usb",
            Self::Other => "other",
        }
    }
}

/// A network card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// `InstanceID` of its item.
    pub instance: String,
    /// `ElementName`.
    pub name: Option<String>,
    /// The network that it is plugged into (`Connection`).
    pub network: Option<String>,
    /// `ResourceSubType`, as written (`E1000`, `VmxNet3`).
    pub model: Option<String>,
    /// `Address`, where it is a MAC address.
    pub mac: Option<[u8; 6]>,
    /// `AutomaticAllocation` is not false: it is plugged in at the start.
    pub connected: bool,
}

/// Something that the descriptor asks for and that the machine will not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// What: the item's name and kind.
    pub what: String,
    /// Why.
    pub why: String,
    /// Its line in the descriptor.
    pub line: u32,
}
