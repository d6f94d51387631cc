//! The bodies of the fuzz targets for what boot loaders read.

use ovum_disk::storage::testing::Memory;
use ovum_disk::storage::{self, Storage};

use super::bls;
use super::found::{File, Found};
use super::grub::{self, GrubMenu, What};
use super::system::System;
use super::testing::{MemoryFs, system};
use super::{Limits, Options, find, syslinux};
use crate::partition::volumes;

/// What separates the files of an input that is several.
const CUT: char = '\u{c}';

/// A system of an EFI system partition and a volume with kernels, to which `add` adds files.
fn world(add: impl FnOnce(MemoryFs) -> MemoryFs) -> System {
    let kernels = ["/vmlinuz", "/boot/vmlinuz", "/boot/vmlinuz-1", "/initrd", "/boot/initrd"];
    let fs = kernels.iter().fold(MemoryFs::new("11111111-2222"), |fs, path| fs.with(path, "x"));
    system(true, vec![add(fs.labelled("boot")), MemoryFs::new("3333-4444").with("/boot/vmlinuz", "x")])
}

/// Whatever was found is there.
fn check(system: &System, found: Option<Found>) {
    let Some(found) = found else { return };
    assert!(found.default < found.entries.len(), "the default is none of the entries");
    for entry in found.entries {
        assert!(
            matches!(&entry.kernel, File::Bytes(_)) || entry.clone().open(system).is_ok(),
            "{entry:?} is not there"
        );
    }
}

/// A script is run as grub.cfg; behind a form feed may follow the environment block.
pub fn grub(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (script, block) = text.split_once(CUT).unwrap_or((&text, ""));
    let system = world(|fs| fs.with("/boot/grub/grub.cfg", script).with("/boot/grub/grubenv", block));
    let limits = Limits::default();
    let menu = grub::read(&system, 0, "/boot/grub/grub.cfg", true, &limits);
    if let Some(path) = menu.chosen() {
        assert!(starts_linux(&menu, &path), "what was chosen starts nothing");
    }
}

fn starts_linux(menu: &GrubMenu, path: &[usize]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    match menu.entries.get(*first).map(|entry| &entry.what) {
        Some(What::Linux(_)) => rest.is_empty(),
        Some(What::Menu(menu)) => starts_linux(menu, rest),
        _ => false,
    }
}

/// Two entries and loader.conf, with form feeds between them.
pub fn bls(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut files = text.split(CUT);
    let mut next = || files.next().unwrap_or_default().to_owned();
    let (one, two, settings) = (next(), next(), next());
    assert_eq!(bls::compare(&one, &two), bls::compare(&two, &one).reverse(), "versions have no order");
    let system = world(|fs| {
        fs.with("/loader/entries/a-1.conf", one)
            .with("/loader/entries/b-2.conf", two)
            .with("/loader/loader.conf", settings)
    });
    let limits = Limits::default();
    check(&system, bls::systemd_boot::find(&system, &[0, 1], &limits));
}

/// A configuration of SYSLINUX; behind a form feed may follow one that it includes.
pub fn syslinux(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (main, other) = text.split_once(CUT).unwrap_or((&text, ""));
    let system = world(|fs| fs.with("/boot/syslinux.cfg", other).with("/syslinux.cfg", main));
    let limits = Limits::default();
    check(&system, syslinux::find(&system, 0, &limits));
}

/// An image that may be a unified kernel image.
pub fn pe(data: &[u8]) {
    let image = Memory::new(data.to_vec());
    for section in bls::pe::sections(&*image).unwrap_or_default() {
        assert!(section.range.start <= section.range.end && section.range.end <= image.size(), "{section:?}");
    }
    let system = world(|fs| fs.with("/EFI/Linux/a.efi", data));
    let limits = Limits::default();
    check(&system, bls::systemd_boot::find(&system, &[0], &limits));
}

/// A disk in short (see [`crate::fuzz::fold`]): its volumes are looked for, and read at both ends; then it is booted.
pub fn partition(data: &[u8]) {
    let Some(disk) = crate::filesystem::fuzz::unfold(data) else { return };
    let disks = [disk];
    let found = volumes(&disks);
    for volume in found.volumes.iter().take(16) {
        let size = volume.storage.size();
        let mut bytes = [0; 16];
        for at in [0, size.saturating_sub(16)] {
            let is_inside = at.saturating_add(16) <= size;
            assert!(storage::read_bytes(&*volume.storage, at, &mut bytes).is_ok() == is_inside, "{}", volume.name);
        }
        assert!(storage::read_bytes(&*volume.storage, size, &mut bytes).is_err());
    }
    match find::find(&disks, &Options::default()) {
        Ok(menu) => assert!(menu.default < menu.entries.len()),
        Err(error) => assert!(!error.to_string().is_empty() && !error.remedy().is_empty()),
    }
}
