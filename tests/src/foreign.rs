//! Packages that are made by others' tools alone: a disk by `qemu-img`, the rest by COT, the Common OVF Tool (from PyPI).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache;
use crate::failure::{Context as _, Result};
use crate::packages::{self, Tool};

/// COT, and what it needs of Python's packages: the last setuptools with pkg_resources in it.
const COT: &[&str] = &["cot==2.2.1", "setuptools==80.9.0"];
/// Python, and what brings its packages.
const PYTHON: &[Tool] = &[Tool { file: "python3", package: "python3" }, Tool { file: "pip3", package: "python3-pip" }];

/// COT adds to what is there; this is the least that it takes.
const BEGINNING: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ovf:Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <ovf:References/>
  <ovf:DiskSection><ovf:Info>Disks</ovf:Info></ovf:DiskSection>
  <ovf:VirtualSystem ovf:id="foreign">
    <ovf:Info>A machine</ovf:Info>
    <ovf:OperatingSystemSection ovf:id="101"><ovf:Info>Linux</ovf:Info></ovf:OperatingSystemSection>
    <ovf:VirtualHardwareSection><ovf:Info>Hardware</ovf:Info></ovf:VirtualHardwareSection>
  </ovf:VirtualSystem>
</ovf:Envelope>
"#;

/// The command `cot`; Python's packages are unpacked into the cache.
///
/// # Errors
/// When pip does not bring it.
pub fn cot() -> Result<Command> {
    packages::ensure(PYTHON)?;
    let folder = cache::entry(&COT.join("+").replace("==", "_"), |folder| {
        println!("installing {}", COT.join(" "));
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check", "--target"]);
        let output = pip.arg(folder).args(COT).stdin(Stdio::null()).output().doing("running pip")?;
        packages::succeeded(&output, "pip install")?;
        // One of COT's requirements is a copy of what Python has itself, from another age.
        let _ = fs::remove_file(folder.join("argparse.py"));
        Ok(())
    })?;
    let mut command = Command::new("python3");
    // setuptools brings distutils, which later Pythons do not have.
    command.args(["-W", "ignore", "-c", "import setuptools, sys; from COT.ui.cli import main; sys.exit(main())"]);
    command.env("PYTHONPATH", folder).stdin(Stdio::null());
    Ok(command)
}

/// An OVA `foreign.ova` in `folder`, of a machine with one vCPU, `memory_mib` MiB of memory and the raw disk `disk`.
///
/// # Errors
/// When a tool cannot be had, or fails.
pub fn ova(folder: &Path, disk: &Path, memory_mib: u32) -> Result<PathBuf> {
    packages::ensure(packages::JUDGES)?;
    let [vmdk, beginning, hardware, made] =
        ["foreign.vmdk", "beginning.ovf", "hardware.ova", "foreign.ova"].map(|name| folder.join(name));
    fs::write(&beginning, BEGINNING).doing(format!("writing {}", beginning.display()))?;
    let mut convert = Command::new("qemu-img");
    convert.args(["convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized"]);
    run(convert.args([disk, &vmdk]))?;
    let mut edit = cot()?;
    edit.args(["--force", "edit-hardware"]).arg(&beginning).arg("--output").arg(&hardware);
    run(edit.args(["--cpus", "1", "--memory", &format!("{memory_mib}MB")]))?;
    let mut add = cot()?;
    add.args(["--force", "add-disk"]).arg(&vmdk).arg(&hardware).arg("--output").arg(&made);
    run(add.args(["--controller", "scsi", "--subtype", "lsilogic"]))?;
    Ok(made)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().doing(format!("running {command:?}"))?;
    packages::succeeded(&output, &format!("{command:?}"))
}
