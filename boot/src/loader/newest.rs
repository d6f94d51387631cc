//! Without a boot loader that can be read: the newest kernel in a folder where kernels are, with its initramfs.

use std::cmp::Ordering;

use super::bls::compare;
use super::found::{Candidate, File, Found};
use super::system::System;
use crate::partition::Place;

/// Where kernels are, also in the subvolumes of a btrfs.
const FOLDERS: [&str; 5] = ["/boot", "", "/@/boot", "/@rootfs/boot", "/root/boot"];
/// What kernels' names begin with, before a version.
const KERNELS: [&str; 4] = ["vmlinuz-", "vmlinux-", "bzImage-", "kernel-"];
/// The names of a kernel without a version, and of its archive.
const PLAIN: [(&str, &str); 3] = [("vmlinuz", "initrd.img"), ("vmlinuz", "initramfs.img"), ("bzImage", "initrd")];
/// The most kernels.
const MAX_KERNELS: usize = 64;

/// The kernels on a volume, the newest first.
pub(super) fn find(system: &System, volume: usize) -> Option<Found> {
    let mut kernels = Vec::new();
    for folder in FOLDERS {
        let names = system.names(volume, if folder.is_empty() { "/" } else { folder });
        for name in &names {
            let version = KERNELS.iter().find_map(|prefix| name.strip_prefix(prefix));
            if let Some(version) = version.filter(|version| !version.ends_with(".old") && !version.contains("rescue")) {
                kernels.push((version.to_owned(), folder, name.clone(), archive(&names, version)));
            }
        }
        if kernels.is_empty() {
            let has = |name: &str| names.iter().any(|known| known == name);
            if let Some((kernel, _)) = PLAIN.iter().find(|(kernel, _)| has(kernel)) {
                let archive = PLAIN.iter().find(|(plain, archive)| plain == kernel && has(archive));
                kernels.push((
                    String::new(),
                    folder,
                    (*kernel).to_owned(),
                    archive.map(|(_, name)| (*name).to_owned()),
                ));
            }
        }
        if !kernels.is_empty() {
            break;
        }
    }
    kernels.sort_by(|one, other| newer(&one.0, &other.0));
    kernels.truncate(MAX_KERNELS);
    let root = root(system, volume);
    let entries =
        kernels.into_iter().filter(|(_, folder, name, _)| system.is_file(volume, &format!("{folder}/{name}")));
    let entries: Vec<_> = entries
        .map(|(version, folder, name, archive)| Candidate {
            id: name.clone(),
            title: if version.is_empty() { "Linux".to_owned() } else { format!("Linux {version}") },
            source: format!("{}: {folder}/", system.name(volume)),
            kernel: File::At(volume, format!("{folder}/{name}")),
            initrds: archive.into_iter().map(|archive| File::At(volume, format!("{folder}/{archive}"))).collect(),
            cmdline: root.clone(),
        })
        .collect();
    let why = "the newest kernel: no boot loader's configuration was found".to_owned();
    (!entries.is_empty()).then_some(Found { entries, default: 0, why })
}

/// Later versions first.
fn newer(one: &str, other: &str) -> Ordering {
    compare(other, one).then_with(|| other.cmp(one))
}

/// The initramfs of a version, as the distributions call it.
fn archive(names: &[String], version: &str) -> Option<String> {
    let patterns = [
        format!("initrd.img-{version}"),
        format!("initramfs-{version}.img"),
        format!("initrd-{version}"),
        format!("initrd-{version}.img"),
        format!("initramfs-{version}"),
        format!("initramfs-genkernel-{version}"),
    ];
    patterns.into_iter().find(|pattern| names.contains(pattern))
}

/// `root=` and what belongs to it: what /etc/fstab says, else the volume that has one.
fn root(system: &System, kernel: usize) -> String {
    let folders = ["", "/@", "/@rootfs", "/root"];
    let volumes =
        std::iter::once(kernel).chain(system.readable().map(|(index, _)| index).filter(|index| *index != kernel));
    for volume in volumes {
        for folder in folders {
            let Ok(text) = system.text(volume, &format!("{folder}/etc/fstab")) else { continue };
            let line = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            let line = line
                .into_iter()
                .find(|words| matches!(words.as_slice(), [device, "/", ..] if !device.starts_with('#')));
            let mut words = match line.as_deref() {
                Some([device, _, rest @ ..]) => {
                    let options = rest.get(1).copied().unwrap_or_default();
                    let subvolume = options.split(',').find(|option| option.starts_with("subvol"));
                    let flags = subvolume.map(|option| format!(" rootflags={option}")).unwrap_or_default();
                    format!("root={device}{flags}")
                }
                _ => name(system, volume).map(|name| format!("root={name}")).unwrap_or_default(),
            };
            words.push_str(" ro");
            return words.trim_start().to_owned();
        }
    }
    name(system, kernel).map(|name| format!("root={name} ro")).unwrap_or_default()
}

/// A name by which the kernel finds a volume.
fn name(system: &System, volume: usize) -> Option<String> {
    let mounted = system.volumes.get(volume)?;
    if let Place::Lvm { group, volume, .. } = &mounted.volume.place {
        return Some(format!("/dev/mapper/{}-{}", group.replace('-', "--"), volume.replace('-', "--")));
    }
    let partuuid = || mounted.volume.partition().and_then(|partition| partition.partuuid.as_ref());
    mounted
        .uuid
        .as_ref()
        .map(|uuid| format!("UUID={uuid}"))
        .or_else(|| partuuid().map(|uuid| format!("PARTUUID={uuid}")))
}
