//! Entries of type 1: a file `*.conf` for each, keys and values line by line.

use crate::loader::Limits;
use crate::loader::system::System;

/// The most files of one folder that are read.
const MAX_FILES: usize = 256;
/// The most lines that a file may have.
const MAX_LINES: usize = 1024;

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The file's name without `.conf`: what the entry is called.
    pub file: String,
    pub title: Option<String>,
    pub version: Option<String>,
    pub machine_id: Option<String>,
    pub sort_key: Option<String>,
    pub linux: Option<String>,
    pub initrds: Vec<String>,
    /// Several lines are joined by blanks.
    pub options: Option<String>,
    /// A program of UEFI, which a unified kernel image is too.
    pub efi: Option<String>,
    pub architecture: Option<String>,
}

/// The entries in a folder, those that start something.
pub(crate) fn read_folder(system: &System, volume: usize, folder: &str, limits: &Limits) -> Vec<Entry> {
    let names = system.names(volume, folder);
    let names = names.iter().filter_map(|name| Some((name, name.strip_suffix(".conf")?)));
    let mut entries = Vec::new();
    for (name, file) in names {
        if entries.len() >= MAX_FILES || limits.ended().is_some() {
            limits.note(&format!("only the first {MAX_FILES} files in {folder} are read"));
            break;
        }
        match system.text(volume, &format!("{folder}/{name}")) {
            Ok(text) => {
                limits.read(text.len());
                entries.extend(Entry::parse(file, &text).filter(Entry::starts_something));
            }
            Err(problem) => limits.note(&problem),
        }
    }
    entries
}

impl Entry {
    /// Reads a file's lines; `None` if they are too many.
    pub fn parse(file: &str, text: &str) -> Option<Self> {
        let mut entry = Self { file: file.to_owned(), ..Self::default() };
        let mut options: Vec<&str> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            if number >= MAX_LINES {
                return None;
            }
            let line = line.trim();
            let (key, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
            let value = value.trim();
            let text = || Some(value.to_owned());
            match key {
                "title" => entry.title = text(),
                "version" => entry.version = text(),
                "machine-id" => entry.machine_id = text(),
                "sort-key" => entry.sort_key = text(),
                "linux" => entry.linux = text(),
                "initrd" if !value.is_empty() => entry.initrds.push(value.to_owned()),
                "options" => options.push(value),
                "efi" | "uki" => entry.efi = text(),
                "architecture" => entry.architecture = text(),
                _ => {}
            }
        }
        entry.options = (!options.is_empty()).then(|| options.join(" "));
        Some(entry)
    }

    fn starts_something(&self) -> bool {
        self.linux.is_some() || self.efi.is_some()
    }
}
