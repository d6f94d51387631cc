//! Whether the files of a package are those that its maker packed, as far as that is known before, while and after it runs.

use std::num::NonZero;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use ovum_boot::integrity::{self, DescriptorCheck, FileCheck, FileState, Manifest, Pace, Plan, Trust};
use ovum_boot::ovf::appliance::FileReference;
use ovum_boot::package::Package;
use ovum_vmm::appliance::checking::Checking;

use crate::appliance::verify;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::report::Status;

const REMEDY: &str = "get the package again, from a place that you trust; what was damaged may not start, or do harm";

/// The names of files that are shown in one line.
const SHOWN: usize = 4;

/// The descriptor against the manifest, and the manifest against its signature.
pub fn descriptor(package: &Package, trust: &Trust) -> Result<DescriptorCheck, Failure> {
    integrity::check_descriptor(package, trust).map_err(|error| Failure {
        cause: format!("package {}: {error}", package.path().display()),
        remedy: error.remedy(),
        status: if error.is_the_hosts() { Status::HostCannot } else { Status::WrongUsage },
    })
}

/// Who asks for a signature asks for one over all that is used.
pub fn is_all_signed(package: &Package, manifest: Option<&Manifest>, files: &[FileReference]) -> Result<(), Failure> {
    let plan = Plan::new(package, manifest, files);
    let unsigned = plan.checks().iter().find(|file| file.is_referenced && file.state == FileState::NotListed);
    match unsigned {
        Some(file) => Err(Failure::usage(
            format!("package {}: file {}: the signed manifest does not list it", package.path().display(), file.name),
            REMEDY,
        )),
        None => Ok(()),
    }
}

/// All files now, as fast as it goes.
pub fn full(package: &Package, manifest: &Manifest, files: &[FileReference]) -> Result<(), Failure> {
    let plan = Plan::new(package, Some(manifest), files);
    let mut progress = Progress::new(plan.total(), &[]);
    let threads = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let checks = plan
        .run(Pace::Full(threads), &AtomicBool::new(false), &mut |done| progress.set(done))
        .map_err(|error| Failure::io("cannot read", package.path(), &error))?;
    drop(progress);
    match checks.iter().find(|file| matters(file)) {
        Some(file) => Err(wrong(package, file)),
        None => Ok(()),
    }
}

/// Whether a file is a reason not to run: one that a machine may read.
fn matters(file: &FileCheck) -> bool {
    file.is_problem() && file.is_referenced
}

fn wrong(package: &Package, file: &FileCheck) -> Failure {
    Failure::usage(format!("package {}: {}", package.path().display(), verify::problem(file)), REMEDY)
}

/// Files that have not been compared yet.
pub struct Pending {
    pub package: Arc<Package>,
    pub manifest: Manifest,
    pub files: Vec<FileReference>,
}

/// The comparison in the background.
pub struct Background {
    checking: Checking,
    /// The first file that is wrong.
    wrong: Arc<Mutex<Option<Failure>>>,
    /// The descriptor's name.
    descriptor: String,
}

impl Pending {
    /// Begins to compare; `stop` is called when a file is wrong.
    pub fn start(self, stop: impl Fn() + Send + 'static) -> Option<Background> {
        let wrong = Arc::new(Mutex::new(None));
        let (found, package) = (Arc::clone(&wrong), Arc::clone(&self.package));
        let descriptor = package.descriptor_name().to_owned();
        let problem = Box::new(move |file: &FileCheck| {
            if matters(file) {
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.get_or_insert_with(|| self::wrong(&package, file));
                stop();
            }
        });
        match Checking::start(self.package, self.manifest, self.files, problem) {
            Ok(checking) => Some(Background { checking, wrong, descriptor }),
            Err(error) => {
                log::warn!("the package's files are not compared with its manifest: {error}");
                None
            }
        }
    }
}

impl Background {
    /// Ends it, and says what was not compared.
    pub fn conclude(self) -> Result<(), Failure> {
        let open = self.checking.finish();
        if let Some(wrong) = self.wrong.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(wrong);
        }
        let names: Vec<&str> = match &open {
            // It was compared before the start.
            Some(open) => open.iter().map(|file| file.name.as_str()).filter(|name| *name != self.descriptor).collect(),
            None => vec!["any file"],
        };
        if !names.is_empty() {
            log::warn!("not yet compared with the manifest: {} (ovum verify, or --verify full)", shortened(&names));
        }
        Ok(())
    }
}

/// A few names, and how many more.
pub fn shortened(names: &[&str]) -> String {
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| crate::report::printable(name)).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
