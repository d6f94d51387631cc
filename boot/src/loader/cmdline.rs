//! Kernel arguments of an appliance, changed as little as its new machine needs.
//!
//! Disks are virtio disks here, so `root=/dev/sda1` would wait for ever: the partition that is meant gets a name that does
//! not depend on its controller. A serial console is added unless there is one. Everything else stays.

use crate::cmdline::words;

/// A volume that `root=` may mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// Its disk's place in the order in which the guest's kernel would name disks: 0 is sda.
    pub disk: usize,
    /// The partition's number; `None` for a whole disk.
    pub partition: Option<u32>,
    /// As `root=PARTUUID=` has it.
    pub partuuid: Option<String>,
    /// As `root=UUID=` has it.
    pub uuid: Option<String>,
}

/// A command line, and what was changed in it, one line each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adapted {
    /// The whole command line.
    pub cmdline: String,
    /// What was changed, or should have been.
    pub changes: Vec<String>,
}

/// Adapts `cmdline` to a machine whose disks are virtio disks and, if `serial`, whose console is its first serial port.
#[must_use]
pub fn adapt(cmdline: &str, targets: &[Target], serial: bool) -> Adapted {
    let mut changes = Vec::new();
    let mut kernel: Vec<String> = Vec::new();
    let mut init: Vec<String> = Vec::new();
    for word in words(cmdline) {
        if word == "--" || !init.is_empty() {
            init.push(word.to_owned());
            continue;
        }
        kernel.push(match word.strip_prefix("root=").and_then(|device| root(device, targets)) {
            Some(Ok(root)) => {
                changes.push(format!("{word} became root={root}: disks are called otherwise here"));
                format!("root={root}")
            }
            Some(Err(problem)) => {
                changes.push(problem);
                word.to_owned()
            }
            None => word.to_owned(),
        });
    }
    if serial && !kernel.iter().any(|word| is_serial_console(word)) {
        changes.push("console=ttyS0 was added".to_owned());
        kernel.push("console=ttyS0".to_owned());
    }
    kernel.extend(init);
    Adapted { cmdline: kernel.join(" "), changes }
}

/// Whether a word names a console that is a serial port or one of a hypervisor.
fn is_serial_console(word: &str) -> bool {
    let Some(device) = word.strip_prefix("console=") else { return false };
    ["ttyS", "ttyAMA", "hvc", "uart"].iter().any(|kind| device.starts_with(kind))
}

/// Another name for a device whose name depends on its controller; `None` if it has none of those names.
fn root(device: &str, targets: &[Target]) -> Option<Result<String, String>> {
    let (disk, partition) = disk_name(device)?;
    let found = targets.iter().find(|target| target.disk == disk && target.partition == partition);
    let Some(target) = found else {
        return Some(Err(format!("root={device} means a disk or a partition that is not there")));
    };
    let name = match (&target.partuuid, &target.uuid) {
        (Some(partuuid), _) => format!("PARTUUID={partuuid}"),
        (None, Some(uuid)) => format!("UUID={uuid}"),
        (None, None) => {
            let number = partition.map(|number| number.to_string()).unwrap_or_default();
            format!("/dev/vd{}{number}", letters(disk))
        }
    };
    Some(Ok(name))
}

/// Which disk, from 0, and which partition a name means that the kernel gives by controller: `/dev/sdb3`, `/dev/hda1`,
/// `/dev/xvda`, `/dev/nvme0n1p2`, `/dev/mmcblk0p1`. Names of virtio disks stay as they are.
fn disk_name(device: &str) -> Option<(usize, Option<u32>)> {
    let name = device.strip_prefix("/dev/").unwrap_or(device);
    for prefix in ["sd", "hd", "xvd"] {
        let Some(rest) = name.strip_prefix(prefix) else { continue };
        let digits = rest.find(|character: char| !character.is_ascii_lowercase()).unwrap_or(rest.len());
        let (letters, number) = rest.split_at(digits);
        if letters.is_empty() || letters.len() > 3 {
            return None;
        }
        let disk = letters.bytes().fold(0, |disk, letter| disk * 26 + usize::from(letter - b'a') + 1);
        return partition(number).map(|partition| (disk - 1, partition));
    }
    for (prefix, middle) in [("nvme", "n1"), ("mmcblk", "")] {
        let Some(rest) = name.strip_prefix(prefix) else { continue };
        let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let (disk, rest) = rest.split_at(digits);
        let rest = rest.strip_prefix(middle)?;
        let number = if rest.is_empty() { rest } else { rest.strip_prefix('p').filter(|number| !number.is_empty())? };
        return Some((disk.parse().ok()?, partition(number)?));
    }
    None
}

