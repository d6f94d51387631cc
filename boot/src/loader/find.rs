//! Which boot loader's files count, and what its menu is.
//!
//! Disks are taken in the order in which they were given, which is that of the firmware: the first that has something to
//! start wins, and there the first of these:
//!
//! * by UEFI: systemd-boot and unified kernel images if they are on an EFI system partition and no other loader's folder is,
//!   then GRUB as the EFI system partition leads to it, then what follows;
//! * by BIOS: GRUB (its usual folders, the active partition first), SYSLINUX; SYSLINUX first where the boot sector is not
//!   GRUB's;
//! * by either: the other one's, entries of the Boot Loader Specification without a loader, the newest kernel.
//!
//! Where nobody says which firmware, a disk with an EFI system partition and without a place for GRUB's BIOS part is
//! started as by UEFI.

use std::sync::Arc;

use ovum_disk::storage::{self, Storage};

use super::bls::systemd_boot;
use super::cmdline::{self, Target};
use super::found::{Candidate, File, Found};
use super::grub::{self, GrubMenu, What};
use super::system::System;
use super::{Firmware, Limits, LoaderError, Menu, Options, newest, syslinux};
use crate::partition::{BIOS_BOOT, Place};

/// Where GRUB's configuration is, beside EFI system partitions.
const GRUB_PATHS: [&str; 8] = [
    "/boot/grub/grub.cfg",
    "/boot/grub2/grub.cfg",
    "/grub/grub.cfg",
    "/grub2/grub.cfg",
    "/@/boot/grub/grub.cfg",
    "/@/boot/grub2/grub.cfg",
    "/@rootfs/boot/grub/grub.cfg",
    "/root/boot/grub2/grub.cfg",
];

/// Finds what starts from `disks`.
pub(super) fn find(disks: &[Arc<dyn Storage>], options: &Options<'_>) -> Result<Menu, LoaderError> {
    find_in(&System::open(disks), disks, options)
}

/// The same, when the volumes are known.
pub(super) fn find_in(system: &System, disks: &[Arc<dyn Storage>], options: &Options<'_>) -> Result<Menu, LoaderError> {
    let search = Search { system, limits: Limits::default(), options, disks };
    let found = (0..disks.len()).find_map(|disk| search.disk(disk));
    let mut notes = system.notes.clone();
    notes.extend(search.limits.notes());
    match found {
        Some(found) => menu(system, found, options, notes),
        None => Err(LoaderError::nothing(system, notes)),
    }
}

struct Search<'s> {
    system: &'s System,
    limits: Limits,
    options: &'s Options<'s>,
    disks: &'s [Arc<dyn Storage>],
}

