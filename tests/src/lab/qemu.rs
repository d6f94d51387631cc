//! The lab's machine: QEMU's command line and the files it inherits.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::Clock;
use crate::failure::{Context as _, Result};
use crate::packages;
use crate::sys;

pub(super) struct Machine<'a> {
    pub(super) clock: Clock,
    pub(super) memory_mib: u32,
    pub(super) kernel: &'a Path,
    pub(super) initramfs: OwnedFd,
    pub(super) scratch: OwnedFd,
    pub(super) agent: OwnedFd,
}

/// The command that runs the lab. The files stay open as long as the command exists.
pub(super) fn command(machine: Machine<'_>) -> Command {
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args([
        "-M",
        "q35",
        "-cpu",
        "EPYC-Rome,+svm,+npt,check=off",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
    ]);
    match machine.clock {
        // One processor: with more, nested guests crash and hang at random (see `harness::setting`).
        Clock::Wall => qemu.args(["-accel", "tcg,thread=single", "-smp", "1"]),
        Clock::Instructions => {
            qemu.args(["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off,align=off", "-smp", "1"])
        }
    };
    qemu.args(["-m", &machine.memory_mib.to_string(), "-no-reboot", "-serial", "stdio"]).stdin(Stdio::null());
    qemu.arg("-kernel").arg(machine.kernel);
    let inherited = [machine.initramfs, machine.scratch, machine.agent];
    let [initramfs, scratch, agent] = inherited.map(|file| sys::inherit(&mut qemu, file));
    // The lab is thrown away: its kernel needs no mitigations, and a panic shall end it at once.
    qemu.args(["-append", "console=ttyS0 panic=-1 mitigations=off nokaslr quiet"]);
    qemu.args(["-initrd", &format!("/proc/self/fd/{initramfs}")]);
    let scratch = format!("if=none,id=scratch,file=/proc/self/fd/{scratch},format=raw,cache=unsafe,discard=unmap");
    qemu.args(["-drive", &scratch, "-device", "virtio-blk-pci,drive=scratch"]);
    qemu.args(["-chardev", &format!("socket,id=agent,fd={agent}"), "-device", "virtio-serial-pci"]);
    qemu.args(["-device", "virtserialport,chardev=agent,name=ovum.agent"]);
    qemu
}

/// A new file of the temporary folder under a name that nobody else has.
fn named_file(name: &str) -> Result<(File, PathBuf)> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = env::temp_dir().join(format!("ovum-{}-{number}-{name}", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
    Ok((file.doing(format!("creating {}", path.display()))?, path))
}

fn without_name(path: &Path) -> Result<()> {
    fs::remove_file(path).doing(format!("removing {}", path.display()))
}

/// An empty file that vanishes when it is closed.
pub(super) fn unnamed_file(name: &str) -> Result<File> {
    let (file, path) = named_file(name)?;
    without_name(&path)?;
    Ok(file)
}

/// An unnamed, sparse disk with an empty ext4 file system on it.
pub(super) fn scratch_disk(size_gib: u64) -> Result<File> {
    let (file, path) = named_file("scratch.raw")?;
    let made = file.set_len(size_gib << 30).doing(format!("sizing {}", path.display())).and_then(|()| {
        let program = packages::program("mke2fs").unwrap_or_else(|| "mke2fs".into());
        // No journal: nobody recovers this file system.
        let output = Command::new(program)
            .args(["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard"])
            .arg(&path)
            .output()
            .doing("running mke2fs")?;
        packages::succeeded(&output, "mke2fs")
    });
    without_name(&path)?;
    made.map(|()| file)
}
