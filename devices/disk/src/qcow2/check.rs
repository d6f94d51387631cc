//! Looking for what is wrong with an image: refcounts that are not those that the tables make.

use std::collections::HashMap;
use std::io;

use super::counts::MAX_CLUSTERS;
use super::header::{Header, L1};
use super::spec::{self, snapshot};
use super::walk::{self, Visitor};
use crate::check::Findings;
use crate::error::Damage;
use crate::storage::{Storage, read_bytes};

/// The most L1 entries of all snapshots together that are looked at.
const MAX_ENTRIES: u64 = 1 << 24;

/// How often each cluster of the file is named.
struct Named<'a> {
    header: &'a Header,
    counts: Vec<u16>,
    findings: &'a mut Findings,
    /// Whether what is wrong with the tables is told elsewhere: whoever maps the whole disk comes across it.
    quiet: bool,
    /// How often all that is told counts.
    times: u16,
}

impl Named<'_> {
    fn add(&mut self, place: u64, len: u64) {
        let index = |at: u64| usize::try_from(at >> self.header.cluster_bits).unwrap_or(usize::MAX);
        for index in index(place)..=index(place.saturating_add(len.saturating_sub(1))) {
            // What is past the end of the file has no refcount to compare with.
            self.counts.get_mut(index).into_iter().for_each(|count| *count = count.saturating_add(self.times));
        }
    }
}

impl Visitor for Named<'_> {
    fn whole(&mut self, place: u64, _: u64) -> io::Result<()> {
        self.add(place, 1);
        Ok(())
    }

    fn packed(&mut self, place: u64, len: u32, _: u64) -> io::Result<()> {
        self.add(place, u64::from(len));
        Ok(())
    }

    fn damage(&mut self, damage: Damage) -> io::Result<()> {
        if !self.quiet {
            self.findings.add(damage);
        }
        Ok(())
    }
}

/// Compares the refcounts with what the tables name. An image that is dirty has none to speak of: they are made when it is
/// opened to be changed.
pub fn check(header: &Header, storage: &dyn Storage, findings: &mut Findings) -> io::Result<()> {
    let clusters = storage.size().div_ceil(header.cluster());
    if header.incompatible & spec::DIRTY != 0 || clusters > MAX_CLUSTERS {
        return Ok(());
    }
    let counts = vec![0; usize::try_from(clusters).map_err(io::Error::other)?];
    let mut named = Named { header, counts, findings, quiet: true, times: 1 };
    named.add(0, 1);
    let mut tables = HashMap::new();
    l1(header, storage, header.l1, &mut named, &mut tables)?;
    named.quiet = false;
    snapshots(header, storage, &mut named, &mut tables)?;
    // An L2 table of several snapshots is looked at once: tables that all name each other's would take forever.
    for (table, (times, quiet)) in tables {
        (named.times, named.quiet) = (times, quiet);
        walk::l2(header, storage, table, &mut named)?;
    }
    (named.times, named.quiet) = (1, false);
    compare(header, storage, &mut named)
}

/// L2 tables by their places: how often they are named, and whether the active L1 table is among those who do.
type Tables = HashMap<u64, (u16, bool)>;

/// Counts an L1 table and the L2 tables that it names.
fn l1(header: &Header, storage: &dyn Storage, l1: L1, named: &mut Named<'_>, tables: &mut Tables) -> io::Result<()> {
    let quiet = named.quiet;
    walk::l1(header, storage, l1, named, &mut |table, _| {
        let (times, is_active) = tables.entry(table).or_default();
        *times = times.saturating_add(1);
        *is_active |= quiet;
        Ok(())
    })
}

/// Counts what internal snapshots name.
fn snapshots(header: &Header, storage: &dyn Storage, named: &mut Named<'_>, tables: &mut Tables) -> io::Result<()> {
    if header.snapshots > snapshot::MAX {
        let problem = format!("{} snapshots are more than anybody reads", header.snapshots);
        named.findings.add(Damage::new(storage, spec::at::NB_SNAPSHOTS, "nb_snapshots", problem));
        return Ok(());
    }
    let mut at = header.snapshots_offset;
    let mut left = MAX_ENTRIES;
    for _ in 0..header.snapshots {
        let mut entry = [0; snapshot::FIXED];
        if read_bytes(storage, at, &mut entry).is_err() {
            named.findings.add(Damage::new(storage, at, "snapshot table", "it is past the end of the file"));
            return Ok(());
        }
        let number = |at: usize, len: usize| {
            let bytes = entry.get(at..at + len).unwrap_or_default();
            bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        };
        let entries = number(snapshot::L1_SIZE, 4).min(spec::MAX_L1 / spec::ENTRY).min(left);
        left -= entries;
        let l1 = L1 { offset: number(snapshot::L1_TABLE_OFFSET, 8), entries: u32::try_from(entries).unwrap_or(0) };
        self::l1(header, storage, l1, named, tables)?;
        let strings = number(snapshot::ID_SIZE, 2) + number(snapshot::NAME_SIZE, 2);
        let len = snapshot::FIXED as u64 + strings + number(snapshot::EXTRA_SIZE, 4);
        at = at.saturating_add(len.next_multiple_of(8));
    }
    if header.snapshots > 0 {
        walk::rows(header, storage, header.snapshots_offset, at - header.snapshots_offset, named)?;
    }
    Ok(())
}

