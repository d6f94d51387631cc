//! From volumes to a menu.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod disks;
mod seeds;

use super::system::System;
use super::testing::{MemoryFs, system};
use super::*;
use ovum_disk::storage::testing::Memory;

fn disk(first: &[u8]) -> Arc<dyn Storage> {
    Memory::new([first, &[0; 1024]].concat())
}

fn find_in(system: &System, options: &Options<'_>) -> Result<Menu, LoaderError> {
    find::find_in(system, &[disk(b"")], options)
}

fn summary(menu: &Menu) -> (Vec<&str>, usize, &str) {
    (menu.entries.iter().map(|entry| entry.id.as_str()).collect(), menu.default, menu.why.as_str())
}

const CONFIG: &str = "set default=1\nmenuentry 'Debian' --id one { linux /boot/vmlinuz-6.1 root=/dev/sda2 ro quiet; initrd /boot/initrd.img-6.1; }\n\
    submenu 'More' --id more { menuentry 'Old' --id two { linux /boot/vmlinuz-5.10 root=UUID=r single; initrd /boot/initrd.img-5.10; }\n\
    menuentry 'Old, again' --id two { linux /boot/vmlinuz-5.10; }\n}\nmenuentry 'Windows' { chainloader +1; }\n";

fn root() -> MemoryFs {
    MemoryFs::new("r00t-uuid")
        .with("/boot/vmlinuz-6.1", "kernel 6.1")
        .with("/boot/initrd.img-6.1", "initrd 6.1")
        .with("/boot/vmlinuz-5.10", "kernel 5.10")
        .with("/boot/initrd.img-5.10", "initrd 5.10")
        .with("/etc/fstab", "# c\nUUID=from-fstab / ext4 errors=remount-ro 0 1\n/dev/sda5 none swap sw 0 0\n")
}

