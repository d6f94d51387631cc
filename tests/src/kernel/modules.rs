//! A kernel's modules and the order in which they can be loaded.
//!
//! A package that was only unpacked has no modules.dep (depmod writes it at installation), so the dependencies are read
//! from the modules themselves: each names the ones it needs in its `.modinfo` section.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Context as _, Failure, Result};
use crate::packages;

/// Where a kernel's modules are.
#[derive(Debug, Clone)]
pub struct Modules {
    by_name: BTreeMap<String, PathBuf>,
    builtin: Vec<String>,
}

/// One module, ready for `insmod`.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its name, with underscores.
    pub name: String,
    /// The ELF file, not compressed.
    pub bytes: Vec<u8>,
}

/// `virtio-rng` and `virtio_rng` are one module.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

/// The module's name, if `path` is a module's.
fn module_name(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let (name, rest) = file.split_once(".ko")?;
    matches!(rest, "" | ".xz" | ".zst" | ".gz").then(|| normal(name))
}

impl Modules {
    /// Reads the folder `/lib/modules/RELEASE` of an unpacked package.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut by_name = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).doing(format!("reading {}", folder.display()))? {
                let path = entry.doing(format!("reading {}", folder.display()))?.path();
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                } else if let Some(name) = module_name(&path) {
                    by_name.insert(name, path);
                }
            }
        }
        let builtin = fs::read_to_string(folder.join("modules.builtin")).unwrap_or_default();
        let builtin = builtin.lines().filter_map(|line| module_name(Path::new(line))).collect();
        Ok(Self { by_name, builtin })
    }

    /// The modules `wanted` and all that they need, in an order in which they can be loaded. Those that are built into
    /// the kernel are left out.
    ///
    /// # Errors
    /// When one is neither a module nor built in, or cannot be read.
    pub fn in_order(&self, wanted: &[&str]) -> Result<Vec<Module>> {
        let mut order = Vec::new();
        for name in wanted {
            self.add(&normal(name), &mut order)?;
        }
        Ok(order)
    }

    fn add(&self, name: &str, order: &mut Vec<Module>) -> Result<()> {
        if order.iter().any(|module| module.name == name) || self.builtin.iter().any(|builtin| builtin == name) {
            return Ok(());
        }
        let path = self.by_name.get(name).ok_or_else(|| Failure::new(format!("the kernel has no module {name}")))?;
        let bytes = decompressed(path)?;
        for dependency in dependencies(&bytes) {
            self.add(&dependency, order)?;
        }
        order.push(Module { name: name.to_owned(), bytes });
        Ok(())
    }
}

fn decompressed(path: &Path) -> Result<Vec<u8>> {
    let tool = match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(path).doing(format!("reading {}", path.display())),
    };
    let output = Command::new(tool).arg("-dc").arg(path).output().doing(format!("running {tool}"))?;
    packages::succeeded(&output, &format!("{tool} -dc {}", path.display()))?;
    Ok(output.stdout)
}

/// What follows `depends=` in `.modinfo`, which is a list of strings that each end with a zero byte.
fn dependencies(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|window| window == KEY) else { return Vec::new() };
    let value: Vec<u8> = module[at + KEY.len()..].iter().copied().take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&value).split(',').filter(|name| !name.is_empty()).map(normal).collect()
}

#[cfg(test)]
mod tests {
    use super::{dependencies, module_name};
    use std::path::Path;

    #[test]
    fn dependencies_are_read_from_modinfo() {
        assert_eq!(dependencies(b"\0license=GPL\0depends=virtio,virtio-ring\0name=x\0"), ["virtio", "virtio_ring"]);
        assert!(dependencies(b"\0license=GPL\0depends=\0").is_empty());
        assert!(dependencies(b"").is_empty());
    }

    #[test]
    fn compressed_modules_have_the_same_name() {
        assert_eq!(module_name(Path::new("kernel/a/virtio-rng.ko.xz")).as_deref(), Some("virtio_rng"));
        assert_eq!(module_name(Path::new("kernel/a/virtio.ko")).as_deref(), Some("virtio"));
        assert_eq!(module_name(Path::new("modules.order")), None);
    }
}
