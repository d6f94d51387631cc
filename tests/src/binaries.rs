//! The programs of this repository that the harness starts: `ovum` as it is shipped, and the agent.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::failure::{Context as _, Failure, Result};
use crate::packages;

/// The repository's top folder.
#[must_use]
pub fn repository() -> PathBuf {
    // The tests crate lies one level below it.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// Where cargo puts what it builds.
#[must_use]
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), |path| repository().join(path))
}

/// The cargo that runs this, or the one on the path.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository());
    command
}

fn build(profile: &str, arguments: &[&str], program: &str) -> Result<PathBuf> {
    // What cargo says is shown only when it fails: a test's output is not the place for it.
    let output =
        cargo().arg("build").args(["--quiet", "--profile", profile]).args(arguments).output().doing("running cargo")?;
    packages::succeeded(&output, &format!("cargo build {}", arguments.join(" ")))?;
    // The profile `dev` has a folder of another name.
    let path = target().join(if profile == "dev" { "debug" } else { profile }).join(program);
    if path.is_file() { Ok(path) } else { Err(Failure::new(format!("cargo has built no {}", path.display()))) }
}

fn once(
    slot: &'static OnceLock<std::result::Result<PathBuf, String>>,
    make: impl FnOnce() -> Result<PathBuf>,
) -> Result<PathBuf> {
    slot.get_or_init(|| make().map_err(|failure| failure.to_string())).clone().map_err(Failure::new)
}

/// The `ovum` command, built for release on first use; or the one that `OVUM_BIN` names.
///
/// # Errors
/// When it does not build.
pub fn ovum() -> Result<PathBuf> {
    static OVUM: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    once(&OVUM, || match env::var_os("OVUM_BIN") {
        Some(path) => Path::new(&path).canonicalize().doing(format!("OVUM_BIN={}", path.display())),
        None => build("release", &["--package", "ovum"], "ovum"),
    })
}

/// The example of the disk library that reads images, built for release on first use.
///
/// # Errors
/// When it does not build.
pub fn disk_read() -> Result<PathBuf> {
    build("release", &["--package", "ovum-disk", "--example", "disk-read"], "examples/disk-read")
}

/// The bare-metal guests, each as a kernel `NAME.elf` in the folder `payloads` in `folder`.
///
/// # Errors
/// When they do not build, or cannot be written.
pub fn payloads(folder: &Path) -> Result<PathBuf> {
    let folder = folder.join("payloads");
    let program = build("dev", &["--package", "ovum-payloads", "--example", "payloads"], "examples/payloads")?;
    let output = Command::new(program).arg(&folder).output().doing("writing the payloads")?;
    packages::succeeded(&output, "writing the payloads")?;
    Ok(folder)
}

/// The agent, built on first use: optimised, as it works at the lab's slow pace, but without the time that LTO takes.
///
/// # Errors
/// When it does not build.
pub fn agent() -> Result<PathBuf> {
    static AGENT: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    once(&AGENT, || build("agent", &["--package", "ovum-tests", "--bin", "lab-agent"], "lab-agent"))
}
