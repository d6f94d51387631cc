//! What GRUB calls volumes: `hd0,gpt2`, `lvm/group-volume`.

use crate::loader::system::{System, normal};
use crate::partition::{Place, Volume};

/// A file or a folder on a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    /// The volume's index.
    pub volume: usize,
    pub path: String,
}

/// What GRUB calls a volume.
pub(super) fn name(volume: &Volume) -> String {
    let disk = volume.disk;
    match &volume.place {
        Place::Disk => format!("hd{disk}"),
        Place::Gpt(partition) => format!("hd{disk},gpt{}", partition.number),
        Place::Mbr(partition) => format!("hd{disk},msdos{}", partition.number),
        Place::Lvm { group, volume, .. } => format!("lvm/{}-{}", group.replace('-', "--"), volume.replace('-', "--")),
    }
}

/// The volume that `name` stands for.
pub(super) fn find(system: &System, device: &str) -> Option<usize> {
    let device = device.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(device);
    let position =
        |matches: &dyn Fn(&Volume) -> bool| system.volumes.iter().position(|mounted| matches(&mounted.volume));
    if let Some(ids) = device.strip_prefix("lvmid/") {
        return position(&|volume| match &volume.place {
            Place::Lvm { group_uuid, uuid, .. } => ids.split_once('/') == Some((group_uuid, uuid)),
            _ => false,
        });
    }
    if let Some(found) = position(&|volume| name(volume) == device) {
        return Some(found);
    }
    // Partitions may also be called by their number alone, and drives `cd` are disks like any other here.
    let (disk, partition) = device.split_once(',').unwrap_or((device, ""));
    let number: u32 =
        partition.trim_start_matches(|character: char| character.is_ascii_alphabetic()).parse().unwrap_or(0);
    let disk: usize =
        disk.strip_prefix("hd").or_else(|| disk.strip_prefix("ahci")).and_then(|number| number.parse().ok())?;
    position(&|volume| volume.disk == disk && volume.partition().is_some_and(|known| known.number == number))
}

/// The file that `name` stands for: `(hd0,gpt2)/path`, or `/path` on the volume called `root`.
pub(super) fn locate(system: &System, name: &str, root: &str) -> Option<Location> {
    let (device, path) = match name.strip_prefix('(') {
        Some(rest) => rest.split_once(')')?,
        None => (root, name),
    };
    let device = if device.is_empty() { root } else { device };
    Some(Location { volume: find(system, device)?, path: normal(path) })
}