fn partition(number: &str) -> Option<Option<u32>> {
    if number.is_empty() { Some(None) } else { number.parse().ok().filter(|number| *number > 0).map(Some) }
}

/// a, b, ... z, aa, ab, ...
fn letters(mut disk: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(b'a' + u8::try_from(disk % 26).unwrap_or(0));
        match (disk / 26).checked_sub(1) {
            Some(rest) => disk = rest,
            None => break,
        }
    }
    letters.reverse();
    String::from_utf8(letters).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets() -> Vec<Target> {
        let target = |disk, partition, partuuid: Option<&str>, uuid: Option<&str>| Target {
            disk,
            partition,
            partuuid: partuuid.map(str::to_owned),
            uuid: uuid.map(str::to_owned),
        };
        vec![
            target(0, Some(1), Some("cafe-01"), Some("u1")),
            target(0, Some(2), None, Some("u2")),
            target(1, None, None, Some("whole")),
            target(27, Some(3), None, None),
        ]
    }

    #[test]
    fn names_that_moved_are_replaced() {
        for (root, expected) in [
            ("/dev/sda1", "PARTUUID=cafe-01"),
            ("/dev/hda1", "PARTUUID=cafe-01"),
            ("/dev/xvda1", "PARTUUID=cafe-01"),
            ("/dev/nvme0n1p1", "PARTUUID=cafe-01"),
            ("/dev/mmcblk0p2", "UUID=u2"),
            ("sda2", "UUID=u2"),
            ("/dev/sdb", "UUID=whole"),
            ("/dev/sdab3", "/dev/vdab3"),
        ] {
            let adapted = adapt(&format!("ro root={root} quiet console=ttyS0"), &targets(), true);
            assert_eq!(adapted.cmdline, format!("ro root={expected} quiet console=ttyS0"), "{root}");
            assert_eq!(adapted.changes.len(), 1);
        }
    }

    #[test]
    fn names_that_hold_stay() {
        for root in [
            "UUID=x",
            "LABEL=root",
            "PARTUUID=x-01",
            "/dev/vda1",
            "/dev/mapper/vg-root",
            "/dev/vg/root",
            "zfs:pool",
            "/dev/disk/by-uuid/x",
            "/dev/sd",
            "/dev/sda1x",
            "/dev/sdaaaa1",
            "/dev/nvme0",
            "/dev/sda0",
            "ZFS=auto",
            "",
            "/dev/ram0",
            "/dev/nvme0n1p",
        ] {
            let cmdline = format!("root={root} console=ttyS1,115200");
            let adapted = adapt(&cmdline, &targets(), true);
            assert_eq!(adapted, Adapted { cmdline, changes: vec![] });
        }
    }

    #[test]
    fn a_partition_that_is_not_there_is_told() {
        let adapted = adapt("root=/dev/sdc1 console=hvc0", &targets(), true);
        assert_eq!(adapted.cmdline, "root=/dev/sdc1 console=hvc0");
        assert_eq!(adapted.changes, ["root=/dev/sdc1 means a disk or a partition that is not there"]);
    }

    #[test]
    fn a_serial_console_is_added_where_there_is_none() {
        for (cmdline, expected) in [
            ("", "console=ttyS0"),
            ("quiet console=tty0", "quiet console=tty0 console=ttyS0"),
            ("a -- single", "a console=ttyS0 -- single"),
            (
                "x=\"a  b\" rd.lvm.lv=vg/root resume=/dev/sda5",
                "x=\"a  b\" rd.lvm.lv=vg/root resume=/dev/sda5 console=ttyS0",
            ),
            ("a -- console=ttyS0", "a console=ttyS0 -- console=ttyS0"),
        ] {
            assert_eq!(adapt(cmdline, &[], true).cmdline, expected);
        }
        assert_eq!(adapt("quiet", &[], false).cmdline, "quiet");
    }
}
