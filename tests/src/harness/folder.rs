//! A folder on the host for one test; it is removed with all that is in it.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::setting::setting;
use crate::failure::Result;
use crate::host::quoted;

/// A folder that lives as long as this.
#[derive(Debug)]
pub struct Folder {
    path: String,
}

impl Folder {
    /// A folder for small files.
    ///
    /// # Errors
    /// When the host cannot make it.
    pub fn new() -> Result<Self> {
        Self::below("/tmp")
    }

    /// A folder with room for gigabytes.
    ///
    /// # Errors
    /// When the host cannot make it.
    pub fn big() -> Result<Self> {
        Self::below(setting()?.big)
    }

    fn below(parent: &str) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = format!("{parent}/ovum-test-{}-{number}", std::process::id());
        setting()?.host.shell(&format!("mkdir {path}"))?;
        Ok(Self { path })
    }

    /// The path of `name` in it.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// Writes a file; returns its path.
    ///
    /// # Errors
    /// When the host cannot write it.
    pub fn file(&self, name: &str, bytes: &[u8]) -> Result<String> {
        let path = self.path(name);
        setting()?.host.write(&path, 0o644, bytes)?;
        Ok(path)
    }

    /// Makes a file of `size` (as truncate(1) understands it) that is all holes; returns its path.
    ///
    /// # Errors
    /// When the host cannot write it.
    pub fn sparse(&self, name: &str, size: &str) -> Result<String> {
        let path = self.path(name);
        setting()?.host.shell(&format!("truncate -s {size} {path}"))?;
        Ok(path)
    }

    /// Runs a shell script in it; returns what it printed.
    ///
    /// # Errors
    /// When the script fails.
    pub fn shell(&self, script: &str) -> Result<String> {
        setting()?.host.shell(&format!("cd {} && {{ {script}\n}}", quoted(Path::new(&self.path))))
    }

    /// The names in it, in order.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn names(&self) -> Result<Vec<String>> {
        Ok(self.shell("ls -A")?.lines().map(str::to_owned).collect())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Ok(setting) = setting() {
            let _ = setting.host.shell(&format!("rm -rf {}", quoted(Path::new(&self.path))));
        }
    }
}
