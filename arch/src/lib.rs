//! What differs between CPU architectures: where things lie in a machine, how a vCPU starts, what tables tell the guest.
//!
//! This crate is the seam: everything that is exported here exists for every architecture, under the same name and with
//! the same meaning, and nothing outside of this folder names an architecture to decide anything. To add one, write its
//! folder beside `x86_64/` and choose it below.
//!
//! * [`platform`]: the words in which an architecture describes its machine.
//! * [`layout`]: where memory and devices lie.
//! * [`Processor`]: what a vCPU is told about itself, and the state in which it starts.
//! * [`prepare_vm`]: the interrupt controller.
//! * [`write_boot_data`]: what the kernel finds in memory when it starts: parameters, command line, ACPI tables.
//!
//! Start reading at [`write_boot_data`].

pub mod platform;

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
use x86_64 as native;

pub use native::{
    ARCHITECTURE, BootData, BootDataError, ConfigureError, Processor, SMALLEST_MEMORY, StartState,
    VIRTUALIZATION_FLAGS, asks_for_warm_reset, layout, prepare_vm, write_boot_data,
};

#[cfg(not(target_arch = "x86_64"))]
compile_error!("Ovum does not know this CPU architecture yet: add its folder to arch/src");
