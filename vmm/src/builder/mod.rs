//! The assembly of a machine: an ordered list of named steps, each in a file of its own, each with its own error.
//!
//! 1. [`inputs`], [`disks`]: open and check everything that the configuration names. No host feature is needed up to here.
//! 2. [`hypervisor`]: open KVM, create the VM and its interrupt controller.
//! 3. [`memory`]: map guest memory and give it to the VM.
//! 4. [`load`]: kernel and initramfs into guest memory.
//! 5. [`platform`]: the devices that every machine has.
//! 6. [`virtio`]: the devices that the configuration asks for.
//! 7. [`boot_data`]: what the kernel is told, in memory.
//! 8. [`vcpus`]: the vCPUs, the first in the state in which the kernel starts.

mod boot_data;
mod disks;
mod hypervisor;
mod inputs;
mod load;
mod memory;
mod platform;
mod tuning;
mod vcpus;
mod virtio;

use std::sync::Arc;

use kvm_ioctls::{VcpuFd, VmFd};

pub use boot_data::BootError;
pub(crate) use disks::Purpose;
#[cfg(any(test, feature = "test-support"))]
pub(crate) use disks::open as open_disk;
pub use inputs::InputError;
pub(crate) use inputs::Inputs;
pub use load::LoadError;
pub use memory::MemoryError;
pub(crate) use platform::PlacedConsole;
pub use platform::PlatformError;
pub use vcpus::VcpuError;
pub use virtio::VirtioError;

use crate::buses::Buses;
use crate::config::MachineConfig;
use crate::console::Console;
use crate::ending::Ending;
use crate::failure::{Blame, Explain};
use crate::kvm::HypervisorError;
use crate::timeline::{Event, Timeline};
use memory::Mapped;

/// A machine's parts, put together and not yet moving.
pub(crate) struct Parts {
    pub vcpus: Vec<VcpuFd>,
    pub buses: Buses,
    pub ending: Arc<Ending>,
    pub console: PlacedConsole,
    pub resources: Resources,
}

/// What only has to stay alive for as long as the machine does. To be dropped after everything that uses guest memory.
pub(crate) struct Resources {
    _vm: Arc<VmFd>,
    _memory: Vec<memory::Mapping>,
}

/// Builds the machine that `config` describes. Nothing of it is left when a step fails.
pub(crate) fn build(config: &MachineConfig, console: Console, timeline: &Timeline) -> Result<Parts, BuildError> {
    let mut inputs = Inputs::open(config, Purpose::Machine)?;
    timeline.mark(Event::InputsOpen);

    let hypervisor = hypervisor::open()?;
    timeline.mark(Event::KvmOpen);

    // Bound in this order, the mappings are dropped after what uses them.
    let Mapped { mappings, memory } = memory::map(&hypervisor.vm, config.memory)?;
    timeline.mark(Event::MemoryMapped);

    let loaded = load::load(&mut inputs, &memory, config.kernel_cache.as_deref())?;
    timeline.mark(Event::KernelLoaded);

    let ending = Ending::new().map_err(PlatformError::Descriptors)?;
    let mut buses = Buses::default();
    let power = ending.power_handler(inputs.warm_after_panic.then(|| memory.clone()));
    let console = platform::place(&mut buses, &hypervisor.vm, console, &ending, &power, timeline)?;
    let places = virtio::place(config.transport, &mut buses, &hypervisor.vm, &memory, inputs.devices)?;

    let start = boot_data::write(config, &memory, &loaded, &inputs.cmdline, &places, inputs.cpus)?;
    let vcpus = vcpus::create(&hypervisor, inputs.cpus, &start)?;

    let resources = Resources { _vm: hypervisor.vm, _memory: mappings };
    Ok(Parts { vcpus, buses, ending, console, resources })
}

/// The step that failed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum BuildError {
    /// Step 1.
    Inputs(#[from] InputError),
    /// Step 2.
    Hypervisor(#[from] HypervisorError),
    /// Step 3.
    Memory(#[from] MemoryError),
    /// Step 4.
    Load(#[from] LoadError),
    /// Step 5.
    Platform(#[from] PlatformError),
    /// Step 6.
    Virtio(#[from] VirtioError),
    /// Step 7.
    BootData(#[from] BootError),
    /// Step 8.
    Vcpus(#[from] VcpuError),
}

impl BuildError {
    fn inner(&self) -> &dyn Explain {
        match self {
            Self::Inputs(error) => error,
            Self::Hypervisor(error) => error,
            Self::Memory(error) => error,
            Self::Load(error) => error,
            Self::Platform(error) => error,
            Self::Virtio(error) => error,
            Self::BootData(error) => error,
            Self::Vcpus(error) => error,
        }
    }
}

impl Explain for BuildError {
    fn remedy(&self) -> String {
        self.inner().remedy()
    }

    fn blame(&self) -> Blame {
        self.inner().blame()
    }
}
