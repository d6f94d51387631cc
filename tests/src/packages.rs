//! Debian and Ubuntu packages: tools that have to be installed, and files that are only unpacked into the cache.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::cache;
use crate::failure::{Context as _, Failure, Result};
use crate::sys;

/// A program this crate calls, and the package that brings it.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// The program's or the file's name: without a slash it is looked for where programs are.
    pub file: &'static str,
    /// The package's name in Debian and Ubuntu.
    pub package: &'static str,
}

const fn tool(file: &'static str, package: &'static str) -> Tool {
    Tool { file, package }
}

/// What building anything here needs.
pub const BUILD: &[Tool] = &[tool("cc", "gcc"), tool("/usr/include/stdio.h", "libc6-dev")];

/// What the KVM lab needs: the emulator, and what makes its scratch disk.
pub const LAB: &[Tool] =
    &[tool("qemu-system-x86_64", "qemu-system-x86"), tool("mke2fs", "e2fsprogs"), tool("xz", "xz-utils")];

/// Those who judge what is read and written of disk images and packages.
pub const JUDGES: &[Tool] = &[
    tool("qemu-img", "qemu-utils"),
    tool("xmllint", "libxml2-utils"),
    tool("openssl", "openssl"),
    tool("isoinfo", "genisoimage"),
    tool("xorriso", "xorriso"),
];

/// What building the bench kernel needs.
pub const KERNEL: &[Tool] = &[
    tool("make", "make"),
    tool("gcc", "gcc"),
    tool("flex", "flex"),
    tool("bison", "bison"),
    tool("bc", "bc"),
    tool("xz", "xz-utils"),
    tool("/usr/include/libelf.h", "libelf-dev"),
];

/// The path of program `name`. `/usr/sbin` counts even where it is not on an ordinary user's `PATH`.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.exists());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// Installs the packages of those `tools` that are missing.
///
/// # Errors
/// When something is missing and there is no apt, or apt does not bring it.
pub fn ensure(tools: &[Tool]) -> Result<()> {
    let mut missing: Vec<&str> = missing(tools);
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    if program("apt-get").is_none() {
        return Err(Failure::new(format!("these packages are missing: {}", missing.join(" ")))
            .remedy("install them with this system's package manager; only Debian and Ubuntu are known here"));
    }
    println!("installing {}", missing.join(" "));
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&missing);
    if as_root("apt-get", &arguments).is_err() {
        refresh_lists()?;
        as_root("apt-get", &arguments)?;
    }
    match self::missing(tools).first() {
        None => Ok(()),
        Some(package) => Err(Failure::new(format!("{package} is installed and yet does not bring its program"))),
    }
}

fn missing(tools: &[Tool]) -> Vec<&'static str> {
    tools.iter().filter(|tool| program(tool.file).is_none()).map(|tool| tool.package).collect()
}

fn as_root(program: &str, arguments: &[&str]) -> Result<()> {
    let mut command = if sys::is_root() {
        Command::new(program)
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["env", "DEBIAN_FRONTEND=noninteractive", program]);
        sudo
    };
    // apt is talkative; what it says matters only when it fails.
    let output = command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .doing(program)?;
    succeeded(&output, &format!("{program} {}", arguments.join(" ")))
        .map_err(|failure| failure.remedy("run it by hand as root to see more"))
}

fn refresh_lists() -> Result<()> {
    println!("refreshing apt's package lists");
    as_root("apt-get", &["update"])
}

/// Whether a program succeeded.
///
/// # Errors
/// With the last lines that it wrote, when it did not.
pub fn succeeded(output: &Output, what: &str) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(5)..].join("; ");
    Err(Failure::new(format!("{what} failed ({}): {tail}", output.status)))
}

/// The newest package that the meta packages `metas` stand for: the first dependency whose name starts with `prefix`.
///
/// # Errors
/// When apt knows none of them, even after its lists were refreshed.
pub fn resolve(metas: &[&str], prefix: &str) -> Result<String> {
    if let Some(name) = metas.iter().find_map(|meta| dependency(meta, prefix)) {
        return Ok(name);
    }
    if program("apt-cache").is_none() {
        return Err(Failure::new(format!("there is no apt to find {} with", metas.join(" or ")))
            .remedy("run on Debian or Ubuntu"));
    }
    refresh_lists()?;
    metas.iter().find_map(|meta| dependency(meta, prefix)).ok_or_else(|| {
        Failure::new(format!("apt knows no package {}", metas.join(" or "))).remedy("check /etc/apt/sources.list")
    })
}

fn dependency(meta: &str, prefix: &str) -> Option<String> {
    let output = Command::new("apt-cache").args(["depends", meta]).output().ok()?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with(prefix))
        .map(str::to_owned)
}

/// The version of `package` that apt would download.
///
/// # Errors
/// When apt does not know the package.
pub fn candidate_version(package: &str) -> Result<String> {
    let version = || {
        let output = Command::new("apt-cache").args(["show", "--no-all-versions", package]).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().find_map(|line| line.strip_prefix("Version: ")).map(str::to_owned)
    };
    if let Some(version) = version() {
        return Ok(version);
    }
    refresh_lists()?;
    version().ok_or_else(|| Failure::new(format!("apt knows no package {package}")))
}

/// The contents of `packages`, downloaded and unpacked together into one folder of the cache. Nothing is installed.
///
/// # Errors
/// When a package cannot be downloaded or unpacked.
pub fn unpacked(packages: &[&str]) -> Result<PathBuf> {
    let mut name = Vec::new();
    for package in packages {
        name.push(format!("{package}_{}", candidate_version(package)?.replace([':', '/'], "_")));
    }
    cache::entry(&name.join("+"), |folder| {
        println!("downloading {}", packages.join(" "));
        download(packages, folder).or_else(|_| {
            refresh_lists()?;
            download(packages, folder)
        })?;
        for deb in debs(folder)? {
            let output = Command::new("dpkg-deb").arg("-x").arg(&deb).arg(folder).output().doing("dpkg-deb")?;
            succeeded(&output, &format!("dpkg-deb -x {}", deb.display()))?;
            std::fs::remove_file(&deb).doing(format!("removing {}", deb.display()))?;
        }
        Ok(())
    })
}

/// A busybox that needs no libraries.
///
/// # Errors
/// When its package cannot be had, or does not hold it.
pub fn busybox() -> Result<PathBuf> {
    let package = unpacked(&["busybox-static"])?;
    let path = ["bin/busybox", "usr/bin/busybox"].iter().map(|at| package.join(at)).find(|at| at.is_file());
    path.ok_or_else(|| Failure::new("the package busybox-static holds no busybox"))
}

fn download(packages: &[&str], folder: &Path) -> Result<()> {
    // As root, apt would drop to a user of its own who may not write to this folder.
    let output = Command::new("apt-get")
        .args(["-o", "APT::Sandbox::User=root", "download"])
        .args(packages)
        .current_dir(folder)
        .output()
        .doing("apt-get download")?;
    succeeded(&output, &format!("apt-get download {}", packages.join(" ")))
}

fn debs(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).doing(format!("reading {}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths.filter(|path| path.extension().is_some_and(|extension| extension == "deb")).collect())
}
