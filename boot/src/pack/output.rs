//! Where the files of a package come to lie: in one tar file, or in a folder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ovum_disk::storage::{NewFile, Storage, write_bytes};

use super::descriptor::Names;
use super::error::PackError;
use super::recipe::Recipe;
use super::tar;

/// What is written, and where.
#[derive(Debug)]
pub struct Output {
    names: Names,
    /// The modification time of all members, in seconds since 1970.
    time: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Ova {
        file: NewFile,
        /// Where the next header begins, in bytes.
        end: u64,
    },
    Folder {
        /// All of them, from the start: one that cannot be made is found before the work.
        files: Vec<NewFile>,
        /// A signature of the package that is replaced, which would be wrong beside this one.
        stale: Option<PathBuf>,
        /// Bytes of all closed files.
        size: u64,
    },
}

/// A place for a file of the package.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    name: String,
    storage: Arc<dyn Storage>,
    /// Where its tar header is to be written, in bytes.
    header: Option<u64>,
    start: u64,
}

impl Slot {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn storage(&self) -> Arc<dyn Storage> {
        Arc::clone(&self.storage)
    }

    /// Where its first byte is, in [`Slot::storage`].
    pub(super) fn start(&self) -> u64 {
        self.start
    }
}

impl Output {
    /// A package of `recipe` at `path`: `X.ova`, or `X.ovf` with its files beside it. With `replaces`, files that are there
    /// are replaced once the new package is whole. `time` is the modification time of an OVA's members, in seconds since 1970.
    ///
    /// # Errors
    /// [`PackError`] for another ending, names that are no good, and files that are there already or cannot be made.
    pub fn create(recipe: &Recipe, path: &Path, replaces: bool, time: u64) -> Result<Self, PackError> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let base = plain_name(&stem);
        let names = Names::of(recipe, &base);
        let kind = match path.extension().and_then(|ending| ending.to_str()) {
            Some("ova") => Kind::Ova { file: begin(path, replaces)?, end: 0 },
            Some("ovf") if base != stem => {
                let cause = format!("{} cannot name the other files of the package", path.display());
                return Err(PackError::recipe(
                    cause,
                    "take letters, digits, '.', '-' and '_' for its name, at most 80",
                ));
            }
            Some("ovf") => {
                let is_signed = recipe.signer.is_some();
                let stale = Some(path.with_file_name(&names.signature)).filter(|path| !is_signed && path.exists());
                if let Some(stale) = stale.as_ref().filter(|_| !replaces) {
                    begin(stale, replaces)?;
                }
                let begin = |name: &String| begin(&path.with_file_name(name), replaces);
                Kind::Folder { files: names.all(is_signed).map(begin).collect::<Result<_, _>>()?, stale, size: 0 }
            }
            _ => {
                let cause = format!("{} does not say what to make", path.display());
                let remedy = "end its name in .ova for one file, or in .ovf for a descriptor with its files beside it";
                return Err(PackError::recipe(cause, remedy));
            }
        };
        Ok(Self { names, time, kind })
    }

    /// The names of the package's files.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// What is left behind if the process ends now.
    #[must_use]
    pub fn left_behind(&self) -> Vec<&Path> {
        match &self.kind {
            Kind::Ova { file, .. } => file.left_behind().into_iter().collect(),
            Kind::Folder { files, .. } => files.iter().filter_map(NewFile::left_behind).collect(),
        }
    }

    /// A place for a file behind those that were closed.
    pub(super) fn open(&self, name: &str) -> Result<Slot, PackError> {
        let name = name.to_owned();
        Ok(match &self.kind {
            Kind::Ova { file, end } => {
                Slot { name, storage: file.storage(), header: Some(*end), start: *end + tar::BLOCK }
            }
            Kind::Folder { files, .. } => {
                let file = files.iter().find(|file| file.path().file_name().is_some_and(|its| *its == *name));
                let storage = file.map(NewFile::storage);
                let missing = || PackError::Write { what: name.clone(), error: io::ErrorKind::NotFound.into() };
                let storage = storage.ok_or_else(missing)?;
                Slot { name, storage, header: None, start: 0 }
            }
        })
    }

    /// Says how large the file in `slot` is, or will be: the next one comes behind it.
    pub(super) fn close(&mut self, slot: &Slot, len: u64) -> Result<(), PackError> {
        let failed = |error| PackError::write(slot.storage.as_ref(), error);
        match &mut self.kind {
            Kind::Ova { end, .. } => {
                let next = len.checked_next_multiple_of(tar::BLOCK).and_then(|len| slot.start.checked_add(len));
                *end = next.ok_or_else(|| failed(io::ErrorKind::FileTooLarge.into()))?;
                let header = tar::header(&slot.name, len, self.time).map_err(failed)?;
                write_bytes(slot.storage.as_ref(), slot.header.unwrap_or_default(), &header).map_err(failed)
            }
            Kind::Folder { size, .. } => {
                *size += len;
                Ok(())
            }
        }
    }

    /// Puts everything on stable storage and gives it its names; returns how many bytes there are.
    pub(super) fn finish(self) -> Result<u64, PackError> {
        match self.kind {
            Kind::Ova { file, end } => {
                // Two blocks of zeroes end the archive. What was left out up to here reads as zero, too.
                let size = (end + 2 * tar::BLOCK).next_multiple_of(tar::RECORD);
                let storage = file.storage();
                let written = storage.set_size(size).and_then(|()| storage.flush());
                written.map_err(|error| PackError::write(storage.as_ref(), error))?;
                file.keep()?;
                Ok(size)
            }
            Kind::Folder { files, stale, size } => {
                for file in &files {
                    let storage = file.storage();
                    storage.flush().map_err(|error| PackError::write(storage.as_ref(), error))?;
                }
                if let Some(stale) = stale {
                    let failed = |error| PackError::Write { what: stale.display().to_string(), error };
                    std::fs::remove_file(&stale).map_err(failed)?;
                }
                keep_all(files)?;
                Ok(size)
            }
        }
    }
}

/// Gives all files their names, the descriptor last: who sees it sees the rest.
fn keep_all(files: Vec<NewFile>) -> Result<(), PackError> {
    let mut kept = Vec::new();
    for file in files.into_iter().rev() {
        let path = file.path().to_owned();
        if let Err(error) = file.keep() {
            for path in kept {
                // What cannot be removed again is not worth a second error.
                let _ = std::fs::remove_file::<PathBuf>(path);
            }
            return Err(error.into());
        }
        kept.push(path);
    }
    Ok(())
}

fn begin(path: &Path, replaces: bool) -> Result<NewFile, PackError> {
    Ok(if replaces { NewFile::replace(path)? } else { NewFile::create(path)? })
}

/// `name` in letters that every system, every tar and every URI takes as they are.
fn plain_name(name: &str) -> String {
    /// With an ending and a number, it still fits into a tar header.
    const MOST: usize = tar::MAX_NAME - 20;
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_') { letter } else { '_' }
    };
    let name: String = name.chars().map(plain).take(MOST).collect();
    match name.trim_start_matches(['.', '-']) {
        "" => "appliance".into(),
        name => name.into(),
    }
}
