//! Builds initramfs archives in memory: folders, programs with the libraries they need, modules with their order.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ovum_boot::cpio::Writer;

use crate::failure::{Context as _, Failure, Result};
use crate::kernel::Module;
use crate::packages;

/// An archive that is being filled. Folders on the way to a file are added by themselves.
#[derive(Debug)]
pub struct Initramfs {
    archive: Writer<Vec<u8>>,
    names: BTreeSet<PathBuf>,
}

impl Default for Initramfs {
    fn default() -> Self {
        Self { archive: Writer::new(Vec::new()), names: BTreeSet::new() }
    }
}

/// Why writing to the archive cannot fail: it lies in memory, and the names come from this crate.
const IN_MEMORY: &str = "an archive in memory takes every file";

impl Initramfs {
    /// An archive with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a folder and those above it.
    pub fn folder(&mut self, path: impl AsRef<Path>) -> &mut Self {
        let path = path.as_ref();
        if path.parent().is_some() && self.is_new(path) {
            self.archive.directory(&path.to_string_lossy(), 0o755).expect(IN_MEMORY);
        }
        self
    }

    /// Adds a file with these bytes. A path that was added before is left as it is.
    pub fn file(&mut self, path: impl AsRef<Path>, mode: u32, bytes: &[u8]) -> &mut Self {
        let path = path.as_ref();
        if self.is_new(path) {
            let mut data = bytes;
            self.archive.file(&path.to_string_lossy(), mode, bytes.len() as u64, &mut data).expect(IN_MEMORY);
        }
        self
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: impl AsRef<Path>, target: &str) -> &mut Self {
        let path = path.as_ref();
        if self.is_new(path) {
            self.archive.symlink(&path.to_string_lossy(), target).expect(IN_MEMORY);
        }
        self
    }

    /// Whether `path` was not added before; adds the folders above it.
    fn is_new(&mut self, path: &Path) -> bool {
        let new = self.names.insert(path.to_owned());
        if let Some(parent) = path.parent().filter(|_| new) {
            self.folder(parent);
        }
        new
    }

    /// Adds a program of this machine at `path`, and the shared libraries it needs at their own paths.
    ///
    /// # Errors
    /// When the program or a library cannot be read or found.
    pub fn program(&mut self, path: &str, source: &Path) -> Result<&mut Self> {
        let bytes = fs::read(source).doing(format!("reading {}", source.display()))?;
        self.file(path, 0o755, &bytes);
        for library in libraries(source)? {
            let bytes = fs::read(&library).doing(format!("reading {}", library.display()))?;
            self.file(&library, 0o755, &bytes);
        }
        Ok(self)
    }

    /// Adds busybox and the names it is called by.
    ///
    /// # Errors
    /// When the package cannot be had.
    pub fn busybox(&mut self) -> Result<&mut Self> {
        let path = packages::busybox()?;
        let bytes = fs::read(&path).doing(format!("reading {}", path.display()))?;
        self.file("/bin/busybox", 0o755, &bytes);
        // The shell finds its own applets without links; these two are named in `#!` lines and by the kernel.
        Ok(self.link("/bin/sh", "busybox").link("/sbin/poweroff", "/bin/busybox"))
    }

    /// Adds modules and the script `/modules/load`, which loads them in order.
    pub fn modules(&mut self, modules: &[Module]) -> &mut Self {
        let mut script = String::new();
        for module in modules {
            self.file(format!("/modules/{}.ko", module.name), 0o644, &module.bytes);
            script += &format!("insmod /modules/{}.ko\n", module.name);
        }
        self.file("/modules/load", 0o755, script.as_bytes())
    }

    /// The archive's bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.archive.finish().expect(IN_MEMORY)
    }
}

/// The shared libraries of `program`, the dynamic linker among them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().doing("running ldd")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if let Some(line) = text.lines().find(|line| line.contains("not found")) {
        return Err(Failure::new(format!("{} needs {}", program.display(), line.trim())));
    }
    // "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)" or "/lib64/ld-linux-x86-64.so.2 (0x...)"
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    Ok(text.lines().filter_map(path).collect())
}

#[cfg(test)]
mod tests {
    use super::Initramfs;

    #[test]
    fn folders_come_before_what_is_in_them() {
        let mut archive = Initramfs::new();
        archive.file("/a/b/c", 0o644, b"hello").link("/a/l", "b/c");
        let text = String::from_utf8(archive.finish()).unwrap();
        let at = |name: &str| text.find(&format!("{name}\0")).unwrap();
        assert!(at("a") < at("a/b") && at("a/b") < at("a/b/c") && at("a/b/c") < at("a/l"));
        assert_eq!(text.len() % 4, 0);
    }
}
