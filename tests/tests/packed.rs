//! Packages that were just made boot: by `ovum pack`, and by others' tools alone.
#![allow(clippy::unwrap_used, reason = "a test ends where its expectation does not hold")]

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
