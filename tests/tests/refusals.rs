//! Everything that can be wrong before a guest runs: one line of cause, one line of remedy, the right exit status, no
//! file left behind. None of these needs a guest that boots, but all need the host of the other tests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where its expectation does not hold")]

use ovum_tests::failure::Result;
use ovum_tests::harness::{Folder, Guest, Ovum, setting};

/// Wrong usage, configuration or package.
const CONFIGURATION: i32 = 2;
/// The host cannot.
const HOST: i32 = 3;

fn kernel_is_refused(name: &str, bytes: &[u8], cause: &str) -> Result<()> {
    let folder = Folder::new()?;
    let kernel = folder.file(name, bytes)?;
    Ovum::new(["run", "--kernel", &kernel]).is_refused(CONFIGURATION, cause)?;
    assert_eq!(folder.names()?, [name]);
    Ok(())
}

#[test]
fn a_kernel_that_is_not_there() -> Result<()> {
    Ovum::new(["run", "--kernel", "/nowhere/vmlinuz"]).is_refused(CONFIGURATION, "/nowhere/vmlinuz")
}

#[test]
fn a_kernel_that_is_a_folder() -> Result<()> {
    Ovum::new(["run", "--kernel", "/tmp"]).is_refused(CONFIGURATION, "/tmp")
}

#[test]
fn an_empty_kernel() -> Result<()> {
    kernel_is_refused("empty", b"", "empty")
}

#[test]
fn a_kernel_that_is_none() -> Result<()> {
    kernel_is_refused("text", &b"not a kernel at all ".repeat(1000), "text")
}

#[test]
fn a_truncated_kernel() -> Result<()> {
    let whole = std::fs::read(&setting()?.kernel.image).unwrap();
    kernel_is_refused("cut", &whole[..whole.len() / 2], "cut")?;
    kernel_is_refused("cut", &whole[..600], "cut")
}