impl Search<'_> {
    /// What the first disk's boot loader would show.
    fn disk(&self, disk: usize) -> Option<Found> {
        let volumes = self.volumes(disk);
        if self.is_uefi(disk) {
            return self.uefi(&volumes).or_else(|| self.bios(disk, &volumes)).or_else(|| self.without(&volumes));
        }
        self.bios(disk, &volumes).or_else(|| self.uefi(&volumes)).or_else(|| self.without(&volumes))
    }

    /// The readable volumes of a disk, active ones first.
    fn volumes(&self, disk: usize) -> Vec<usize> {
        let mut volumes: Vec<_> = self.system.readable().filter(|(_, mounted)| mounted.volume.disk == disk).collect();
        volumes.sort_by_key(|(_, mounted)| !mounted.volume.partition().is_some_and(|partition| partition.active));
        volumes.into_iter().map(|(index, _)| index).collect()
    }

    fn is_uefi(&self, disk: usize) -> bool {
        let volumes = || self.system.volumes.iter().map(|mounted| &mounted.volume).filter(|volume| volume.disk == disk);
        let is_bios_boot = |place: &Place| matches!(place, Place::Gpt(partition) if partition.kind == BIOS_BOOT);
        match self.options.firmware {
            Some(firmware) => firmware == Firmware::Uefi,
            None => volumes().any(|volume| volume.is_esp()) && !volumes().any(|volume| is_bios_boot(&volume.place)),
        }
    }

    fn is_esp(&self, volume: usize) -> bool {
        let mounted = self.system.volumes.get(volume);
        mounted.is_some_and(|mounted| mounted.volume.is_esp())
            || (mounted.is_some_and(|mounted| mounted.volume.place == Place::Disk)
                && self.system.kind(volume, "/EFI").is_some())
    }

    fn uefi(&self, volumes: &[usize]) -> Option<Found> {
        let esps: Vec<_> = volumes.iter().copied().filter(|volume| self.is_esp(*volume)).collect();
        for esp in esps {
            let systemd = || {
                let boot = volumes.iter().copied().filter(|volume| self.is_boot(*volume));
                systemd_boot::find(self.system, &[esp].into_iter().chain(boot).collect::<Vec<_>>(), &self.limits)
            };
            let grub = || self.vendors(esp).iter().find_map(|path| self.grub(esp, path, true));
            let is_systemds = self.system.kind(esp, "/EFI/systemd").is_some();
            let found = if is_systemds { systemd().or_else(grub) } else { grub().or_else(systemd) };
            if found.is_some() {
                return found;
            }
        }
        volumes.iter().find_map(|volume| self.grub_on(*volume, true))
    }

    /// An extended boot loader partition.
    fn is_boot(&self, volume: usize) -> bool {
        let place = self.system.volumes.get(volume).map(|mounted| &mounted.volume.place);
        matches!(place, Some(Place::Gpt(partition)) if partition.kind == crate::partition::XBOOTLDR)
    }

    /// GRUB's files on an EFI system partition: the distributions' folders, then the one that firmware takes by default.
    fn vendors(&self, esp: usize) -> Vec<String> {
        let mut names = self.system.names(esp, "/EFI");
        names.sort_by_key(|name| name.eq_ignore_ascii_case("boot"));
        names.into_iter().take(32).map(|name| format!("/EFI/{name}/grub.cfg")).collect()
    }

    fn bios(&self, disk: usize, volumes: &[usize]) -> Option<Found> {
        let grub = || volumes.iter().find_map(|volume| self.grub_on(*volume, false));
        let syslinux = || volumes.iter().find_map(|volume| syslinux::find(self.system, *volume, &self.limits));
        if self.has_grubs_sector(disk) { grub().or_else(syslinux) } else { syslinux().or_else(grub) }
    }

    /// Whether the disk begins with GRUB's boot.img, which has its name in it. Disks that begin with nothing are as good.
    fn has_grubs_sector(&self, disk: usize) -> bool {
        let sector = self.disks.get(disk).and_then(|disk| storage::read_array::<440>(&**disk, 0).ok());
        sector
            .is_none_or(|sector| sector.windows(4).any(|part| part == b"GRUB") || sector.iter().all(|byte| *byte == 0))
    }

    fn grub_on(&self, volume: usize, efi: bool) -> Option<Found> {
        GRUB_PATHS.iter().find_map(|path| self.grub(volume, path, efi))
    }

    fn grub(&self, volume: usize, path: &str, efi: bool) -> Option<Found> {
        if !self.system.is_file(volume, path) {
            return None;
        }
        let menu = grub::read(self.system, volume, path, efi, &self.limits);
        let found = from_grub(&menu, &format!("{}: {path}", self.system.name(volume)));
        if found.is_none() {
            self.limits.note(&format!("{}: {path} starts no Linux kernel", self.system.name(volume)));
        }
        found
    }

    /// What is left if no boot loader has a configuration.
    fn without(&self, volumes: &[usize]) -> Option<Found> {
        let entries = volumes.iter().find_map(|volume| systemd_boot::find(self.system, &[*volume], &self.limits));
        entries.or_else(|| volumes.iter().find_map(|volume| newest::find(self.system, *volume)))
    }
}

/// GRUB's menus as one list, and the place of the entry that starts.
fn from_grub(menu: &GrubMenu, source: &str) -> Option<Found> {
    let mut found = Found { why: menu.why.clone(), ..Found::default() };
    let mut paths = Vec::new();
    flatten(menu, &mut Vec::new(), &mut |path, titles, entry, linux| {
        let file = |(volume, path): &(usize, String)| File::At(*volume, path.clone());
        paths.push(path.to_vec());
        found.entries.push(Candidate {
            id: entry.to_owned(),
            title: titles.to_owned(),
            source: source.to_owned(),
            kernel: file(&linux.kernel),
            initrds: linux.initrds.iter().map(file).collect(),
            cmdline: linux.cmdline.clone(),
        });
    });
    match menu.chosen() {
        Some(path) => {
            if path.first() != Some(&menu.default) {
                found.why = "the fallback: GRUB's default entry loads no Linux kernel".to_owned();
            }
            found.default = paths.iter().position(|known| *known == path)?;
        }
        None => {
            let what = menu.entries.get(menu.default).map(|entry| match &entry.what {
                What::Other(what) => what.as_str(),
                _ => "an empty menu",
            });
            let what = what.unwrap_or("nothing");
            found.why = format!("the first that starts Linux; GRUB's default entry does not ({what})");
        }
    }
    (!found.entries.is_empty()).then_some(found)
}

