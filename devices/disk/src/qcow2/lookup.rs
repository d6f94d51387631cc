//! From a place on the disk to a place in the file, through the L1 and an L2 table.

use std::io;

use super::entry::Cluster;
use super::header::{Header, L1};
use super::spec;
use crate::error::Damage;
use crate::image::layout::{Packed, Piece, Run};
use crate::image::tables::Tables;
use crate::storage::Storage;

/// How much of a table is read at a time to see how far a run goes, in bytes.
const AHEAD: usize = 512;
/// How many L1 entries of nothing are looked at in one go.
const L1_AHEAD: u64 = 4096;

/// Where tables are read from.
pub trait Entries {
    /// Fills `into` with what stands at `offset` of the file.
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
}

impl Entries for Tables {
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        Self::read(self, offset, into)
    }
}

/// Where an L2 entry is.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    /// The L2 table's place in the file.
    pub table: u64,
    /// Which entry.
    pub index: u64,
}

/// A look at the tables of an image.
pub struct Lookup<'a> {
    pub header: &'a Header,
    pub l1: L1,
    pub storage: &'a dyn Storage,
    pub entries: &'a dyn Entries,
}

impl Lookup<'_> {
    fn damage(&self, offset: u64, field: &'static str, problem: impl Into<String>) -> io::Error {
        Damage::new(self.storage, offset, field, problem).into()
    }

    /// Fills `into` from a table; a table that the file ends in is damage.
    fn read(&self, offset: u64, into: &mut [u8], field: &'static str) -> io::Result<()> {
        self.entries.read(offset, into).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damage(offset, field, "it is past the end of the file"),
            _ => error,
        })
    }

    /// Where entry `index` of the L1 table is in the file.
    pub fn l1_slot(&self, index: u64) -> io::Result<u64> {
        if index >= u64::from(self.l1.entries) {
            return Err(self.damage(self.l1.offset, "L1 table", format!("it has no entry {index}")));
        }
        Ok(self.l1.offset + index * spec::ENTRY)
    }

    /// The place of the L2 table that entry `index` of the L1 table names, if any.
    pub fn l2_table(&self, index: u64) -> io::Result<Option<u64>> {
        let slot = self.l1_slot(index)?;
        let mut bytes = [0; 8];
        self.read(slot, &mut bytes, "L1 table")?;
        let offset = u64::from_be_bytes(bytes) & spec::OFFSET;
        if !offset.is_multiple_of(self.header.cluster()) {
            return Err(self.damage(slot, "L1 entry", format!("a table at {offset} is not on a cluster of the file")));
        }
        Ok((offset != 0).then_some(offset))
    }

    /// The slot of the cluster at `offset` of the disk, if there is an L2 table for it.
    pub fn slot(&self, offset: u64) -> io::Result<Option<Slot>> {
        let table = self.l2_table(offset / self.header.l2_span())?;
        let index = (offset % self.header.l2_span()) >> self.header.cluster_bits;
        Ok(table.map(|table| Slot { table, index }))
    }

    /// Where the entry of `slot` is in the file.
    pub fn place(&self, slot: Slot) -> u64 {
        slot.table + slot.index * self.header.l2_entry()
    }

    /// What the entry of `slot` says.
    pub fn cluster(&self, slot: Slot) -> io::Result<Cluster> {
        let mut bytes = [0; 16];
        let len = if self.header.is_extended() { 16 } else { 8 };
        self.read(self.place(slot), bytes.get_mut(..len).unwrap_or_default(), "L2 table")?;
        self.decode(self.place(slot), bytes)
    }

    fn decode(&self, place: u64, bytes: [u8; 16]) -> io::Result<Cluster> {
        let [entry, bitmap] = words(bytes);
        Cluster::decode(self.header, entry, bitmap).map_err(|problem| self.damage(place, "L2 entry", problem))
    }

    /// What stands at `offset` of the disk, and for how many bytes, as far as one L2 table says it.
    pub fn map(&self, offset: u64, limit: u64) -> io::Result<Run> {
        match self.slot(offset)? {
            Some(slot) => self.map_table(slot, offset, limit),
            None => self.map_nothing(offset, limit),
        }
    }

    /// How far there is no L2 table.
    fn map_nothing(&self, offset: u64, limit: u64) -> io::Result<Run> {
        let span = self.header.l2_span();
        let first = offset / span;
        let mut len = span - offset % span;
        for index in first + 1..first + L1_AHEAD {
            if len >= limit || index >= u64::from(self.l1.entries) || !matches!(self.l2_table(index), Ok(None)) {
                break;
            }
            len = len.saturating_add(span);
        }
        Ok(Run { piece: Piece::Absent, len: len.min(limit) })
    }

    /// The run that begins with the entry of `slot`.
    fn map_table(&self, mut slot: Slot, offset: u64, limit: u64) -> io::Result<Run> {
        let cluster = self.header.cluster();
        let entry = self.header.l2_entry();
        let mut within = offset % cluster;
        let mut run: Option<Run> = None;
        let wanted = |run: &Option<Run>| limit.saturating_sub(run.as_ref().map_or(0, |run| run.len));
        while slot.index < self.header.l2_entries() && wanted(&run) > 0 {
            let clusters = (within + wanted(&run)).div_ceil(cluster).min(self.header.l2_entries() - slot.index);
            let mut bytes = [0; AHEAD];
            let len = (clusters * entry).min(AHEAD as u64);
            let bytes = bytes.get_mut(..usize::try_from(len).unwrap_or(AHEAD)).unwrap_or_default();
            match (self.read(self.place(slot), bytes, "L2 table"), &run) {
                (Err(_), Some(_)) => break,
                (result, _) => result?,
            }
            for bytes in bytes.chunks_exact(usize::try_from(entry).unwrap_or(8)) {
                let start = slot.index * cluster;
                let goes_on =
                    match self.pieces(slot, bytes, offset - offset % self.header.l2_span() + start, within, &mut run) {
                        Err(_) if run.is_some() => false,
                        result => result?,
                    };
                if !goes_on {
                    return run.ok_or_else(|| io::ErrorKind::InvalidData.into());
                }
                within = 0;
                slot.index += 1;
            }
        }
        let mut run = run.ok_or(io::ErrorKind::InvalidData)?;
        run.len = run.len.min(limit);
        Ok(run)
    }

    /// Makes `run` longer by what the entry `bytes` of `slot` says of its cluster, which begins at `start` of the disk, from
    /// `within` it on. Returns whether the run may go on behind the cluster.
    fn pieces(&self, slot: Slot, bytes: &[u8], start: u64, within: u64, run: &mut Option<Run>) -> io::Result<bool> {
        let cluster = self.header.cluster();
        let mut padded = [0; 16];
        padded.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let what = self.decode(self.place(slot), padded)?;
        let Cluster::Parts(parts) = what else {
            let (piece, len) = self.piece(slot, what, start, within, cluster)?;
            return Ok(join(run, piece, len) && within + len == cluster);
        };
        let subcluster = cluster / u64::from(spec::SUBCLUSTERS);
        let mut at = within;
        while at < cluster {
            let index = u32::try_from(at / subcluster).unwrap_or(u32::MAX);
            let (what, count) = parts.at(index, subcluster);
            let len = u64::from(count) * subcluster;
            let (piece, len) = match self.piece(slot, what, start, at % subcluster, len) {
                Err(_) if run.is_some() => return Ok(false),
                result => result?,
            };
            if !join(run, piece, len) {
                return Ok(false);
            }
            at += len;
        }
        Ok(true)
    }

    /// What stands from `within` a cluster, or row of subclusters, of `len` bytes on, and how many bytes of it.
    fn piece(&self, slot: Slot, what: Cluster, start: u64, within: u64, len: u64) -> io::Result<(Piece, u64)> {
        let rest = len - within;
        match what {
            Cluster::Absent | Cluster::Parts(_) => Ok((Piece::Absent, rest)),
            Cluster::Zero(_) => Ok((Piece::Zero, rest)),
            Cluster::Stored(offset) => {
                let offset = offset + within;
                let left = self.storage.size().saturating_sub(offset);
                if left == 0 {
                    return Err(self.past_the_end(slot, offset));
                }
                Ok((Piece::Stored { storage: 0, offset }, rest.min(left)))
            }
            Cluster::Packed(offset, packed_len) => {
                if offset >= self.storage.size() {
                    return Err(self.past_the_end(slot, offset));
                }
                // At most 2 MiB.
                let len = u32::try_from(len).map_err(io::Error::other)?;
                Ok((Piece::Packed(Packed { start, len, storage: 0, offset, packed_len }), rest))
            }
        }
    }

    fn past_the_end(&self, slot: Slot, offset: u64) -> io::Error {
        let problem = format!("a cluster at {offset} is past the end of the file ({} bytes)", self.storage.size());
        self.damage(self.place(slot), "L2 entry", problem)
    }
}

/// Both halves of an extended entry.
fn words(bytes: [u8; 16]) -> [u64; 2] {
    let both = u128::from_be_bytes(bytes);
    [both >> 64, both & u128::from(u64::MAX)].map(|word| u64::try_from(word).unwrap_or(0))
}

/// Makes `run` longer if `piece` goes on where it ends.
fn join(run: &mut Option<Run>, piece: Piece, len: u64) -> bool {
    let Some(run) = run else {
        *run = Some(Run { piece, len });
        return true;
    };
    let goes_on = match (&run.piece, &piece) {
        (Piece::Absent, Piece::Absent) | (Piece::Zero, Piece::Zero) => true,
        (Piece::Stored { offset: before, .. }, Piece::Stored { offset, .. }) => before + run.len == *offset,
        _ => false,
    };
    if goes_on {
        run.len += len;
    }
    goes_on
}
