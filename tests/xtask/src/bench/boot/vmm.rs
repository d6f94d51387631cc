//! The VMMs that are compared, and how each is called.

use std::fs;
use std::path::{Path, PathBuf};

use super::run::{Guest, MEMORY_MIB};

/// QEMU's microvm as its documentation calls it minimal: no legacy devices that the guest does not need, no option ROMs,
/// the kernel loaded by qboot. Without ACPI the bench kernel needs fewer instructions; the stock kernel does not reach its
/// init.
pub(super) const MACHINE: &str = "microvm,x-option-roms=off,pit=off,pic=off,rtc=off,isa-serial=on";

/// Where Debian's QEMU keeps its firmware.
const FIRMWARE: &[&str] = &["qboot.rom", "bios-microvm.bin", "linuxboot_dma.bin", "pvh.bin", "kvmvapic.bin"];

/// Where QEMU looks for it.
const FIRMWARE_FOLDER: &str = "/usr/share/qemu";

/// One of the VMMs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Vmm {
    /// With further words: those that begin with `--` are for `ovum run`, the others for the guest's kernel.
    Ovum {
        also: Vec<String>,
        /// Without an unpacked kernel in the cache.
        cold: bool,
    },
    Qemu {
        machine: String,
    },
}

impl Vmm {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Ovum { cold: true, .. } => "ovum, cold".to_owned(),
            Self::Ovum { also, .. } if also.is_empty() => "ovum".to_owned(),
            Self::Ovum { also, .. } => format!("ovum {}", also.join(" ")),
            Self::Qemu { .. } => "qemu microvm".to_owned(),
        }
    }

    /// QEMU's machine; a machine that says `acpi=` itself is left as it is.
    fn machine(&self, acpi: &str) -> String {
        match self {
            Self::Qemu { machine } if !machine.contains("acpi=") => format!("{machine},acpi={acpi}"),
            Self::Qemu { machine } => machine.clone(),
            Self::Ovum { .. } => String::new(),
        }
    }

    /// The command that boots `guest`. Both get the same words for the guest's kernel but for what each needs itself.
    pub(super) fn command(&self, guest: Guest) -> Vec<String> {
        let memory = format!("{MEMORY_MIB}M");
        let acpi = if guest == Guest::Stock { "on" } else { "off" };
        let machine = self.machine(acpi);
        let (switches, kernel_words): (Vec<&str>, Vec<&str>) = match self {
            Self::Ovum { also, .. } => also.iter().map(String::as_str).partition(|word| word.starts_with("--")),
            Self::Qemu { .. } => (Vec::new(), Vec::new()),
        };
        let append = ["quiet"].into_iter().chain(kernel_words).collect::<Vec<_>>().join(" ");
        let mut words = match self {
            Self::Ovum { .. } => vec![
                "/bin/ovum",
                "run",
                "--kernel",
                guest.kernel(),
                "--initrd",
                guest.initramfs(),
                "--memory",
                &memory,
                "--append",
                &append,
                "--json",
            ],
            Self::Qemu { .. } => vec![
                "/bin/qemu-system-x86_64",
                "-L",
                FIRMWARE_FOLDER,
                "-M",
                &machine,
                "-accel",
                "kvm",
                "-cpu",
                "host",
                "-m",
                &memory,
                "-smp",
                "1",
                "-nodefaults",
                "-no-user-config",
                "-display",
                "none",
                "-serial",
                "stdio",
                "-no-reboot",
                "-kernel",
                guest.kernel(),
                "-initrd",
                guest.initramfs(),
                "-append",
                "console=ttyS0 reboot=t panic=-1 quiet",
            ],
        };
        words.extend(switches);
        words.into_iter().map(str::to_owned).collect()
    }
}

/// QEMU's firmware on this machine.
pub(super) fn firmware() -> Vec<PathBuf> {
    let folders = [FIRMWARE_FOLDER, "/usr/share/seabios"];
    let paths = folders.iter().flat_map(|folder| FIRMWARE.iter().map(move |name| Path::new(folder).join(name)));
    paths.filter(|path| fs::metadata(path).is_ok()).collect()
}
