//! The user space of test, bench and demo guests: busybox, an init, the modules for a microVM's devices, a scenario.

use std::path::Path;

use crate::failure::Result;
use crate::initramfs::Initramfs;
use crate::kernel::{Module, StockKernel};

const INIT: &str = include_str!("../../resources/guest/init");

/// The init's first line: the end of a boot.
pub const MARKER: &str = "guest: init";

/// What a stock kernel needs to see a microVM's devices.
const MODULES: &[&str] = &["virtio_mmio", "virtio_pci", "virtio_blk", "virtio_rng", "pvpanic_mmio"];

/// The modules that a guest with this kernel loads.
///
/// # Errors
/// When the kernel lacks one.
pub fn modules(kernel: &StockKernel) -> Result<Vec<Module>> {
    kernel.modules.in_order(MODULES)
}

/// An initramfs whose init loads `modules`, runs the shell script `scenario` and powers off.
///
/// # Errors
/// When busybox cannot be had.
pub fn initramfs(modules: &[Module], scenario: &str) -> Result<Vec<u8>> {
    let mut archive = Initramfs::new();
    for folder in ["/dev", "/proc", "/sys"] {
        archive.folder(Path::new(folder));
    }
    archive.file("/init", 0o755, INIT.as_bytes()).busybox()?;
    archive.modules(modules).file("/scenario", 0o755, scenario.as_bytes());
    Ok(archive.finish())
}
