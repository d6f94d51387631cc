//! What a boot loader's files lead to, before its parts are opened.

use super::system::System;
use super::{BootEntry, Part};

/// Entries of one boot loader.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub entries: Vec<Candidate>,
    pub default: usize,
    pub why: String,
}

/// An entry: where its files are, and what the kernel is told.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub id: String,
    pub title: String,
    /// Disk, partition, file.
    pub source: String,
    pub kernel: File,
    pub initrds: Vec<File>,
    pub cmdline: String,
}

/// A file on a volume, or bytes that were taken out of one already.
#[derive(Debug, Clone)]
pub(super) enum File {
    /// The volume's index and a path.
    At(usize, String),
    /// A part of a file.
    Bytes(Part),
}

impl File {
    fn open(&self, system: &System) -> Result<Part, String> {
        match self {
            Self::At(volume, path) => system.part(*volume, path),
            Self::Bytes(part) => Ok(part.clone()),
        }
    }
}

impl Candidate {
    /// Opens all files.
    pub fn open(self, system: &System) -> Result<BootEntry, String> {
        let initrds = self.initrds.iter().map(|file| file.open(system)).collect::<Result<_, _>>()?;
        Ok(BootEntry {
            kernel: self.kernel.open(system)?,
            initrds,
            id: self.id,
            title: self.title,
            source: self.source,
            cmdline: self.cmdline.clone(),
            original_cmdline: self.cmdline,
            changes: Vec::new(),
        })
    }
}