/// Goes through the refcount blocks; counts them on the way.
fn compare(header: &Header, storage: &dyn Storage, named: &mut Named<'_>) -> io::Result<()> {
    let per_block = (header.cluster() * 8) >> header.refcount_order;
    let table = header.refcounts;
    let len = (u64::from(table.clusters) * header.cluster()).min(spec::MAX_REFCOUNT_TABLE);
    walk::rows(header, storage, table.offset, len, named)?;
    // Only as many blocks as there are clusters to count; what the table says behind that is not used.
    let blocks = (named.counts.len() as u64).div_ceil(per_block);
    let mut places = vec![0; usize::try_from(blocks).map_err(io::Error::other)?];
    walk::entries(storage, table.offset, len.min(blocks * spec::ENTRY), spec::ENTRY, &mut |slot, entry| {
        let place = walk::word(entry) & spec::REFCOUNT_BLOCK_OFFSET;
        let is_wrong = !place.is_multiple_of(header.cluster()) || place >= storage.size();
        if is_wrong {
            named.findings.add(Damage::new(
                storage,
                slot,
                "refcount table entry",
                "it is not on a cluster of the file",
            ));
        } else if place != 0 {
            named.add(place, 1);
            let index = usize::try_from((slot - table.offset) / spec::ENTRY).map_err(io::Error::other)?;
            places.get_mut(index).into_iter().for_each(|to| *to = place);
        }
        Ok(())
    })?;
    for (index, place) in (0..).zip(places) {
        let block = Block::read(header, storage, place)?;
        let first = index * per_block;
        for cluster in first..(first + per_block).min(named.counts.len() as u64) {
            judge(header, storage, place, cluster, block.count(cluster - first), named);
        }
    }
    Ok(())
}

fn judge(header: &Header, storage: &dyn Storage, block: u64, cluster: u64, kept: u64, named: &mut Named<'_>) {
    let counted = usize::try_from(cluster).ok().and_then(|index| named.counts.get(index).copied()).unwrap_or(0);
    match kept.cmp(&u64::from(counted)) {
        std::cmp::Ordering::Less => {
            let place = cluster << header.cluster_bits;
            let problem = format!("the cluster at {place} is counted {kept} times and used {counted} times");
            named.findings.add(Damage::new(storage, block, "refcount block", problem));
        }
        // What bitmaps use is not looked for; and more often than this, nobody counts.
        std::cmp::Ordering::Greater if !header.has_bitmaps && counted < u16::MAX => {
            named.findings.leaked = named.findings.leaked.saturating_add(header.cluster());
        }
        _ => (),
    }
}

/// A refcount block.
struct Block {
    bytes: Vec<u8>,
    order: u32,
}

impl Block {
    /// The block at `place`; at 0 there is none, and all its counts are 0.
    fn read(header: &Header, storage: &dyn Storage, place: u64) -> io::Result<Self> {
        let len = header.cluster().min(storage.size().saturating_sub(place));
        let mut bytes = vec![0; if place == 0 { 0 } else { usize::try_from(len).map_err(io::Error::other)? }];
        read_bytes(storage, place, &mut bytes)?;
        Ok(Self { bytes, order: header.refcount_order })
    }

    fn count(&self, index: u64) -> u64 {
        let bit = index << self.order;
        let from = usize::try_from(bit / 8).unwrap_or(usize::MAX);
        let len = ((1_usize << self.order) / 8).max(1);
        let bytes = self.bytes.get(from..).and_then(|bytes| bytes.get(..len)).unwrap_or_default();
        let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        if self.order >= 3 { number } else { number >> (bit % 8) & ((1 << (1 << self.order)) - 1) }
    }
}
