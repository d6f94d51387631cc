//! The distribution's own kernel for clouds, taken from its package as it is.

use std::fs;
use std::path::{Path, PathBuf};

use super::Modules;
use crate::failure::{Context as _, Failure, Result};
use crate::packages;

/// A stock kernel in the cache.
#[derive(Debug, Clone)]
pub struct StockKernel {
    /// The bzImage.
    pub image: PathBuf,
    /// Its modules.
    pub modules: Modules,
    /// What `uname -r` says in it.
    pub release: String,
}

/// Debian's linux-image-cloud-amd64 or Ubuntu's linux-image-virtual, downloaded and unpacked on first use.
///
/// # Errors
/// When the package cannot be found, downloaded or unpacked, or does not hold what it should.
pub fn stock() -> Result<StockKernel> {
    let image = packages::resolve(
        &["linux-image-cloud-amd64", "linux-image-virtual", "linux-image-generic", "linux-image-amd64"],
        "linux-image-",
    )?;
    let root = match image.strip_prefix("linux-image-") {
        // Ubuntu keeps the modules in a package of their own, in which those that virtual machines need are.
        Some(release) if release.ends_with("-generic") => {
            packages::unpacked(&[&image, &format!("linux-modules-{release}")])?
        }
        _ => packages::unpacked(&[&image])?,
    };
    let vmlinuz = the_only(&root.join("boot"), "vmlinuz-")?;
    let release = vmlinuz.file_name().and_then(|name| name.to_str()).unwrap_or_default().trim_start_matches("vmlinuz-");
    let folder = ["lib/modules", "usr/lib/modules"].iter().map(|at| root.join(at).join(release)).find(|at| at.is_dir());
    let folder = folder.ok_or_else(|| Failure::new(format!("{} holds no modules of {release}", root.display())))?;
    Ok(StockKernel { modules: Modules::read(&folder)?, release: release.to_owned(), image: vmlinuz })
}

fn the_only(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).doing(format!("reading {}", folder.display()))?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let matches = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    paths.find(matches).ok_or_else(|| Failure::new(format!("{} holds no {prefix}*", folder.display())))
}
