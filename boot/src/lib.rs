//! From bytes to what should start.
//!
//! * [`kernel`]: tells kernel images apart, checks them and reads them into guest memory.
//! * [`initramfs`]: reads an initramfs into what the kernel leaves.
//! * [`cmdline`]: the kernel's command line.
//! * [`cpio`]: writes initramfs archives.
//! * [`integrity`]: manifests and signatures of packages.
//! * [`ovf`]: OVF descriptors.
//! * [`pack`]: writes OVF packages.
//! * [`package`]: OVA archives and folders: the files that descriptors speak of.
//! * [`environment`]: what a guest is told at its start.
//!
//! Files are hostile: every length and address in them is checked before it is used. Nothing here knows KVM, and nothing
//! but [`kernel`] knows CPU architectures, and those only as facts that headers state.

mod bytes;
pub mod cmdline;
pub mod cpio;
pub mod environment;
mod file;
#[cfg(any(test, feature = "test-support"))]
pub mod fuzz;
pub mod initramfs;
mod input;
pub mod integrity;
pub mod kernel;
mod memory;
pub mod ovf;
pub mod pack;
pub mod package;
#[cfg(any(test, feature = "test-support"))]
pub mod testkernel;

pub use cmdline::{Cmdline, CmdlineError};
pub use file::FileProblem;
pub use initramfs::{Initramfs, InitramfsError, InitramfsProblem, PlacedInitramfs};
pub use kernel::{Architecture, Entry, Format, Kernel, KernelError, KernelProblem, LoadedKernel, Protocol};
pub use package::{Package, PackageError, PackageProblem};
