//! A logical volume's bytes: runs of physical volumes, one after the other.

use std::io;
use std::sync::Arc;

use ovum_disk::storage::Storage;
use vm_memory::VolatileSlice;

use crate::partition::disk::{in_pieces, total};

/// A run of bytes of a physical volume.
#[derive(Debug)]
pub(super) struct Run {
    /// Where it is in the logical volume, in bytes.
    pub start: u64,
    /// Its length in bytes.
    pub len: u64,
    /// The physical volume.
    pub on: Arc<dyn Storage>,
    /// Where it is there, in bytes.
    pub at: u64,
}

/// A logical volume; only read.
#[derive(Debug)]
pub(super) struct Mapping {
    name: String,
    runs: Vec<Run>,
    size: u64,
}

impl Mapping {
    /// A volume of `runs`, which must follow each other without a gap.
    pub fn new(name: &str, mut runs: Vec<Run>) -> Result<Self, String> {
        runs.sort_by_key(|run| run.start);
        let mut size = 0_u64;
        for run in &runs {
            if run.start != size {
                return Err("its segments have gaps or overlap".to_owned());
            }
            size = size.checked_add(run.len).ok_or("it is too large")?;
            if run.at.checked_add(run.len).is_none_or(|end| end > run.on.size()) {
                return Err("a segment lies outside of its physical volume".to_owned());
            }
        }
        Ok(Self { name: name.to_owned(), runs, size })
    }

    /// The run that holds the byte at `offset`, and how far into it that is.
    fn run(&self, offset: u64) -> Option<(&Run, u64)> {
        let next = self.runs.partition_point(|run| run.start <= offset);
        let run = self.runs.get(next.checked_sub(1)?)?;
        let into = offset - run.start;
        (into < run.len).then_some((run, into))
    }
}

impl Storage for Mapping {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        if offset.checked_add(total(into)).is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let longest = |offset| self.run(offset).map_or(0, |(run, done)| run.len - done);
        in_pieces(offset, into, longest, |offset, piece| {
            let (run, done) = self.run(offset).ok_or(io::ErrorKind::UnexpectedEof)?;
            run.on.read_at(run.at + done, &[piece])
        })
    }
}
