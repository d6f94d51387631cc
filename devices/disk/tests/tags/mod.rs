//! A disk whose sectors say who wrote them, so that after a crash each can be told to be old, new or neither.
#![allow(dead_code, missing_docs)] // each test program uses a part of it

pub mod power;

use ovum_disk::{Disk, SECTOR};

use crate::judge::{Random, read, write};

/// One change of a disk, of whole sectors.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    /// Sectors from the first number to the second get a tag each, from the third number on.
    Write(u64, u64, u64),
    Zero(u64, u64, bool),
    Discard(u64, u64),
    Flush,
}

/// The changes of a seed, without end.
pub struct Changes {
    random: Random,
    sectors: u64,
    number: u64,
}

impl Changes {
    pub fn new(seed: u64, sectors: u64) -> Self {
        Self { random: Random::new(seed), sectors, number: 0 }
    }
}

impl Iterator for Changes {
    type Item = Change;

    fn next(&mut self) -> Option<Change> {
        self.number += 1;
        let most = if self.random.below(4) == 0 { 600 } else { 40 };
        let start = self.random.below(self.sectors);
        let end = (start + 1 + self.random.below(most)).min(self.sectors);
        Some(match self.random.below(16) {
            0..3 => Change::Flush,
            3..5 => Change::Zero(start, end, self.random.below(2) == 0),
            5..7 => Change::Discard(start, end),
            _ => Change::Write(start, end, (self.number << 20) + 1),
        })
    }
}

impl Change {
    pub fn apply(self, disk: &dyn Disk) -> std::io::Result<()> {
        match self {
            Self::Write(start, end, tag) => {
                let mut bytes = bytes_of((0..end - start).map(|index| tag + index));
                disk.write_at(start * SECTOR, &[vm_memory::VolatileSlice::from(bytes.as_mut_slice())])
            }
            Self::Zero(start, end, unmap) => disk.write_zeroes(start * SECTOR..end * SECTOR, unmap),
            Self::Discard(start, end) => disk.discard(start * SECTOR..end * SECTOR),
            Self::Flush => disk.flush(),
        }
    }
}

fn bytes_of(tags: impl Iterator<Item = u64>) -> Vec<u8> {
    tags.map(|tag| tag.to_le_bytes().repeat(64)).collect::<Vec<_>>().concat()
}

/// What each sector may hold.
pub struct Expected {
    /// What was there at the last flush.
    pub sure: Vec<u64>,
    /// What has been written since.
    pub maybe: Vec<(u64, u64)>,
    /// Sectors of a cluster.
    cluster: u64,
}

impl Expected {
    pub fn new(sure: Vec<u64>, cluster_size: u64) -> Self {
        Self { sure, maybe: Vec::new(), cluster: cluster_size / SECTOR }
    }

    /// Takes note of a change that may not be there after a crash.
    pub fn change(&mut self, change: Change) {
        match change {
            Change::Write(start, end, tag) => self.maybe.extend((start..end).zip(tag..)),
            Change::Zero(start, end, _) => self.maybe.extend((start..end).map(|sector| (sector, 0))),
            Change::Discard(start, end) => {
                // Only whole clusters change, and the last one is whole when the disk ends in it.
                let start = start.next_multiple_of(self.cluster);
                let end = if end == self.sure.len() as u64 { end } else { end - end % self.cluster };
                self.maybe.extend((start..end).map(|sector| (sector, 0)));
            }
            Change::Flush => (),
        }
    }

    /// Everything that was changed is there, whatever happens.
    pub fn settle(&mut self) {
        for (sector, tag) in std::mem::take(&mut self.maybe) {
            self.sure[usize::try_from(sector).unwrap()] = tag;
        }
    }

    /// Asserts that `disk` holds in each sector what was there at the last flush, or what was written since; from now on, that
    /// is what is there.
    pub fn judge(&mut self, disk: &dyn Disk, context: &str) {
        self.look(disk, context);
        self.settle();
    }

    /// As [`Expected::judge`], but what is there now may still be lost.
    pub fn look(&mut self, disk: &dyn Disk, context: &str) {
        let found = tags(disk);
        assert_eq!(found.len(), self.sure.len(), "{context}");
        let mut allowed = vec![Vec::new(); found.len()];
        for (sector, tag) in &self.maybe {
            allowed[usize::try_from(*sector).unwrap()].push(*tag);
        }
        for (sector, tag) in found.iter().enumerate() {
            let is_right = *tag == self.sure[sector] || allowed[sector].contains(tag);
            let sure = self.sure[sector];
            assert!(is_right, "{context}: sector {sector} is {tag:#x}, not {sure:#x} or {:#x?}", allowed[sector]);
        }
        self.maybe
            .extend((0..).zip(found).filter(|(sector, _)| !allowed[usize::try_from(*sector).unwrap()].is_empty()));
    }
}

/// The tags of all sectors.
pub fn tags(disk: &dyn Disk) -> Vec<u64> {
    let bytes = read(disk, 0, usize::try_from(disk.size()).unwrap());
    let tag = |(sector, bytes): (usize, &[u8])| {
        assert!(bytes[..504] == bytes[8..], "sector {sector} is torn: {bytes:x?}");
        u64::from_le_bytes(bytes[..8].try_into().unwrap())
    };
    bytes.chunks(512).enumerate().map(tag).collect()
}

/// Bytes of a disk with a tag in most sectors.
pub fn base(sectors: u64, random: &mut Random) -> Vec<u8> {
    let tag = |sector| if random.below(8) == 0 { 0 } else { (1 << 62) + sector };
    bytes_of((0..sectors).map(tag).collect::<Vec<_>>().into_iter())
}

/// Writes a tag to a disk.
pub fn tag(disk: &dyn Disk, sector: u64, tag: u64) {
    write(disk, sector * SECTOR, &bytes_of([tag].into_iter()));
}
