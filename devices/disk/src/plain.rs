//! Bytes of a disk that lie in files as they are, for who wants to read and write them without the disk's help.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::image::{Image, Place};
use crate::storage::{Plain, Storage};

/// The most runs of one range. What is in more pieces is as well left to the disk, which moves them one after another too.
const MAX_RUNS: usize = 64;

/// Where a part of a disk lies.
#[derive(Debug, Clone)]
pub enum PlainRun {
    /// Nowhere: it reads as zero.
    Zeroes {
        /// How many bytes.
        len: u64,
    },
    /// In a file, as it is.
    InFile {
        /// The file.
        file: Arc<File>,
        /// Where in it, in bytes.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
}

impl PlainRun {
    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Zeroes { len } | Self::InFile { len, .. } => *len,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `len` bytes at `offset` of `storage`, if they lie in a file. What lies past the storage's end is somebody else's.
    #[must_use]
    pub fn in_storage(storage: &dyn Storage, offset: u64, len: u64) -> Option<Self> {
        let Plain { file, start } = storage.plain()?;
        offset.checked_add(len).filter(|end| *end <= storage.size())?;
        Some(Self::InFile { file: Arc::clone(file), offset: start.checked_add(offset)?, len })
    }
}

/// Where the bytes of `image` in `range` lie, if all of them lie in files or nowhere.
pub(crate) fn read_runs(image: &Image, mut range: Range<u64>) -> io::Result<Option<Vec<PlainRun>>> {
    let mut runs = Vec::with_capacity(1);
    while range.start < range.end {
        let found = image.locate(range.start, range.end - range.start)?;
        let run = match found.place {
            Place::Nowhere | Place::Zero => Some(PlainRun::Zeroes { len: found.len }),
            Place::Stored(storage, offset) => PlainRun::in_storage(storage.as_ref(), offset, found.len),
            Place::Packed(..) => None,
        };
        let Some(run) = run.filter(|_| runs.len() < MAX_RUNS) else { return Ok(None) };
        runs.push(run);
        range.start += found.len;
    }
    Ok(Some(runs))
}
