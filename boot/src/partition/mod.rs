//! What a disk is divided into: partitions (GPT, MBR) and logical volumes (LVM2), each as a storage of its own.
//!
//! * [`volumes`]: everything on some disks that may hold a file system.
//! * `gpt`, `mbr`: partition tables; [`lvm`]: physical volumes, volume groups, their metadata.
//! * [`DiskBytes`]: a [`Disk`](ovum_disk::Disk) as a storage that is only read.
//!
//! Tables are hostile: nothing is allocated by what they claim, chains have limits, and what lies outside of the disk or of
//! its table is left out with a note.

mod disk;
mod gpt;
pub mod lvm;
mod mbr;
#[cfg(any(test, feature = "test-support"))]
pub mod testing;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use ovum_disk::storage::{self, Part, Storage};

pub use disk::DiskBytes;

/// The most partitions that are read of one disk.
pub const MAX_PARTITIONS: usize = 256;

/// The most volumes that are kept of all disks.
pub const MAX_VOLUMES: usize = 1024;

/// The unit of MBR, and of GPT on most disks, in bytes.
const SECTOR: u64 = 512;

/// A part of a disk, or of several, that may hold a file system.
#[derive(Debug, Clone)]
pub struct Volume {
    /// What to call it: `disk 1, partition 2`, `disk 1`, `vg/root`.
    pub name: String,
    /// Its bytes.
    pub storage: Arc<dyn Storage>,
    /// The index of its disk among those that were given; of the first one, for a logical volume.
    pub disk: usize,
    /// What makes it one.
    pub place: Place,
}

/// How a volume is cut out of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// It is the whole disk.
    Disk,
    /// A partition of a GUID partition table.
    Gpt(Partition),
    /// A partition of a master boot record, or a logical one of an extended partition.
    Mbr(Partition),
    /// A logical volume.
    Lvm {
        /// The volume group's name.
        group: String,
        /// Its own name.
        volume: String,
        /// The volume group's UUID, with dashes.
        group_uuid: String,
        /// Its own.
        uuid: String,
    },
}

/// What a partition table says of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// From 1, as the kernel counts: logical partitions of an MBR from 5.
    pub number: u32,
    /// As `root=PARTUUID=` has it; `None` where the table has no identifier.
    pub partuuid: Option<String>,
    /// What it is for: a GUID in small letters (GPT), two hexadecimal digits (MBR).
    pub kind: String,
    /// The name that GPT gives it.
    pub label: Option<String>,
    /// Whether a BIOS would boot it: active (MBR), legacy BIOS bootable (GPT).
    pub active: bool,
}

/// GPT: an EFI system partition (UEFI 2.10, 5.3.3).
pub const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
/// GPT: an extended boot loader partition (Boot Loader Specification).
pub const XBOOTLDR: &str = "bc13c2ff-59e6-4262-a352-b275fd6f7172";
/// GPT: the rest of GRUB's boot sector.
pub const BIOS_BOOT: &str = "21686148-6449-6e6f-744e-656564454649";
/// MBR: an EFI system partition.
const MBR_ESP: &str = "ef";

impl Volume {
    /// The partition that it is.
    #[must_use]
    pub fn partition(&self) -> Option<&Partition> {
        match &self.place {
            Place::Gpt(partition) | Place::Mbr(partition) => Some(partition),
            Place::Disk | Place::Lvm { .. } => None,
        }
    }

    /// Whether UEFI would look for programs in it.
    #[must_use]
    pub fn is_esp(&self) -> bool {
        match &self.place {
            Place::Gpt(partition) => partition.kind == ESP,
            Place::Mbr(partition) => partition.kind == MBR_ESP,
            Place::Disk | Place::Lvm { .. } => false,
        }
    }
}

/// What disks hold, and what was odd.
#[derive(Debug, Default)]
pub struct Volumes {
    /// Disk by disk, in the order of partition numbers, then logical volumes.
    pub volumes: Vec<Volume>,
    /// What was left out and why, one line each.
    pub notes: Vec<String>,
}

/// Everything on `disks` that may hold a file system: partitions, whole disks that have no partition table, and logical
/// volumes of groups whose physical volumes are all there. What cannot be read is left out, with a note.
#[must_use]
pub fn volumes(disks: &[Arc<dyn Storage>]) -> Volumes {
    let mut found = Volumes::default();
    for (index, disk) in disks.iter().enumerate() {
        if let Err(error) = of_disk(index, disk, &mut found) {
            found.notes.push(format!("disk {}: {error}", index + 1));
        }
    }
    lvm::add(&mut found);
    if found.volumes.len() > MAX_VOLUMES {
        found.notes.push(format!("only the first {MAX_VOLUMES} volumes are looked at"));
        found.volumes.truncate(MAX_VOLUMES);
    }
    found
}

/// Adds what is on one disk.
fn of_disk(index: usize, disk: &Arc<dyn Storage>, found: &mut Volumes) -> io::Result<()> {
    let name = format!("disk {}", index + 1);
    let whole = Volume { name: name.clone(), storage: disk.clone(), disk: index, place: Place::Disk };
    if disk.size() < SECTOR {
        found.notes.push(format!("{name} is empty"));
        return Ok(());
    }
    let sector = storage::read_array::<512>(&**disk, 0)?;
    let has_table = sector.ends_with(&[0x55, 0xaa]);
    let mut slots = Vec::new();
    if has_table {
        slots = match gpt::read(&**disk, &sector, &name, &mut found.notes)? {
            Some(slots) => slots,
            None => mbr::read(&**disk, &sector, &name, &mut found.notes)?,
        };
    }
    if slots.is_empty() || is_fat(&sector) || is_iso(&**disk) {
        found.volumes.push(whole);
    }
    for slot in slots {
        let Slot { start, end, place } = slot;
        let number = place.number();
        let name = format!("{name}, partition {number}");
        if end > disk.size() {
            found.notes.push(format!("{name} ends past the end of the disk"));
        }
        // As the kernel does: what is left of it may still be read.
        let part = Part::new(&format!("partition {number}"), disk.clone(), start..end.min(disk.size()));
        found.volumes.extend(part.map(|part| Volume { name, storage: Arc::new(part), disk: index, place }));
    }
    Ok(())
}

/// A partition in bytes of its disk.
#[derive(Debug)]
struct Slot {
    start: u64,
    end: u64,
    place: Place,
}

impl Place {
    fn number(&self) -> u32 {
        match self {
            Self::Gpt(partition) | Self::Mbr(partition) => partition.number,
            Self::Disk | Self::Lvm { .. } => 0,
        }
    }
}

/// Whether the first sector is that of a FAT file system, whose code may look like partitions.
fn is_fat(sector: &[u8; 512]) -> bool {
    [54, 82].iter().any(|at| sector.get(*at..).is_some_and(|name| name.starts_with(b"FAT")))
}

/// Whether the whole disk is an ISO 9660 image, which may have a partition table for booting from a USB stick.
fn is_iso(disk: &dyn Storage) -> bool {
    storage::read_array::<5>(disk, 0x8001).is_ok_and(|magic| &magic == b"CD001")
}
