//! Looking for what is wrong with an image.

use std::io;
use std::sync::Arc;

use crate::error::Damage;
use crate::image::layout::{Layout, Piece};
use crate::storage::Storage;

/// The most findings that are kept word for word; more are only counted.
const KEPT: usize = 100;
/// How far to go on behind a place that cannot be mapped, where the format has no blocks, in bytes.
const STEP: u64 = 64 * 1024;

/// What a check found.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is wrong, the first hundred of it.
    pub damage: Vec<Damage>,
    /// How many things are wrong.
    pub count: u64,
    /// Bytes of files that are marked as used, and are not.
    pub leaked: u64,
}

impl Findings {
    /// Notes that something is wrong.
    pub fn add(&mut self, damage: Damage) {
        self.count += 1;
        if self.damage.len() < KEPT {
            self.damage.push(damage);
        }
    }

    /// Notes an error: damage is a finding, anything else ends the check.
    fn note(&mut self, error: io::Error) -> io::Result<()> {
        self.add(error.downcast::<Damage>()?);
        Ok(())
    }
}

/// Bytes of a storage that belong to a place on the disk.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Used {
    storage: usize,
    start: u64,
    end: u64,
}

/// Looks at every table of a layer: whether blocks lie in their files, and no two in the same place. Blocks themselves are
/// not read.
///
/// # Errors
/// When a storage cannot be read.
pub fn check(layout: &dyn Layout) -> io::Result<Findings> {
    let mut findings = Findings::default();
    let mut used = walk(layout, &mut findings)?;
    used.sort_unstable();
    for pair in used.windows(2) {
        if let [one, other] = pair
            && one.storage == other.storage
            && other.start < one.end
            && let Some(storage) = layout.storages().get(one.storage)
        {
            findings.add(Damage::new(storage.as_ref(), other.start, "block", "it is used for two places of the disk"));
        }
    }
    layout.check(&mut findings)?;
    Ok(findings)
}

fn walk(layout: &dyn Layout, findings: &mut Findings) -> io::Result<Vec<Used>> {
    let mut used: Vec<Used> = Vec::new();
    let mut offset = 0;
    let mut last_packed = None;
    while offset < layout.size() {
        let run = match layout.map(offset, layout.size() - offset) {
            Ok(run) => run,
            Err(error) => {
                findings.note(error)?;
                let step = layout.block_size().unwrap_or(STEP).max(1);
                offset = (offset / step + 1).saturating_mul(step);
                continue;
            }
        };
        let range = match run.piece {
            Piece::Absent | Piece::Zero => None,
            Piece::Stored { storage, offset } => Some((storage, offset, run.len)),
            // A block may come in several runs.
            Piece::Packed(packed) if last_packed == Some(packed.start) => None,
            Piece::Packed(packed) => {
                last_packed = Some(packed.start);
                // How much of the packed bytes is really used is not known before they are unpacked.
                Some((packed.storage, packed.offset, 1))
            }
        };
        if let Some((index, start, len)) = range
            && let Some(storage) = layout.storages().get(index)
        {
            let end = start.saturating_add(len);
            if end > storage.size() {
                findings.add(past_the_end(storage, start));
            }
            match used.last_mut() {
                Some(last) if last.storage == index && last.end == start => last.end = end,
                _ => used.push(Used { storage: index, start, end }),
            }
        }
        offset += run.len.max(1);
    }
    Ok(used)
}

fn past_the_end(storage: &Arc<dyn Storage>, offset: u64) -> Damage {
    Damage::new(
        storage.as_ref(),
        offset,
        "block",
        format!("it ends past the end of the file ({} bytes)", storage.size()),
    )
}
