//! From bytes to what should start.
//!
//! * [`kernel`]: tells kernel images apart, checks them and reads them into guest memory.
//! * [`initramfs`]: reads an initramfs into what the kernel leaves.
//! * [`cmdline`]: the kernel's command line.
//! * [`cpio`]: writes initramfs archives.
//! * [`filesystem`], [`loader`]: file systems of guests, and what their boot loaders would start.
//! * [`partition`]: what disks are divided into.
//! * [`ovf`]: OVF descriptors.
//!
//! Files are hostile: every length and address in them is checked before it is used. Nothing here knows KVM, and nothing
//! but [`kernel`] knows CPU architectures, and those only as facts that headers state.

mod bytes;
pub mod cmdline;
pub mod cpio;
mod file;
pub mod filesystem;
#[cfg(any(test, feature = "test-support"))]
pub mod fuzz;
pub mod initramfs;
pub mod kernel;
pub mod loader;
mod memory;
pub mod ovf;
pub mod partition;
#[cfg(any(test, feature = "test-support"))]
pub mod testkernel;

pub use cmdline::{Cmdline, CmdlineError};
pub use file::FileProblem;
pub use initramfs::{Initramfs, InitramfsError, InitramfsProblem, PlacedInitramfs};
pub use kernel::{Architecture, Entry, Format, Kernel, KernelError, KernelProblem, LoadedKernel, Protocol};
