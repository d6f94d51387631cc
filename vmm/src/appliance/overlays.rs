//! Where a guest's writes to the disks of a package are kept.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use super::mapping::Mapping;
use super::{ApplianceError, Wishes};
use crate::config::Writes;

/// The most characters of a machine's id in a file's name.
const MAX_ID: usize = 64;

/// Where writes go.
#[derive(Debug)]
pub(super) enum Overlays {
    /// Nowhere.
    Discarded,
    /// To this file: there is one disk.
    File(PathBuf),
    /// To a file for each disk in this folder. Machines have names that are good for files, by their ids.
    Folder { folder: PathBuf, names: HashMap<String, String> },
}

impl Overlays {
    /// What `--overlay` means for these machines: a folder if there is one, or several disks; else a file.
    pub(super) fn new(wishes: &Wishes<'_>, mappings: &[Mapping]) -> Result<Self, ApplianceError> {
        let Some(path) = wishes.overlay.clone() else { return Ok(Self::Discarded) };
        let disks = mappings.iter().flat_map(|mapping| &mapping.drives).filter(|drive| !drive.read_only).count();
        if disks == 0 {
            return Err(ApplianceError::NothingToKeep);
        }
        let is_folder = path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
        if disks == 1 && !is_folder {
            return Ok(Self::File(path));
        }
        if path.exists() && !path.is_dir() {
            return Err(ApplianceError::OneOverlay { disks, file: path.display().to_string() });
        }
        if wishes.makes_overlays {
            fs::create_dir_all(&path)
                .map_err(|cause| ApplianceError::OverlayFolder { folder: path.display().to_string(), cause })?;
        }
        let names = names(mappings.iter().map(|mapping| mapping.id.as_str()));
        Ok(Self::Folder { folder: path, names })
    }

    /// Where the writes to disk `number` of the machine `id` go.
    pub(super) fn writes(&self, id: &str, number: usize) -> Writes {
        match self {
            Self::Discarded => Writes::Discarded,
            Self::File(file) => Writes::Overlay(file.clone()),
            Self::Folder { folder, names } => {
                let name = names.get(id).map_or("machine", String::as_str);
                Writes::Overlay(folder.join(format!("{name}.disk{number}.qcow2")))
            }
        }
    }
}

/// For each id a name that is good for a file, the same at each start of the same package.
fn names<'i>(ids: impl Iterator<Item = &'i str>) -> HashMap<String, String> {
    let mut taken: HashMap<String, u32> = HashMap::new();
    let mut names = HashMap::new();
    for id in ids {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
        let name: String = id.chars().map(plain).take(MAX_ID).collect();
        let count = taken.entry(name.clone()).and_modify(|count| *count += 1).or_insert(1);
        let name = if *count == 1 { name } else { format!("{name}.{count}") };
        names.insert(id.to_owned(), name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_a_file_name_of_its_own_inside_of_the_folder() {
        let names = names(["web", "../web", "...web", &"x".repeat(300), "w\u{e9}b"].into_iter());
        let mut all: Vec<_> = names.values().cloned().collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 5, "{all:?}");
        assert!(all.iter().all(|name| !name.contains('/') && !name.starts_with('.') && name.len() < 80), "{all:?}");
        assert_eq!(names.get("web").map(String::as_str), Some("web"));
    }
}
