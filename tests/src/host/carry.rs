//! Carries the files that a command names to the lab and back, so that a command means the same in the lab as here.
//!
//! A file keeps its absolute path, and the command its working folder. Files above [`BIG`] lie on the lab's scratch disk
//! with a link at their own path. After the command, files that it created or changed are copied back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Connection;
use crate::agent::protocol::Command;
use crate::failure::{Failure, Result};

/// Files larger than this, in bytes, are put on the lab's scratch disk rather than into its memory.
const BIG: u64 = 64 << 20;

/// Files that were carried to the agent's side for one command.
pub struct Carried {
    connection: Arc<Connection>,
    paths: Vec<PathBuf>,
}

/// The paths that `argument` may name: itself, or what stands behind `--option=` and `file:` and before `,options`.
fn named_paths(argument: &str) -> Option<&str> {
    let value = match argument.strip_prefix("--") {
        Some(option) => option.split_once('=')?.1,
        None => argument,
    };
    let value = value.strip_prefix("file:").unwrap_or(value);
    let path = value.split(',').next()?;
    (!path.is_empty() && !path.starts_with('-') && !path.contains(char::is_whitespace)).then_some(path)
}

impl Carried {
    /// Copies all files that `arguments`, given in `folder`, name.
    ///
    /// # Errors
    /// When a file cannot be copied.
    pub fn there(connection: &Arc<Connection>, folder: &Path, arguments: &[String]) -> Result<Self> {
        let mut carried = Self { connection: Arc::clone(connection), paths: Vec::new() };
        connection.shell(&format!("mkdir -p {}", quoted(folder)))?;
        for path in arguments.iter().filter_map(|argument| named_paths(argument)) {
            let path = folder.join(path);
            if path.is_dir() {
                connection.shell(&format!("mkdir -p {}", quoted(&path)))?;
                continue;
            }
            let Some(parent) = path.parent().filter(|parent| parent.is_dir()) else { continue };
            // What the command itself may create needs a folder to be created in.
            connection.shell(&format!("mkdir -p {}", quoted(parent)))?;
            if let Ok(metadata) = fs::metadata(&path) {
                carried.put(&path, metadata.len())?;
            }
            carried.paths.push(path);
        }
        // Later changes are told by being newer than this.
        connection.shell("sleep 0.02; touch /run/carried; sleep 0.02")?;
        Ok(carried)
    }

    fn put(&self, path: &Path, size: u64) -> Result<()> {
        let name = path.to_string_lossy();
        if size <= BIG {
            return self.connection.put(path, &name);
        }
        let big = format!("/scratch/carried{name}");
        self.connection.put(path, &big)?;
        self.connection.shell(&format!("ln -sf {} {}", quoted(Path::new(&big)), quoted(path))).map(drop)
    }

    /// Copies back what was created or changed.
    ///
    /// # Errors
    /// When a file cannot be copied.
    pub fn back(&self) -> Result<()> {
        for path in &self.paths {
            let changed = format!("[ -f {0} ] && [ {0} -nt /run/carried ] && echo yes || true", quoted(path));
            if self.connection.shell(&changed)?.contains("yes") {
                self.connection.get(&path.to_string_lossy(), path)?;
            }
        }
        Ok(())
    }
}

/// `path` as one word of a shell.
#[must_use]
pub fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"))
}

impl Connection {
    /// Runs a shell script on the agent's side and returns what it printed.
    ///
    /// # Errors
    /// When it does not end with status 0 within five minutes; then with its standard error.
    pub fn shell(self: &Arc<Self>, script: &str) -> Result<String> {
        let arguments = ["sh", "-c", script].map(str::to_owned).to_vec();
        let mut process = self.spawn(Command { arguments, environment: BTreeMap::new(), ..Command::default() })?;
        process.input().end()?;
        let end = process.wait(Duration::from_secs(300))?;
        if end.status == Some(0) {
            return Ok(process.text(false));
        }
        Err(Failure::new(format!("`{script}` failed: {}", process.text(true).trim_end())))
    }
}

#[cfg(test)]
mod tests {
    use super::named_paths;

    #[test]
    fn paths_are_found_in_options() {
        assert_eq!(named_paths("./vmlinuz"), Some("./vmlinuz"));
        assert_eq!(named_paths("/d.raw,ro,format=raw"), Some("/d.raw"));
        assert_eq!(named_paths("--kernel=k"), Some("k"));
        assert_eq!(named_paths("file:/tmp/log"), Some("/tmp/log"));
        assert_eq!(named_paths("--kernel"), None);
        assert_eq!(named_paths("console=ttyS0 root=/dev/vda"), None);
    }
}
