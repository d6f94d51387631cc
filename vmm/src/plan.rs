//! What would be built from a configuration, without building it.

use std::fmt;

use ovum_arch::layout;
use ovum_arch::platform::{Address, PlatformKind, Transport};
use ovum_devices::pci::SLOTS;
use serde::Serialize;

use crate::builder::{InputError, Inputs, Purpose};
use crate::config::{BootFile, MachineConfig};

/// A machine as it would be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The kernel.
    pub kernel: KernelPlan,
    /// The initramfs.
    pub initramfs: Option<String>,
    /// The kernel's command line, whole.
    pub cmdline: String,
    /// How many vCPUs.
    pub cpus: u32,
    /// Where its memory lies.
    pub memory: Vec<MemoryPlan>,
    /// Its devices, in the order in which the guest finds them.
    pub devices: Vec<DevicePlan>,
}

/// The kernel of a [`Plan`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelPlan {
    /// The file.
    pub path: String,
    /// Its container.
    pub format: String,
    /// The version that it says of itself, where it does.
    pub version: Option<String>,
}

/// A range of guest memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MemoryPlan {
    /// Guest-physical address of its first byte.
    pub start: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// A device of a [`Plan`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DevicePlan {
    /// What it is.
    pub name: String,
    /// The space that it answers in: `port`, `memory`, or `pci`: memory that a function of the PCI bus names.
    pub space: &'static str,
    /// Its first address.
    pub address: u64,
    /// Its interrupt (global system interrupt), where it has one.
    pub gsi: Option<u32>,
    /// What stands behind it.
    pub backend: Option<String>,
}

impl Plan {
    /// Opens and checks everything that `config` names, and says what would be built. KVM is not needed.
    ///
    /// # Errors
    /// As the first step of building the machine.
    pub fn of(config: &MachineConfig) -> Result<Self, InputError> {
        let inputs = Inputs::open(config, Purpose::Plan)?;
        let memory = layout::memory_ranges(config.memory)
            .into_iter()
            .map(|(start, bytes)| MemoryPlan { start: start.0, bytes })
            .collect();
        Ok(Self {
            kernel: KernelPlan {
                path: config.kernel.name(),
                format: inputs.kernel.format().to_string(),
                version: inputs.kernel.version().map(str::to_owned),
            },
            initramfs: config.initramfs.as_ref().map(BootFile::name),
            cmdline: inputs.cmdline.to_string_lossy().into_owned(),
            cpus: config.cpus,
            memory,
            devices: platform_devices().chain(virtio_devices(config, &inputs)).collect(),
        })
    }
}

fn platform_devices() -> impl Iterator<Item = DevicePlan> {
    layout::PLATFORM_DEVICES.into_iter().map(|device| {
        let (space, address) = match device.address {
            Address::Port(port) => ("port", port.into()),
            Address::Memory(address) => ("memory", address),
        };
        let name = match device.kind {
            PlatformKind::Serial => "serial port (16550A)",
            PlatformKind::KeyboardController => "keyboard controller (reset only)",
            PlatformKind::Power => "ACPI sleep and reset registers",
            PlatformKind::PanicNotifier => "panic notifier (pvpanic)",
        };
        DevicePlan { name: name.into(), space, address, gsi: device.gsi, backend: None }
    })
}

fn virtio_devices(config: &MachineConfig, inputs: &Inputs) -> impl Iterator<Item = DevicePlan> {
    let disks = config.disks.iter().zip(&inputs.disk_descriptions);
    let disks = disks.map(|(disk, description)| format!("{} ({description})", disk.source));
    let backends = disks.map(Some).chain(std::iter::repeat(None));
    inputs.devices.iter().zip(backends).enumerate().filter_map(|(index, (device, backend))| {
        let (space, address, gsi) = match config.transport {
            Transport::Mmio => layout::virtio_slot(index).map(|slot| ("memory", slot.base, Some(slot.gsi)))?,
            // The first place is the host bridge's.
            Transport::Pci => ("pci", layout::PCI_BUS.memory_of(index + 1, SLOTS)?.into(), None),
        };
        Some(DevicePlan { name: format!("virtio {}", device.name()), space, address, gsi, backend })
    })
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.kernel.version.as_deref().map(|v| format!(", {v}")).unwrap_or_default();
        writeln!(f, "kernel     {} ({}{version})", self.kernel.path, self.kernel.format)?;
        if let Some(initramfs) = &self.initramfs {
            writeln!(f, "initramfs  {}", initramfs)?;
        }
        writeln!(f, "cmdline    {}", self.cmdline)?;
        writeln!(f, "vCPUs      {}", self.cpus)?;
        for range in &self.memory {
            let mib = range.bytes >> 20;
            writeln!(f, "memory     {:#012x} to {:#012x}  {mib} MiB", range.start, range.start + range.bytes)?;
        }
        for device in &self.devices {
            let gsi = device.gsi.map(|gsi| format!("  irq {gsi}")).unwrap_or_default();
            let backend = device.backend.as_deref().map(|b| format!("  {b}")).unwrap_or_default();
            writeln!(f, "{:<10} {:#06x}{gsi}  {}{backend}", device.space, device.address, device.name)?;
        }
        Ok(())
    }
}