type Visit<'v> = dyn FnMut(&[usize], &str, &str, &grub::Linux) + 'v;

/// Calls `visit` with each entry that starts Linux: its path, its titles, its id.
fn flatten(menu: &GrubMenu, path: &mut Vec<(usize, String)>, visit: &mut Visit<'_>) {
    for (index, entry) in menu.entries.iter().enumerate() {
        path.push((index, entry.title.clone()));
        match &entry.what {
            What::Linux(linux) => {
                let indexes: Vec<_> = path.iter().map(|(index, _)| *index).collect();
                let titles: Vec<_> = path.iter().map(|(_, title)| title.as_str()).collect();
                visit(&indexes, &titles.join(" > "), &entry.id, linux);
            }
            What::Menu(menu) => flatten(menu, path, visit),
            What::Other(_) => {}
        }
        path.pop();
    }
}

/// Opens what was found, makes ids unique, adapts command lines, and lets the caller choose.
fn menu(system: &System, found: Found, options: &Options<'_>, mut notes: Vec<String>) -> Result<Menu, LoaderError> {
    let targets = targets(system, options);
    let mut entries = Vec::new();
    let mut default = None;
    let mut used = std::collections::BTreeMap::new();
    for (index, candidate) in found.entries.into_iter().enumerate() {
        let id = printable(&candidate.id);
        let mut entry = match candidate.open(system) {
            Ok(entry) => entry,
            Err(problem) => {
                notes.push(format!("the entry {id}: {problem}"));
                continue;
            }
        };
        entry.id.clone_from(&id);
        entry.title = printable(&entry.title);
        let count = used.entry(id).and_modify(|count| *count += 1).or_insert(1_u32);
        if *count > 1 {
            entry.id = format!("{}#{count}", entry.id);
        }
        let adapted = cmdline::adapt(&entry.original_cmdline, &targets, options.serial_console);
        entry.cmdline = adapted.cmdline;
        entry.changes = adapted.changes;
        if index == found.default {
            default = Some(entries.len());
        }
        entries.push(entry);
    }
    if entries.is_empty() {
        return Err(LoaderError::nothing(system, notes));
    }
    let mut menu = Menu { entries, default: default.unwrap_or(0), why: found.why, notes };
    if let Some(name) = options.entry {
        menu.default = choose(&menu, name).ok_or_else(|| LoaderError::no_entry(name, &menu))?;
        menu.why = "it was asked for".to_owned();
    }
    Ok(menu)
}

/// A guest's text, without what would disturb a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// The entry of that id, of that title, or the only one whose id or title has the name in it.
fn choose(menu: &Menu, name: &str) -> Option<usize> {
    let by = |is: &dyn Fn(&str) -> bool| menu.entries.iter().position(|entry| is(&entry.id) || is(&entry.title));
    let wanted = name.to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&wanted);
    let one = || {
        let mut found = menu.entries.iter().enumerate().filter(|(_, entry)| has(&entry.id) || has(&entry.title));
        found.next().filter(|_| found.next().is_none()).map(|(index, _)| index)
    };
    by(&|text| text == name).or_else(one)
}

/// What `root=` may mean: all volumes but logical ones.
fn targets(system: &System, options: &Options<'_>) -> Vec<Target> {
    let place = |disk: usize| match options.controller_order {
        Some(order) => order.iter().position(|index| *index == disk).unwrap_or(disk),
        None => disk,
    };
    let volumes = system.volumes.iter().filter(|mounted| !matches!(mounted.volume.place, Place::Lvm { .. }));
    let target = volumes.map(|mounted| Target {
        disk: place(mounted.volume.disk),
        partition: mounted.volume.partition().map(|partition| partition.number),
        partuuid: mounted.volume.partition().and_then(|partition| partition.partuuid.clone()),
        uuid: mounted.uuid.clone(),
    });
    target.collect()
}
