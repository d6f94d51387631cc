//! What a path without an option means.

use std::path::{Path, PathBuf};

use ovum_boot::kernel::KernelProblem;
use ovum_boot::package::resemblance::Resemblance;
use ovum_boot::{Kernel, Package, PackageProblem};
use ovum_vmm::DiskConfig;

use super::args::RunArgs;
use crate::failure::Failure;

/// What is to be started.
pub enum Target {
    /// The package at this path.
    Package(PathBuf),
    /// A kernel, and a disk that stands before all others.
    Kernel { kernel: PathBuf, disk: Option<DiskConfig> },
}

/// What `args` mean. What a file is its bytes say; what is nothing that can be started is refused as a package.
pub fn of(args: &RunArgs) -> Result<Target, Failure> {
    let (path, kernel) = match (&args.what, &args.kernel) {
        (None, Some(kernel)) => return Ok(Target::Kernel { kernel: kernel.clone(), disk: None }),
        (Some(path), kernel) => (path, kernel),
        // The command line's own rules exclude it.
        (None, None) => return Err(Failure::usage("nothing to start was named", "name a package, or a kernel")),
    };
    let error = match Package::open(path) {
        Ok(_) => return Ok(Target::Package(path.clone())),
        Err(error) => error,
    };
    let PackageProblem::NotAPackage(resemblance) = error.problem() else { return Err(error.into()) };
    match (is_kernel(path), resemblance, kernel) {
        (true, _, None) => Ok(Target::Kernel { kernel: path.clone(), disk: None }),
        (true, _, Some(_)) => {
            Err(Failure::usage(format!("two kernels were named: {} and that of --kernel", path.display()), "name one"))
        }
        (false, Some(Resemblance::Disk(_) | Resemblance::RawDisk), Some(kernel)) => {
            Ok(Target::Kernel { kernel: kernel.clone(), disk: Some(DiskConfig::new(path)) })
        }
        (false, Some(Resemblance::Disk(_) | Resemblance::RawDisk), None) => Err(Failure::usage(
            format!("{} is a disk, and to find the kernel on it comes with a later version", path.display()),
            format!(
                "name the guest's kernel: ovum run --kernel FILE --disk {} --append root=/dev/vda1",
                path.display()
            ),
        )),
        (false, ..) => Err(error.into()),
    }
}

/// Whether it is a kernel, be it one that cannot be started: why, the machine's assembly says best.
fn is_kernel(path: &Path) -> bool {
    match Kernel::open(path) {
        Ok(_) => true,
        Err(error) => !matches!(error.problem(), KernelProblem::NotAKernel(_) | KernelProblem::File(_)),
    }
}