/// An ELF header of class 32 for machine 3 (i386), with nothing behind it.
#[test]
fn a_32_bit_kernel() -> Result<()> {
    let mut elf = vec![0; 4096];
    elf[..20].copy_from_slice(b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0");
    kernel_is_refused("vmlinux32", &elf, "32")
}

#[test]
fn an_initramfs_that_is_not_there() -> Result<()> {
    Ovum::run(["--initrd", "/nowhere/initrd"])?.is_refused(CONFIGURATION, "/nowhere/initrd")
}

#[test]
fn an_initramfs_larger_than_the_guest() -> Result<()> {
    let folder = Folder::new()?;
    let initrd = folder.sparse("initrd", "300M")?;
    Ovum::run(["--initrd", &initrd, "--memory", "256M"])?.is_refused(CONFIGURATION, "initrd")
}

#[test]
fn a_command_line_that_is_too_long() -> Result<()> {
    Ovum::run(["--append", &"x".repeat(70_000)])?.is_refused(CONFIGURATION, "command line")
}

#[test]
fn too_few_and_too_many_vcpus() -> Result<()> {
    Ovum::run(["--cpus", "0"])?.is_refused(CONFIGURATION, "vCPU")?;
    Ovum::run(["--cpus", "300"])?.is_refused(CONFIGURATION, "vCPU")
}

#[test]
fn too_little_and_too_much_memory() -> Result<()> {
    Ovum::run(["--memory", "0"])?.is_refused(CONFIGURATION, "memory")?;
    Ovum::run(["--memory", "1K"])?.is_refused(CONFIGURATION, "memory")?;
    let ended = Ovum::run(["--memory", "1P"])?.ends()?;
    assert!(matches!(ended.end.status, Some(CONFIGURATION | HOST)), "{ended:?}");
    assert_eq!(ended.errors.lines().count(), 2, "{}", ended.errors);
    Ok(())
}

#[test]
fn a_disk_that_is_not_there() -> Result<()> {
    Ovum::run(["--disk", "/nowhere/disk.raw"])?.is_refused(CONFIGURATION, "/nowhere/disk.raw")
}

#[test]
fn a_disk_that_is_a_folder() -> Result<()> {
    Ovum::run(["--disk", "/tmp"])?.is_refused(CONFIGURATION, "/tmp")
}

#[test]
fn a_disk_that_is_not_a_multiple_of_a_sector() -> Result<()> {
    let folder = Folder::new()?;
    let disk = folder.file("odd.raw", &[0; 1000])?;
    Ovum::run(["--disk", &disk])?.is_refused(CONFIGURATION, "512")
}

#[test]
fn a_disk_that_another_machine_uses() -> Result<()> {
    let folder = Folder::new()?;
    let disk = folder.sparse("disk.raw", "1M")?;
    let mut guest = Guest::stock().disk(&disk).runs("sleep 1000").boot()?;
    guest.expect("guest: init")?;
    Ovum::run(["--disk", &disk])?.is_refused(CONFIGURATION, "disk.raw")
}

#[test]
fn a_disk_that_was_given_twice() -> Result<()> {
    let folder = Folder::new()?;
    let disk = folder.sparse("disk.raw", "1M")?;
    Ovum::run(["--disk", &disk, "--disk", &disk])?.is_refused(CONFIGURATION, "disk.raw")
}

#[test]
fn a_closed_standard_output() -> Result<()> {
    let ended = Ovum::run(["--timeout", "60s"])?.with_closed_output().ends()?;
    assert_eq!(ended.end.status, Some(HOST), "{ended:?}");
    assert_eq!(ended.errors.lines().count(), 2, "{}", ended.errors);
    Ok(())
}

#[test]
fn an_unknown_option() -> Result<()> {
    let ended = Ovum::new(["run", "--colour", "red"]).ends()?;
    assert_eq!(ended.end.status, Some(CONFIGURATION));
    assert!(ended.errors.contains("--colour"), "{}", ended.errors);
    Ok(())
}

#[test]
fn help_has_an_example() -> Result<()> {
    let ended = Ovum::new(["run", "--help"]).ends()?;
    assert_eq!(ended.end.status, Some(0));
    assert!(ended.output.contains("ovum run --kernel"), "{}", ended.output);
    Ok(())
}

#[test]
fn a_dry_run_builds_nothing() -> Result<()> {
    let ended = Ovum::run(["--dry-run", "--json", "--cpus", "3"])?.ends()?;
    assert_eq!(ended.end.status, Some(0), "{}", ended.errors);
    assert!(ended.output.contains('3'), "{}", ended.output);
    Ok(())
}

#[test]
fn a_dry_run_shows_the_arguments_that_shorten_a_boot() -> Result<()> {
    let shows = |arguments: &[&str]| -> Result<bool> {
        let ended = Ovum::run([&["--dry-run"], arguments].concat())?.ends()?;
        assert_eq!(ended.end.status, Some(0), "{}", ended.errors);
        Ok(ended.output.contains(" cryptomgr.notests"))
    };
    assert!(shows(&[])?);
    assert!(!shows(&["--no-boot-tuning"])?);
    assert!(!shows(&["--cmdline", "console=ttyS0"])?);
    Ok(())
}

#[test]
fn a_full_disk_under_the_console_file() -> Result<()> {
    Ovum::run(["--console", "file:/dev/full", "--timeout", "60s"])?.is_refused(HOST, "console")
}

#[test]
fn no_permission_on_kvm() -> Result<()> {
    // Some hosts let everybody use KVM, and only root can become nobody.
    if setting()?.host.shell("stat -c %a:%u /dev/kvm; id -u")?.trim() != "600:0\n0" {
        return Ok(());
    }
    Ovum::run(["--timeout", "60s"])?.as_nobody().is_refused(HOST, "/dev/kvm")
}

#[test]
fn no_kvm() -> Result<()> {
    let setting = setting()?;
    if setting.host.shell("id -u")?.trim() != "0" {
        return Ok(());
    }
    // A folder without devices in place of /dev, for this command only.
    let run = format!("{} run --kernel {} 2>&1; echo status $?", setting.ovum, setting.kernel_path);
    let said = setting.host.shell(&format!("unshare -m sh -c 'mount -t tmpfs none /dev; {run}'"))?;
    assert!(said.contains("/dev/kvm") && said.contains("status 3"), "{said}");
    assert_eq!(said.lines().count(), 3, "{said}");
    Ok(())
}
