//! Nothing that could be started, and what is there instead.

use std::fmt;

use super::Menu;
use super::system::System;

/// The most volumes and entries that a message names.
const MAX_NAMED: usize = 8;

/// Why nothing can be started from some disks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoaderError {
    cause: String,
    remedy: String,
    /// What was looked at, what was odd, one line each.
    pub notes: Vec<String>,
}

impl LoaderError {
    /// One line that says what to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        self.remedy.clone()
    }

    pub(super) fn nothing(system: &System, notes: Vec<String>) -> Self {
        let mut seen: Vec<_> = system
            .volumes
            .iter()
            .take(MAX_NAMED)
            .map(|mounted| {
                let what = match (&mounted.filesystem, &mounted.instead) {
                    (Some(fs), _) => fs.kind().to_owned(),
                    (None, Some(instead)) => instead.clone(),
                    (None, None) => "nothing that is known".to_owned(),
                };
                format!("{}: {what}", mounted.volume.name)
            })
            .collect();
        if system.volumes.len() > MAX_NAMED {
            seen.push(format!("{} more", system.volumes.len() - MAX_NAMED));
        }
        let all = seen.join("; ");
        let has = |part: &str| {
            system.volumes.iter().any(|mounted| mounted.instead.as_deref().is_some_and(|what| what.contains(part)))
        };
        let program = |path: &str| system.readable().any(|(index, _)| system.kind(index, path).is_some());
        let windows = "/EFI/Microsoft";
        let (cause, remedy) = if has("NTFS") || has("BitLocker") || program(windows) {
            ("Windows, which needs its firmware", "start this appliance with a hypervisor that has firmware, QEMU say")
        } else if has("LUKS") {
            (
                "an encrypted disk, whose kernel cannot be read",
                "give the kernel and the initramfs with --kernel and --initrd",
            )
        } else if program("/EFI") {
            ("programs of UEFI, but no Linux kernel", "give the kernel with --kernel, or use a hypervisor with UEFI")
        } else if system.volumes.is_empty()
            || system.volumes.iter().all(|mounted| mounted.instead.as_deref() == Some("nothing (zeroes)"))
        {
            (
                "nothing: the disks are empty",
                "check that this is the disk with the system, or give a kernel with --kernel",
            )
        } else {
            ("no Linux kernel", "give the kernel with --kernel and the initramfs with --initrd")
        };
        let all = if all.is_empty() { String::new() } else { format!(" ({all})") };
        Self { cause: format!("on the disks there is {cause}{all}"), remedy: remedy.to_owned(), notes }
    }

    pub(super) fn no_entry(name: &str, menu: &Menu) -> Self {
        let ids: Vec<_> = menu.entries.iter().take(MAX_NAMED).map(|entry| entry.id.as_str()).collect();
        let more = if menu.entries.len() > MAX_NAMED { ", and more" } else { "" };
        Self {
            cause: format!("there is no boot entry {name}, or more than one"),
            remedy: format!("choose one of: {}{more}", ids.join(", ")),
            notes: menu.notes.clone(),
        }
    }
}

impl fmt::Display for LoaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for LoaderError {}
