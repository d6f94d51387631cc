//! What to start from a guest's own disks: kernel, initramfs and command line, as its boot loader would choose them.

mod bls;
mod grub;
mod limits;
mod signature;
mod system;
#[cfg(any(test, feature = "test-support"))]
pub mod testing;

use std::sync::Arc;

use ovum_disk::storage::Storage;

use limits::Limits;

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
    /// Kernel arguments, variables put in.
    pub cmdline: String,
}

/// A file of a guest's file system, or a part of one.
#[derive(Debug, Clone)]
pub struct Part {
    /// Disk, partition and path, for people.
    pub name: String,
    /// Its bytes.
    pub storage: Arc<dyn Storage>,
}
