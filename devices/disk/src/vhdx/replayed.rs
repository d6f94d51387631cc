//! A file as it would be if its log had been replayed ([MS-VHDX] 2.3.3); the file itself is not changed.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use vm_memory::VolatileSlice;

use crate::buffers::{Cursor, clear, fill, total};
use crate::storage::{Storage, read_array};

use super::spec::{LOG_SECTOR_SIZE, put_into};

/// What the log puts into a range of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Zeroes, for any number of bytes.
    Zero,
    /// 4096 bytes: those of a data sector, but for the first and the last ones.
    Sector {
        /// Where the data sector is in the file, in bytes.
        at: u64,
        /// The first bytes.
        leading: [u8; 8],
        /// The last bytes.
        trailing: [u8; 4],
    },
}

/// The changes of a log: ranges that do not overlap, each by its start, with its end.
#[derive(Debug, Default)]
pub struct Changes(BTreeMap<u64, (u64, Content)>);

impl Changes {
    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Puts `content` into `start..end`, over what was put there before. All are multiples of 4096, so that only ranges of
    /// zeroes are ever cut.
    pub fn put(&mut self, start: u64, end: u64, content: Content) {
        if start >= end {
            return;
        }
        if let Some((_, (before_end, before))) = self.0.range_mut(..start).next_back()
            && *before_end > start
        {
            let (rest_end, rest) = (*before_end, *before);
            *before_end = start;
            if rest_end > end {
                self.0.insert(end, (rest_end, rest));
            }
        }
        while let Some((&from, &(to, old))) = self.0.range(start..end).next() {
            self.0.remove(&from);
            if to > end {
                self.0.insert(end, (to, old));
            }
        }
        self.0.insert(start, (end, content));
    }

    /// What is at `offset`, with the end of its range; without content, up to where the next range begins.
    fn at(&self, offset: u64) -> (Option<(u64, Content)>, u64) {
        match self.0.range(..=offset).next_back() {
            Some((start, (end, content))) if *end > offset => (Some((*start, *content)), *end),
            _ => (None, self.0.range(offset..).next().map_or(u64::MAX, |(start, _)| *start)),
        }
    }
}

/// The file with the changes of its log.
#[derive(Debug)]
pub struct Replayed {
    file: Arc<dyn Storage>,
    size: u64,
    changes: Changes,
}

impl Replayed {
    /// `file` with `changes`, made longer by zeroes if it is shorter than `size` bytes.
    pub fn new(file: Arc<dyn Storage>, changes: Changes, size: u64) -> Self {
        Self { size: size.max(file.size()), file, changes }
    }

    fn sector(&self, at: u64, leading: [u8; 8], trailing: [u8; 4]) -> io::Result<[u8; LOG_SECTOR_SIZE]> {
        let mut bytes = read_array(self.file.as_ref(), at)?;
        put_into(&mut bytes, 0, leading);
        put_into(&mut bytes, LOG_SECTOR_SIZE - trailing.len(), trailing);
        Ok(bytes)
    }
}

impl Storage for Replayed {
    fn name(&self) -> String {
        self.file.name()
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn read_at(&self, mut offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        let end = offset.checked_add(total(into)).filter(|end| *end <= self.size);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut cursor = Cursor::new(into);
        while offset < end {
            let (content, until) = self.changes.at(offset);
            let in_file = self.file.size();
            let until = if content.is_none() && offset < in_file { until.min(in_file) } else { until }.min(end);
            let buffers = cursor.take(until - offset);
            match content {
                Some((start, Content::Sector { at, leading, trailing })) => {
                    let bytes = self.sector(at, leading, trailing)?;
                    let range = usize::try_from(offset - start).ok().zip(usize::try_from(until - start).ok());
                    fill(&buffers, range.and_then(|(from, to)| bytes.get(from..to)).unwrap_or_default())?;
                }
                None if offset < in_file => self.file.read_at(offset, &buffers)?,
                Some((_, Content::Zero)) | None => clear(&buffers)?,
            }
            offset = until;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::read_bytes;
    use crate::storage::testing::Memory;

    const SECTOR: u64 = LOG_SECTOR_SIZE as u64;

    #[test]
    fn later_changes_cover_earlier_ones() {
        let mut changes = Changes::default();
        let sector = |at| Content::Sector { at, leading: [0; 8], trailing: [0; 4] };
        changes.put(0, 10 * SECTOR, Content::Zero);
        changes.put(2 * SECTOR, 3 * SECTOR, sector(1));
        changes.put(2 * SECTOR, 3 * SECTOR, sector(2));
        changes.put(3 * SECTOR, 4 * SECTOR, sector(3));
        changes.put(9 * SECTOR, 12 * SECTOR, Content::Zero);
        changes.put(SECTOR, 3 * SECTOR, Content::Zero);
        changes.put(5, 5, Content::Zero);
        let found: Vec<_> =
            changes.0.iter().map(|(start, (end, content))| (start / SECTOR, end / SECTOR, *content)).collect();
        let zero = Content::Zero;
        assert_eq!(found, [(0, 1, zero), (1, 3, zero), (3, 4, sector(3)), (4, 9, zero), (9, 12, zero)]);
        changes.put(0, u64::MAX - 4095, Content::Zero);
        assert_eq!(changes.len(), 1);
    }

    #[test]
    fn reads_cross_file_changes_and_end() {
        let mut file = vec![1; 3 * 4096 + 100];
        file[4096..8192].fill(2);
        let mut changes = Changes::default();
        changes.put(0, 2048, Content::Zero);
        changes.put(4096, 8192, Content::Sector { at: 4096, leading: [8; 8], trailing: [4; 4] });
        changes.put(16384, 20480, Content::Sector { at: 4096, leading: [8; 8], trailing: [4; 4] });
        let replayed = Replayed::new(Memory::new(file.clone()), changes, 20490);
        let mut expected = file;
        expected.resize(20490, 0);
        expected[..2048].fill(0);
        for at in [4096, 16384] {
            expected[at..at + 4096].fill(2);
            expected[at..at + 8].fill(8);
            expected[at + 4092..at + 4096].fill(4);
        }
        for (from, to) in [(0, 20490), (2000, 2100), (4090, 4110), (8180, 16390), (12300, 12500), (20470, 20490)] {
            let mut bytes = vec![9; to - from];
            read_bytes(&replayed, from as u64, &mut bytes).unwrap();
            assert_eq!(bytes, expected[from..to], "{from}..{to}");
        }
        read_bytes(&replayed, 20490, &mut [0]).unwrap_err();
        read_bytes(&replayed, u64::MAX, &mut [0]).unwrap_err();
    }
}