fn text(part: &Part) -> String {
    let mut bytes = vec![0; usize::try_from(part.storage.size()).unwrap()];
    ovum_disk::storage::read_bytes(&*part.storage, 0, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn grubs_menu_becomes_one_list() {
    let system = || system(false, vec![MemoryFs::new("b"), root().with("/boot/grub/grub.cfg", CONFIG)]);
    let menu = find_in(&system(), &Options { serial_console: true, ..Options::default() }).unwrap();
    assert_eq!(summary(&menu), (vec!["one", "two", "two#2"], 1, "GRUB's variable default is 1"));
    let entry = &menu.entries[0];
    assert_eq!(entry.cmdline, "BOOT_IMAGE=/boot/vmlinuz-6.1 root=PARTUUID=0000cafe-02 ro quiet console=ttyS0");
    assert_eq!(entry.original_cmdline, "BOOT_IMAGE=/boot/vmlinuz-6.1 root=/dev/sda2 ro quiet");
    assert_eq!(entry.changes.len(), 2);
    assert_eq!((text(&entry.kernel), text(&entry.initrds[0])), ("kernel 6.1".into(), "initrd 6.1".into()));
    assert_eq!(entry.kernel.name, "disk 1, partition 2: /boot/vmlinuz-6.1");
    assert_eq!(menu.entries[1].title, "More > Old");
    assert_eq!(menu.entries[1].source, "disk 1, partition 2: /boot/grub/grub.cfg");
}

#[test]
fn an_entry_is_chosen_by_id_title_or_a_part_of_it() {
    let system = || system(false, vec![root().with("/boot/grub/grub.cfg", CONFIG)]);
    for (name, index) in [("one", 0), ("Debian", 0), ("deb", 0), ("two", 1), ("two#2", 2), ("again", 2)] {
        let menu = find_in(&system(), &Options { entry: Some(name), ..Options::default() }).unwrap();
        assert_eq!((menu.default, menu.why.as_str()), (index, "it was asked for"), "{name}");
    }
    for name in ["none", "o", "Windows"] {
        let error = find_in(&system(), &Options { entry: Some(name), ..Options::default() }).unwrap_err();
        assert!(error.to_string().contains(name) && error.remedy().contains("one, two, two#2"), "{error}");
    }
}

#[test]
fn a_default_that_starts_no_linux_is_told() {
    let config = CONFIG.replace("default=1", "default=2");
    let menu = find_in(&system(false, vec![root().with("/boot/grub/grub.cfg", config)]), &Options::default()).unwrap();
    assert_eq!(menu.default, 0);
    assert_eq!(menu.why, "the first that starts Linux; GRUB's default entry does not (chainloader +1)");
    let config = CONFIG.replace("default=1", "default=2\nset fallback=1");
    let menu = find_in(&system(false, vec![root().with("/boot/grub/grub.cfg", config)]), &Options::default()).unwrap();
    assert_eq!((menu.default, menu.entries[1].id.as_str()), (1, "two"));
}

#[test]
fn an_efi_system_partition_leads_to_the_menu() {
    let stub = "search.fs_uuid r00t-uuid root hd0,gpt2\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n";
    let esp = MemoryFs::new("E5B0-0000").with("/EFI/BOOT/BOOTX64.EFI", "x").with("/EFI/debian/grub.cfg", stub);
    let menu =
        find_in(&system(true, vec![esp, root().with("/boot/grub/grub.cfg", CONFIG)]), &Options::default()).unwrap();
    assert_eq!(menu.entries[0].source, "disk 1, partition 1: /EFI/debian/grub.cfg");
    assert_eq!(menu.entries.len(), 3);
}

fn systemd_boot() -> MemoryFs {
    let entry = |version: &str| {
        format!(
            "title Arch {version}\nversion {version}\nsort-key arch\nlinux /vmlinuz-{version}\ninitrd /initrd-{version}\noptions root=LABEL=a\noptions rw\n"
        )
    };
    let mut fs = MemoryFs::new("E5B0-0000")
        .with("/EFI/systemd/systemd-bootx64.efi", "x")
        .with("/loader/loader.conf", "timeout 3\n");
    for version in ["6.9", "6.10"] {
        fs = fs
            .with(&format!("/vmlinuz-{version}"), "k")
            .with(&format!("/initrd-{version}"), "i")
            .with(&format!("/loader/entries/arch-{version}.conf"), entry(version));
    }
    fs.with("/loader/entries/gone.conf", "title Gone\nlinux /gone\n")
        .with("/EFI/Linux/z.efi", bls::tests::uki("quiet  splash\n"))
}

#[test]
fn systemd_boot_sorts_and_chooses() {
    let menu = find_in(&system(true, vec![systemd_boot()]), &Options::default()).unwrap();
    assert_eq!(summary(&menu), (vec!["arch-6.10", "arch-6.9", "z.efi"], 0, "the first of systemd-boot's menu"));
    assert_eq!(menu.entries[0].cmdline, "root=LABEL=a rw");
    assert!(menu.notes.iter().any(|note| note.contains("/gone, which is not there")), "{:?}", menu.notes);
    assert_eq!((menu.entries[2].title.as_str(), menu.entries[2].cmdline.as_str()), ("Test OS (6.6.6)", "quiet splash"));
    assert_eq!((text(&menu.entries[2].kernel), text(&menu.entries[2].initrds[0])), ("KERNEL".into(), "INITRD".into()));
    for (pattern, default) in
        [("arch-6.9.conf", 1), ("arch-6.9", 1), ("arch-*.conf", 0), ("z*", 2), ("*9*", 1), ("nothing", 0)]
    {
        let fs = systemd_boot().with("/loader/loader.conf", format!("default {pattern}\ntimeout 3\n"));
        let menu = find_in(&system(true, vec![fs]), &Options::default()).unwrap();
        assert_eq!(menu.default, default, "{pattern}");
    }
}

#[test]
fn the_firmware_decides_between_boot_loaders() {
    let both = || system(true, vec![systemd_boot(), root().with("/boot/grub/grub.cfg", CONFIG)]);
    for (firmware, first) in [(None, "arch-6.10"), (Some(Firmware::Uefi), "arch-6.10"), (Some(Firmware::Bios), "one")] {
        let menu = find_in(&both(), &Options { firmware, ..Options::default() }).unwrap();
        assert_eq!(menu.entries[0].id, first, "{firmware:?}");
    }
}

#[test]
fn syslinux_goes_first_where_the_boot_sector_is_not_grubs() {
    let config = "default s\nlabel s\n kernel /boot/vmlinuz-6.1\n";
    let both =
        || system(false, vec![root().with("/boot/grub/grub.cfg", CONFIG).with("/boot/extlinux/extlinux.conf", config)]);
    for (sector, first) in
        [(b"\xeb\x63GRUB ".as_slice(), "one"), (b"", "one"), (b"\x33\xc0Missing operating system", "s")]
    {
        let menu = find::find_in(&both(), &[disk(sector)], &Options::default()).unwrap();
        assert_eq!(menu.entries[0].id, first);
    }
}

#[test]
fn without_a_boot_loader_the_newest_kernel_starts() {
    let menu = find_in(&system(false, vec![root()]), &Options::default()).unwrap();
    assert_eq!(summary(&menu).0, ["vmlinuz-6.1", "vmlinuz-5.10"]);
    assert_eq!(menu.entries[0].cmdline, "root=UUID=from-fstab ro");
    assert_eq!(menu.entries[1].initrds[0].name, "disk 1, partition 1: /boot/initrd.img-5.10");
    let boot = MemoryFs::new("boot").with("/vmlinuz-virt", "k").with("/initramfs-virt", "i");
    let other = MemoryFs::new("other").with("/etc/fstab", "/dev/vg0/root / xfs defaults 0 0\n");
    let menu = find_in(&system(false, vec![boot, other]), &Options::default()).unwrap();
    assert_eq!((menu.entries[0].cmdline.as_str(), menu.entries[0].initrds.len()), ("root=/dev/vg0/root ro", 1));
    let plain = MemoryFs::new("p").with("/vmlinuz", "k").with("/initrd.img", "i");
    let menu = find_in(&system(false, vec![plain]), &Options::default()).unwrap();
    assert_eq!((menu.entries[0].cmdline.as_str(), menu.entries[0].initrds.len()), ("root=UUID=p ro", 1));
}

#[test]
fn a_name_by_controller_follows_the_controllers_order() {
    let config = "menuentry A { linux /boot/vmlinuz-6.1 root=/dev/sdb1; }";
    let mut system = system(false, vec![root().with("/boot/grub/grub.cfg", config)]);
    let options = Options { controller_order: Some(&[1, 0]), ..Options::default() };
    let menu = find::find_in(&system, &[disk(b""), disk(b"")], &options).unwrap();
    assert_eq!(menu.entries[0].cmdline, "BOOT_IMAGE=/boot/vmlinuz-6.1 root=PARTUUID=0000cafe-01");
    system.notes.push("seen".to_owned());
    assert_eq!(find::find_in(&system, &[disk(b"")], &Options::default()).unwrap().notes, ["seen"]);
}

#[test]
fn what_is_there_instead_is_told() {
    let mut ntfs = vec![0; 4096];
    ntfs[3..11].copy_from_slice(b"NTFS    ");
    let mut luks = vec![0; 4096];
    luks[..6].copy_from_slice(b"LUKS\xba\xbe");
    for (bytes, cause, remedy) in [
        (ntfs, "Windows, which needs its firmware (disk 1: NTFS (Windows))", "QEMU"),
        (luks, "an encrypted disk, whose kernel cannot be read (disk 1: LUKS (encrypted))", "--kernel"),
        (vec![0; 4096], "nothing: the disks are empty (disk 1: nothing (zeroes))", "right disk"),
        (vec![], "nothing: the disks are empty", "right disk"),
        (vec![7; 4096], "no Linux kernel (disk 1: nothing that is known)", "--kernel"),
    ] {
        let error = find(&[Memory::new(bytes)], &Options::default()).unwrap_err();
        assert_eq!(error.to_string(), format!("on the disks there is {cause}"));
        assert!(
            error.remedy().contains(remedy.split(' ').next().unwrap()) || remedy == "right disk",
            "{}",
            error.remedy()
        );
    }
    let esp = MemoryFs::new("e").with("/EFI/BOOT/BOOTX64.EFI", "x");
    let error = find_in(&system(true, vec![esp]), &Options::default()).unwrap_err();
    assert!(error.to_string().starts_with("on the disks there is programs of UEFI"), "{error}");
}

#[test]
fn what_would_disturb_a_terminal_is_left_out() {
    let config = "menuentry 'A\u{1b}[2J' { linux /boot/vmlinuz-6.1 x; }";
    let menu = find_in(&system(false, vec![root().with("/boot/grub/grub.cfg", config)]), &Options::default()).unwrap();
    assert_eq!(menu.entries[0].title, "A [2J");
}
