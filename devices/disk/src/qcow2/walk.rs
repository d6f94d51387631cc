//! Every cluster that the tables name, one after the other.

use std::io;

use super::entry::Cluster;
use super::header::{Header, L1};
use super::spec;
use crate::error::Damage;
use crate::storage::{Storage, read_bytes};

/// How much of a table is read at a time, in bytes.
const CHUNK: u64 = 64 << 10;

/// Who is told of clusters. `slot` is where in the file the entry stands that names them.
pub trait Visitor {
    /// A whole cluster of the file: a table, or data.
    fn whole(&mut self, place: u64, slot: u64) -> io::Result<()>;

    /// A compressed cluster: at most `len` bytes of the file.
    fn packed(&mut self, place: u64, len: u32, slot: u64) -> io::Result<()>;

    /// An entry or a table that cannot be. An error ends the walk.
    fn damage(&mut self, damage: Damage) -> io::Result<()>;
}

/// Tells `visitor` of an L1 table and of the L2 tables that it names, and `each` of where these are.
pub fn l1(
    header: &Header,
    storage: &dyn Storage,
    l1: L1,
    visitor: &mut dyn Visitor,
    each: &mut dyn FnMut(u64, &mut dyn Visitor) -> io::Result<()>,
) -> io::Result<()> {
    let len = u64::from(l1.entries) * spec::ENTRY;
    rows(header, storage, l1.offset, len, visitor)?;
    entries(storage, l1.offset, len, spec::ENTRY, &mut |slot, entry| {
        let place = word(entry) & spec::OFFSET;
        if place == 0 {
            return Ok(());
        }
        if !place.is_multiple_of(header.cluster()) || place >= storage.size() {
            return visitor.damage(Damage::new(storage, slot, "L1 entry", "it is not on a cluster of the file"));
        }
        visitor.whole(place, slot)?;
        each(place, visitor)
    })
}

/// Tells `visitor` of the clusters that a table of `len` bytes takes up.
pub fn rows(
    header: &Header,
    storage: &dyn Storage,
    offset: u64,
    len: u64,
    visitor: &mut dyn Visitor,
) -> io::Result<()> {
    let end = offset.checked_add(len).filter(|end| *end <= storage.size());
    let (Some(end), true) = (end, offset.is_multiple_of(header.cluster())) else {
        return visitor.damage(Damage::new(storage, offset, "table", "it is not on clusters of the file"));
    };
    let mut place = offset;
    while place < end {
        visitor.whole(place, offset)?;
        place += header.cluster();
    }
    Ok(())
}

/// Tells `visitor` of all that an L2 table names.
pub fn l2(header: &Header, storage: &dyn Storage, table: u64, visitor: &mut dyn Visitor) -> io::Result<()> {
    entries(storage, table, header.cluster(), header.l2_entry(), &mut |slot, entry| {
        let bitmap = entry.get(8..).map_or(0, word);
        match Cluster::decode(header, word(entry), bitmap) {
            Ok(Cluster::Packed(place, len)) => visitor.packed(place, len, slot),
            Ok(cluster) => cluster.place().map_or(Ok(()), |place| visitor.whole(place, slot)),
            Err(problem) => visitor.damage(Damage::new(storage, slot, "L2 entry", problem)),
        }
    })
}

/// Calls `visit` with the place and the bytes of each entry, but for some that are zero; past the end of the file there are
/// none.
pub fn entries(
    storage: &dyn Storage,
    offset: u64,
    len: u64,
    entry: u64,
    visit: &mut dyn FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let end = offset.saturating_add(len).min(storage.size());
    let mut at = offset;
    while end.saturating_sub(at) >= entry {
        let mut bytes = vec![0; usize::try_from(CHUNK.min(end - at)).map_err(io::Error::other)?];
        read_bytes(storage, at, &mut bytes)?;
        let next = at + bytes.len() as u64 / entry * entry;
        if bytes.iter().all(|byte| *byte == 0) {
            // A file may claim more than anybody could read; what it holds is what it costs.
            at = next.max(storage.data_after(next)?.start / entry * entry);
            continue;
        }
        for bytes in bytes.chunks_exact(usize::try_from(entry).map_err(io::Error::other)?) {
            visit(at, bytes)?;
            at += entry;
        }
    }
    Ok(())
}

/// The first eight bytes.
pub fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
