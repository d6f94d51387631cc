//! What starts a machine: the user's kernel, else the package's, else the one that the guest's own boot loader would start.

use std::path::PathBuf;
use std::sync::Arc;

use ovum_boot::loader::{self, Firmware, Menu, Options};
use ovum_boot::ovf::Appliance;
use ovum_boot::ovf::appliance::{self, System};
use ovum_boot::package::Package;
use ovum_boot::partition::DiskBytes;
use ovum_disk::storage::Storage;

use super::ApplianceError;
use super::Wishes;
use super::disks::Files;
use super::mapping::{Limits, MappedDrive, Mapping, Note};
use crate::config::{BootFile, CmdlineChoice, DEFAULT_SCRATCH, DiskConfig, DiskSource, Writes};

/// Kernel, initramfs and command line of a machine.
pub(super) struct Start {
    pub(super) kernel: BootFile,
    pub(super) initramfs: Option<BootFile>,
    pub(super) cmdline: CmdlineChoice,
    /// Where they come from, and what was changed.
    pub(super) notes: Vec<Note>,
}

impl Start {
    /// Those of `system`, whose own disks are `disks`.
    pub(super) fn of(
        system: &System,
        files: &Files<'_>,
        disks: &[DiskConfig],
        wishes: &Wishes<'_>,
    ) -> Result<Self, ApplianceError> {
        let own_initramfs = wishes.initramfs.clone().map(BootFile::Path);
        if let Some(kernel) = &wishes.kernel {
            // What the package brings belongs to the package's kernel.
            let (kernel, cmdline) = (BootFile::Path(kernel.clone()), wishes.cmdline.clone());
            return Ok(Self { kernel, initramfs: own_initramfs, cmdline, notes: Vec::new() });
        }
        let mut start = match &system.direct_boot {
            Some(boot) if wishes.boot_entry.is_none() => Self::brought(boot, files, wishes)?,
            _ => Self::found(system, disks, wishes)?,
        };
        start.initramfs = own_initramfs.or(start.initramfs);
        Ok(start)
    }

    fn brought(boot: &appliance::DirectBoot, files: &Files<'_>, wishes: &Wishes<'_>) -> Result<Self, ApplianceError> {
        let file = |id: &String| Ok::<_, ApplianceError>(BootFile::Storage(files.boot_file(id)?));
        Ok(Self {
            kernel: file(&boot.kernel)?,
            initramfs: boot.initrd.as_ref().map(file).transpose()?,
            cmdline: before(&boot.cmdline, &wishes.cmdline),
            notes: Vec::new(),
        })
    }

    fn found(system: &System, disks: &[DiskConfig], wishes: &Wishes<'_>) -> Result<Self, ApplianceError> {
        let Menu { entries, default, why, notes } = look(system, disks, wishes.boot_entry.as_deref())?;
        // The menu's default is one of its entries.
        let entry = entries.into_iter().nth(default);
        let entry = entry.ok_or_else(|| ApplianceError::NoKernel { id: system.id.clone() })?;
        let title = format!("\"{}\" of {}: {why}", entry.title, entry.source);
        let mut notes: Vec<_> = notes.into_iter().map(|note| Note::new("boot loader", note)).collect();
        notes.push(Note::new("boot entry", title));
        notes.extend(entry.changes.into_iter().map(|change| Note::new("kernel arguments", change)));
        Ok(Self {
            kernel: BootFile::Storage(entry.kernel.storage),
            initramfs: loader::joined(&entry.initrds).map(BootFile::Storage),
            cmdline: before(&entry.cmdline, &wishes.cmdline),
            notes,
        })
    }
}

/// The user's arguments behind `own`, or in place of them.
fn before(own: &str, wishes: &CmdlineChoice) -> CmdlineChoice {
    match wishes {
        CmdlineChoice::Append(words) => CmdlineChoice::Append(format!("{own} {words}").trim().to_owned()),
        whole @ CmdlineChoice::Whole(_) => whole.clone(),
    }
}

/// What could be started from the disks of `system`.
fn look(system: &System, disks: &[DiskConfig], entry: Option<&str>) -> Result<Menu, ApplianceError> {
    let bytes = |disk: &DiskConfig| match &disk.source {
        DiskSource::Image { image, name } => {
            let name = name.display().to_string();
            Some(Arc::new(DiskBytes::new(&name, Arc::<ovum_disk::Image>::clone(image))) as Arc<dyn Storage>)
        }
        // Nothing starts from an empty disk, or from what the guest is told.
        DiskSource::File { .. } | DiskSource::Empty { .. } | DiskSource::Bytes { .. } => None,
    };
    // A CD in the drive is seldom what an appliance was installed from last.
    let storages: Vec<_> = disks.iter().filter(|disk| disk.writes != Writes::Refused).filter_map(bytes).collect();
    if storages.is_empty() {
        return Err(ApplianceError::NoKernel { id: system.id.clone() });
    }
    let firmware = system.firmware.map(|firmware| match firmware {
        appliance::Firmware::Bios => Firmware::Bios,
        appliance::Firmware::Efi | appliance::Firmware::EfiSecure => Firmware::Uefi,
    });
    let options = Options { firmware, entry, controller_order: None, serial_console: true };
    loader::find(&storages, &options).map_err(|error| ApplianceError::NothingFound { id: system.id.clone(), error })
}

/// What could be started from the disks of one machine of a package, and what would be: `entry`, or the default.
///
/// # Errors
/// As [`prepare`](super::prepare).
pub fn menu(
    package: &Package,
    appliance: &Appliance,
    system: &System,
    entry: Option<&str>,
) -> Result<Menu, ApplianceError> {
    let scratch = PathBuf::from(DEFAULT_SCRATCH);
    let files = Files::new(package, appliance, &scratch);
    let mapping = Mapping::of(system, &Limits::of_host());
    let open = |drive: &MappedDrive| Ok(DiskConfig::of(files.disk(&drive.source, drive)?.0));
    let disks =
        mapping.drives.iter().filter(|drive| !drive.read_only).map(open).collect::<Result<Vec<_>, ApplianceError>>()?;
    look(system, &disks, entry)
}
