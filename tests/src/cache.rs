//! What takes long to make and may be thrown away: unpacked packages and the bench kernel.
//!
//! An entry is a folder that is made under another name and renamed when it is complete, so an interrupted run leaves
//! nothing that looks finished. A lock file beside it keeps two processes from doing the same work.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::failure::{Context as _, Failure, Result};

/// The cache's folder: `$XDG_CACHE_HOME/ovum`, or `~/.cache/ovum`.
///
/// # Errors
/// When neither variable is set, or the folder cannot be made.
pub fn root() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .ok_or_else(|| Failure::new("there is no place for a cache").remedy("set HOME or XDG_CACHE_HOME"))?;
    let root = base.join("ovum");
    fs::create_dir_all(&root).doing(format!("making the cache {}", root.display()))?;
    Ok(root)
}

/// The folder of entry `name`, made by `make` (which is given an empty folder to fill) when it is not there yet.
///
/// # Errors
/// What `make` says, or what stands in the way of writing the cache.
pub fn entry(name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let root = root()?;
    let finished = root.join(name);
    if finished.is_dir() {
        return Ok(finished);
    }
    let lock_path = root.join(format!("{name}.lock"));
    let lock = File::create(&lock_path).doing(format!("creating {}", lock_path.display()))?;
    lock.lock().doing(format!("locking {}", lock_path.display()))?;
    if finished.is_dir() {
        return Ok(finished);
    }
    let draft = root.join(format!("{name}.draft"));
    if draft.exists() {
        fs::remove_dir_all(&draft).doing(format!("removing what an interrupted run left in {}", draft.display()))?;
    }
    fs::create_dir(&draft).doing(format!("making {}", draft.display()))?;
    let made = make(&draft);
    if let Err(failure) = made {
        let _ = fs::remove_dir_all(&draft);
        return Err(failure);
    }
    fs::rename(&draft, &finished).doing(format!("naming {}", finished.display()))?;
    // The lock's file stays: removing it while another process waits on it would give out two locks.
    Ok(finished)
}

/// A short name for `parts` that changes when they do.
#[must_use]
pub fn digest(parts: &[&[u8]]) -> String {
    // FNV-1a; the cache needs a name that repeats, not one that resists an attacker.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn a_digest_tells_parts_apart() {
        assert_eq!(digest(&[b"a", b"b"]), digest(&[b"a", b"b"]));
        assert_ne!(digest(&[b"a", b"b"]), digest(&[b"ab"]));
    }
}
