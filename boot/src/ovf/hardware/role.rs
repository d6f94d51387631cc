//! What an item is for, by its ResourceType and the names that products have for its kind.

use super::super::appliance::ControllerKind;
use super::item::Item;

/// What becomes of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Adds vCPUs.
    Cpu,
    /// Adds memory.
    Memory,
    /// Drives hang on it.
    Controller(ControllerKind),
    /// A network card.
    Nic,
    /// A CD-ROM or DVD drive.
    Cdrom,
    /// A disk.
    Disk,
    /// A serial port.
    Serial,
    /// Something that a guest can do without: it is left out, with a warning if it is required.
    Spare(&'static str),
    /// Something that a guest asks for in vain: it is left out unless it is required, which is an error.
    Missing(&'static str),
}

/// Whether the items of a descriptor are oVirt's, which say what they are in elements of their own.
pub fn role(item: &Item<'_>, is_ovirt: bool) -> Role {
    let subtype = item.field("ResourceSubType").unwrap_or_default().to_ascii_lowercase();
    if is_ovirt && let Some(role) = item.element.any("Type").and_then(|kind| ovirt(&kind.text())) {
        return role;
    }
    match item.kind {
        Some(3) => Role::Cpu,
        Some(4) => Role::Memory,
        Some(5) => Role::Controller(ControllerKind::Ide),
        Some(6..=8) => Role::Controller(ControllerKind::Scsi),
        Some(9) => Role::Missing("an InfiniBand adapter"),
        // An Ethernet port and an Ethernet connection of OVF 2 are cards to a guest.
        Some(10 | 33) => Role::Nic,
        Some(11) => Role::Missing("a network adapter that is not Ethernet"),
        Some(12 | 13) => Role::Missing("a device of the host"),
        Some(14) => Role::Spare("a floppy drive"),
        Some(15 | 16) => Role::Cdrom,
        // Storage extents, logical disks and storage volumes are disks to a guest.
        Some(17 | 19 | 31 | 32) => Role::Disk,
        Some(18) => Role::Missing("a tape drive"),
        Some(20) if is_ovirt => Role::Spare("a graphics card"),
        Some(20) => Role::Controller(storage(&subtype)),
        Some(21) => Role::Serial,
        Some(22) => Role::Spare("a parallel port"),
        Some(23) => Role::Spare("a USB controller"),
        Some(24) => Role::Spare("a graphics card"),
        Some(25) => Role::Spare("an IEEE 1394 controller"),
        Some(26..=29) => Role::Spare("a part of the host"),
        Some(30) => Role::Spare("a port of a switch"),
        // VMware's number for it.
        Some(34) => Role::Missing("a TPM"),
        // VirtualBox's number for it.
        Some(35) => Role::Spare("a sound card"),
        Some(0 | 1) if subtype.contains("tpm") => Role::Missing("a TPM"),
        Some(1) if subtype.contains("passthrough") && subtype.contains("pci") => Role::Missing("a device of the host"),
        Some(0 | 1) if subtype.contains("sound") => Role::Spare("a sound card"),
        Some(0 | 1) => Role::Spare("another device"),
        _ => Role::Missing("a device of an unknown kind"),
    }
}

/// The bus of an "other storage device", by the names that VMware and VirtualBox have for controllers of this kind.
fn storage(subtype: &str) -> ControllerKind {
    let is = |words: &[&str]| words.iter().any(|word| subtype.contains(word));
    if is(&["nvme"]) {
        ControllerKind::Nvme
    } else if is(&["usb"]) {
        ControllerKind::Usb
    } else if is(&["scsi", "lsilogic", "buslogic", "sas"]) {
        ControllerKind::Scsi
    } else if is(&["virtio"]) {
        ControllerKind::Virtio
    } else {
        ControllerKind::Sata
    }
}

/// oVirt's word for the kind of a device.
fn ovirt(kind: &str) -> Option<Role> {
    match kind {
        "video" | "graphics" => Some(Role::Spare("a graphics card")),
        "balloon" => Some(Role::Spare("a memory balloon")),
        "sound" => Some(Role::Spare("a sound card")),
        "rng" => Some(Role::Spare("a random number generator")),
        "channel" | "console" | "smartcard" | "redir" | "watchdog" => Some(Role::Spare("a device of oVirt's")),
        "controller" => Some(Role::Spare("a controller")),
        "tpm" => Some(Role::Missing("a TPM")),
        "hostdev" | "mdev" => Some(Role::Missing("a device of the host")),
        _ => None,
    }
}

impl Role {
    /// What it is, for messages.
    pub fn what(self) -> &'static str {
        match self {
            Self::Cpu => "processors",
            Self::Memory => "memory",
            Self::Controller(_) => "a controller",
            Self::Nic => "a network card",
            Self::Cdrom => "a CD-ROM drive",
            Self::Disk => "a disk",
            Self::Serial => "a serial port",
            Self::Spare(what) | Self::Missing(what) => what,
        }
    }
}
