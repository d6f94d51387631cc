//! What to start from a guest's own disks: kernel, initramfs and command line, as its boot loader would choose them.
//!
//! * [`find`]: from disks to a [`Menu`]. Which boot loader counts is said in `find.rs`.
//! * `system`: volumes with their file systems. `grub`, `bls`, `syslinux`: boot loaders' files. `newest`: without any.
//! * [`cmdline`]: what is changed in the kernel's arguments.
//!
//! Disks are only read. Scripts are run within limits (`limits`), and no path leads out of its file system.

mod bls;
pub mod cmdline;
mod error;
mod find;
mod found;
#[cfg(any(test, feature = "test-support"))]
pub mod fuzz;
mod grub;
mod joined;
mod limits;
mod newest;
mod signature;
mod syslinux;
mod system;
#[cfg(any(test, feature = "test-support"))]
pub mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ovum_disk::storage::Storage;

pub use error::LoaderError;
pub use joined::joined;
use limits::Limits;

/// What a machine was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// A BIOS, which starts the disk's first sector.
    Bios,
    /// UEFI, which starts a program on the EFI system partition.
    Uefi,
}

/// How to look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'o> {
    /// The firmware that the machine was made for, where that is known.
    pub firmware: Option<Firmware>,
    /// The entry to start instead of the default: its id, its title, or a part of either that only one has.
    pub entry: Option<&'o str>,
    /// The indexes of the disks in the order in which the guest's kernel would name them (sda, sdb), where that is not the
    /// order in which they are given.
    pub controller_order: Option<&'o [usize]>,
    /// Whether a console on the first serial port is added where the arguments name none.
    pub serial_console: bool,
}

/// Finds what starts from `disks`, which are in the order in which they would be booted, the first one that has something.
///
/// # Errors
/// [`LoaderError`]: nothing was found, and what is there instead; or no entry has the name that was asked for.
pub fn find(disks: &[Arc<dyn Storage>], options: &Options<'_>) -> Result<Menu, LoaderError> {
    find::find(disks, options)
}

/// Everything that could be started, and which of it would be.
#[derive(Debug)]
pub struct Menu {
    /// In the order in which a boot loader would show it.
    pub entries: Vec<BootEntry>,
    /// The index of the one that starts if nobody chooses.
    pub default: usize,
    /// Why that one, in a few words.
    pub why: String,
    /// What was looked at, what was odd.
    pub notes: Vec<String>,
}

/// Something that could be started.
#[derive(Debug, Clone)]
pub struct BootEntry {
    /// What to call it with `--boot-entry`: menu entry's id, file name of a BLS entry, label.
    pub id: String,
    /// Its title, for people.
    pub title: String,
    /// Where it was found: disk, partition, file.
    pub source: String,
    /// The kernel's path, for people, and its bytes, where they lie.
    pub kernel: Part,
    /// Initramfs archives, to be loaded one after the other.
    pub initrds: Vec<Part>,
    /// Kernel arguments, variables put in, adapted to the new machine ([`cmdline`]).
    pub cmdline: String,
    /// As the boot loader would have given them.
    pub original_cmdline: String,
    /// What was changed in them, one line each.
    pub changes: Vec<String>,
}

/// A file of a guest's file system, or a part of one.
#[derive(Debug, Clone)]
pub struct Part {
    /// Disk, partition and path, for people.
    pub name: String,
    /// Its bytes.
    pub storage: Arc<dyn Storage>,
}
