//! `cargo xtask demo`: from a fresh machine to a booted appliance, packed here.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use ovum_tests::failure::{Context as _, Failure, Result};
use ovum_tests::harness::Choice;
use ovum_tests::lab::Lab;
use ovum_tests::{binaries, harness, kernel, packages, userspace};

use crate::{check, lab, test};

pub(crate) const HELP: &str = "
Usage: cargo xtask demo [ARGUMENTS FOR ovum run...]

Installs what is missing, builds ovum, packs a small appliance as target/demo/demo.ova (a stock kernel, a busybox initramfs,
a disk with a greeting on it) with `ovum pack`, and boots it with `ovum run --timing demo.ova`: on this machine where its KVM
is a hardware one, in the KVM lab elsewhere. Ends with the boot as a timeline.

Example: cargo xtask demo --cpus 2
";

/// What the appliance does.
const SCENARIO: &str = "
echo
echo \"A stock $(uname -sr) with $(grep -c ^processor /proc/cpuinfo) vCPU and $(awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo) MiB:\"
mount -t ext4 -o ro /dev/vda /mnt && cat /mnt/greeting
echo
";

const GREETING: &str = "This text lies on the appliance's disk, and a guest without firmware has just read it.\n";

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    test::setup(&[])?;
    packages::ensure(packages::LAB)?;
    println!("building ovum");
    let ovum = binaries::ovum()?;
    let folder = binaries::target().join("demo");
    parts(&folder)?;
    let package = pack(&ovum, &folder)?;
    let mut command: Vec<String> = ["ovum", "run", "--timing"].map(str::to_owned).into();
    command.push(package.to_string_lossy().into_owned());
    command.extend(arguments.iter().cloned());
    println!("$ {}", command.join(" "));
    match harness::choice() {
        Choice::Native(why) => {
            println!("it runs on this machine: {why}");
            let status =
                Command::new(&ovum).args(command.get(1..).unwrap_or_default()).status().doing("running ovum")?;
            Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
        }
        Choice::Lab(why) => {
            println!("it runs in the KVM lab, an emulated machine with real KVM: {why}");
            println!("(times in the lab are some twenty times those of hardware)");
            command[0] = lab::OVUM.to_owned();
            lab::in_lab(Lab::new().program(lab::OVUM, ovum), command)
        }
    }
}

/// Packs the appliance.
fn pack(ovum: &Path, folder: &Path) -> Result<PathBuf> {
    let line = ["pack", "--force", "--output", "demo.ova", "--memory", "256M"];
    let parts = ["--kernel", "vmlinuz", "--initrd", "initrd.cpio", "--disk", "disk.raw"];
    println!("$ ovum {} {}", line.join(" "), parts.join(" "));
    let mut command = Command::new(ovum);
    command.args(line).args(parts).current_dir(folder);
    check::succeeds(&mut command, "ovum pack")?;
    Ok(folder.join("demo.ova"))
}

/// Makes the kernel, the initramfs and the disk.
fn parts(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).doing(format!("making {}", folder.display()))?;
    let stock = kernel::stock()?;
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).doing(format!("writing {}", path.display()))
    };
    fs::copy(&stock.image, folder.join("vmlinuz")).doing("copying the kernel")?;
    write("initrd.cpio", &userspace::initramfs(&userspace::modules(&stock)?, SCENARIO)?)?;
    fs::create_dir_all(folder.join("content")).doing("making the disk's content")?;
    write("content/greeting", GREETING.as_bytes())?;
    disk(&folder.join("disk.raw"), &folder.join("content"))
}

/// A disk of 16 MiB whose file system holds what is in `content`.
fn disk(path: &Path, content: &Path) -> Result<()> {
    let program = packages::program("mke2fs").unwrap_or_else(|| PathBuf::from("mke2fs"));
    // The file is new each time, so that nothing of an earlier demo shows.
    let file = File::create(path).doing(format!("creating {}", path.display()))?;
    file.set_len(16 << 20).doing(format!("sizing {}", path.display()))?;
    let mut command = Command::new(program);
    command.args(["-q", "-F", "-t", "ext4", "-d"]).arg(content).arg(path);
    check::succeeds(&mut command, "mke2fs").map_err(|failure| Failure::new(failure.to_string()))
}
