//! Packages that were just made boot: by `ovum pack`, and by others' tools alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where its expectation does not hold")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ovum_tests::failure::Result;
use ovum_tests::harness::{Folder, Ovum};
use ovum_tests::{binaries, foreign, harness, kernel, packages};
use tempfile::TempDir;

/// What the guests do: say what is on their disk.
const SCENARIO: &str = "mount -t ext4 -o ro /dev/vda /mnt && cat /mnt/greeting";
const GREETING: &str = "a greeting from inside of the package\n";

/// What a package is made of, in a folder of this machine: `disk.raw` with a file system, `vmlinuz`, `initrd`.
fn parts() -> Result<TempDir> {
    packages::ensure(packages::LAB)?;
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    fs::create_dir(path("content")).unwrap();
    fs::write(path("content/greeting"), GREETING).unwrap();
    fs::File::create(path("disk.raw")).unwrap().set_len(8 << 20).unwrap();
    let mke2fs = packages::program("mke2fs").unwrap_or_else(|| PathBuf::from("mke2fs"));
    let mut command = Command::new(mke2fs);
    command.args(["-q", "-F", "-t", "ext4", "-d", "content", "disk.raw"]).current_dir(place.path());
    packages::succeeded(&command.output().unwrap(), "mke2fs")?;
    fs::copy(kernel::stock()?.image, path("vmlinuz")).unwrap();
    fs::write(path("initrd"), harness::initramfs(SCENARIO)?).unwrap();
    Ok(place)
}

/// `ovum run PACKAGE ARGUMENTS...`, with the package carried to where machines run.
fn boots(folder: &Folder, package: &Path, arguments: &[&str]) -> Result<()> {
    let there = folder.file("package.ova", &fs::read(package).unwrap())?;
    let line = ["run", &there].into_iter().chain(arguments.iter().copied());
    let ended = Ovum::new(line).ends()?;
    assert_eq!(ended.end.status, Some(0), "{}{}", ended.output, ended.errors);
    assert!(ended.output.contains(GREETING.trim_end()), "{}{}", ended.output, ended.errors);
    Ok(())
}

#[test]
fn an_ova_from_ovum_pack_boots_with_its_own_kernel() -> Result<()> {
    let place = parts()?;
    let mut command = Command::new(binaries::ovum()?);
    command.args(["pack", "-o", "my.ova", "--disk", "disk.raw", "--kernel", "vmlinuz", "--initrd", "initrd"]);
    let output = command.args(["--append", "quiet"]).current_dir(place.path()).output().unwrap();
    packages::succeeded(&output, "ovum pack")?;
    boots(&Folder::new()?, &place.path().join("my.ova"), &[])
}

#[test]
fn an_ova_made_by_qemu_img_and_cot_boots_with_a_given_kernel() -> Result<()> {
    let place = parts()?;
    let package = foreign::ova(place.path(), &place.path().join("disk.raw"), 256)?;
    let folder = Folder::new()?;
    let kernel = folder.file("vmlinuz", &fs::read(place.path().join("vmlinuz")).unwrap())?;
    let initrd = folder.file("initrd", &fs::read(place.path().join("initrd")).unwrap())?;
    boots(&folder, &package, &["--kernel", &kernel, "--initrd", &initrd, "--append", "quiet"])
}

/// What the guest that starts from its own disk does.
const OWN_SCENARIO: &str = "mount -t ext4 -o ro /dev/vda1 /mnt && cat /mnt/greeting; echo told: $(cat /proc/cmdline)";

/// As grub-mkconfig writes it, with two entries of which the second one is the default, on a disk that was sda.
const GRUB_CFG: &str = r#"
set default="1"
function load_video { insmod all_video }
menuentry 'Rescue' --class debian $menuentry_id_option 'rescue' {
    search --no-floppy --label --set=root guest
    linux /boot/vmlinuz-1 root=/dev/sda1 single
}
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'normal' {
    load_video
    insmod part_msdos
    set root='hd0,msdos1'
    if [ x$feature_platform_search_hint = xy ]; then
      search --no-floppy --label --set=root --hint-bios=hd0,msdos1 guest
    fi
    echo 'Loading ...'
    linux /boot/vmlinuz-2 root=/dev/sda1 ro quiet
    initrd /boot/initrd.img-2
}
"#;

/// A disk with a partition table of a PC and one partition: a file system with the guest's own kernel, initramfs and menu.
fn own_disk(place: &Path) {
    let path = |name: &str| place.join(name);
    fs::create_dir_all(path("content/boot/grub")).unwrap();
    fs::write(path("content/boot/grub/grub.cfg"), GRUB_CFG).unwrap();
    fs::write(path("content/boot/initrd.img-2"), harness::initramfs(OWN_SCENARIO).unwrap()).unwrap();
    fs::copy(path("vmlinuz"), path("content/boot/vmlinuz-2")).unwrap();
    fs::write(path("content/boot/vmlinuz-1"), "no kernel at all").unwrap();
    let mut table = vec![0; 1 << 20];
    table[440..444].copy_from_slice(&0x1234_5678_u32.to_le_bytes());
    // Linux, from sector 2048 on, 63 MiB.
    table[446..462].copy_from_slice(&[0x80, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0xf8, 1, 0]);
    table[510..512].copy_from_slice(&[0x55, 0xaa]);
    fs::write(path("own.raw"), table).unwrap();
    fs::File::options().write(true).open(path("own.raw")).unwrap().set_len(64 << 20).unwrap();
    let mke2fs = packages::program("mke2fs").unwrap_or_else(|| PathBuf::from("mke2fs"));
    let mut command = Command::new(mke2fs);
    command.args(["-q", "-F", "-t", "ext4", "-L", "guest", "-E", "offset=1048576", "-d", "content", "own.raw", "63M"]);
    packages::succeeded(&command.current_dir(place).output().unwrap(), "mke2fs").unwrap();
}

/// Nothing is told but the package: kernel, initramfs and arguments are those that GRUB would have started.
#[test]
fn an_appliance_boots_from_its_own_disk() -> Result<()> {
    let place = parts()?;
    own_disk(place.path());
    let mut command = Command::new(binaries::ovum()?);
    let output =
        command.args(["pack", "-o", "own.ova", "--disk", "own.raw"]).current_dir(place.path()).output().unwrap();
    packages::succeeded(&output, "ovum pack")?;
    let folder = Folder::new()?;
    let package = folder.file("own.ova", &fs::read(place.path().join("own.ova")).unwrap())?;
    let before = folder.shell("sha256sum own.ova")?;
    for transport in ["mmio", "pci"] {
        let ended = Ovum::new(["run", &package, "--transport", transport]).ends()?;
        let all = format!("{}{}", ended.output, ended.errors);
        assert_eq!(ended.end.status, Some(0), "{all}");
        assert!(ended.output.contains(GREETING.trim_end()), "{all}");
        let told = ended.output.lines().find(|line| line.starts_with("told: ")).unwrap_or_default();
        assert!(told.contains("root=PARTUUID=12345678-01 ro quiet"), "{all}");
        assert!(told.contains("console=ttyS0"), "{all}");
    }
    assert_eq!(folder.shell("sha256sum own.ova")?, before, "the package is as it was");
    Ok(())
}
