//! The package that is started, made once and kept in the target folder.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ovum_tests::failure::{Context as _, Result};

use crate::check;

/// What the disk begins with: as much as the guest reads.
pub(super) const MARK: &str = "disk of the OVA\n";
/// The machine's memory.
pub(super) const MEMORY: &str = "128M";
const MIB: u64 = 1 << 20;

pub(super) struct Package {
    pub(super) path: PathBuf,
    /// GiB of its disk.
    size: u64,
}

impl Package {
    /// Packs `kernel` and a disk of `size` GiB, `data` of them noise.
    pub(super) fn make(ovum: &Path, folder: &Path, kernel: &Path, size: u64, data: u64) -> Result<Self> {
        let path = folder.join(format!("package-{size}-{data}.ova"));
        let package = Self { path, size };
        if package.path.exists() {
            return Ok(package);
        }
        eprintln!("making {}, once", package.path.display());
        let disk = folder.join("disk.raw");
        fill(&disk, size, data)?;
        let mut command = Command::new(ovum);
        command.arg("pack").arg("--output").arg(&package.path).arg("--kernel").arg(kernel);
        command.arg("--disk").arg(&disk).args(["--memory", MEMORY]);
        check::succeeds(&mut command, "ovum pack")?;
        fs::remove_file(&disk).doing(format!("removing {}", disk.display()))?;
        Ok(package)
    }

    /// What it is, for people.
    pub(super) fn title(&self) -> String {
        let file = fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        format!("an OVA of {:.1} GiB with a disk of {} GiB, in place", file as f64 / (1 << 30) as f64, self.size)
    }

    /// The name of a file of it.
    pub(super) fn member(&self, name: &str) -> String {
        format!("{}-{name}", self.path.file_stem().unwrap_or_default().to_string_lossy())
    }
}

/// A disk of 1 MiB that begins as the package's does.
pub(super) fn first_bytes() -> Vec<u8> {
    let mut bytes = noise();
    bytes.splice(..MARK.len(), MARK.bytes());
    bytes
}

/// 1 MiB of what does not compress (xorshift64*).
fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    (0..MIB / 8).flat_map(|_| next().to_le_bytes()).collect()
}

/// A sparse disk whose data is spread over all of it. The same noise again and again: a block is compressed by itself, so it
/// does not matter.
fn fill(path: &Path, size: u64, data: u64) -> Result<()> {
    let file = File::create(path).doing(format!("making {}", path.display()))?;
    file.set_len(size << 30).doing("sizing the disk")?;
    let noise = noise();
    for piece in 0..data << 10 {
        let at = piece * size / data * MIB;
        file.write_all_at(&noise, at).doing("filling the disk")?;
    }
    file.write_all_at(MARK.as_bytes(), 0).doing("filling the disk")
}
