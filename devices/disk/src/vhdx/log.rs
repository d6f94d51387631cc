//! The log: changes that were decided and may not have reached their places ([MS-VHDX] 2.3).
//!
//! It is a ring of entries. The newest sequence of whole entries, numbered one after the other, whose last one says that it
//! needs none before the first, is what counts. An entry that was torn by a crash ends the sequence.

use std::io;
use std::sync::Arc;

use crate::error::{Damage, LayoutError};
use crate::storage::{Storage, read_array};

use super::checksum::Checksum;
use super::header::Header;
use super::replayed::{Changes, Content, Replayed};
use super::spec::{
    self, DESCRIPTOR_SIZE, LOG_HEADER_SIZE, LOG_SECTOR, LOG_SECTOR_SIZE, descriptor, entry, field, sector, u32_at,
    u64_at,
};

/// How many times the bytes of the log may be read to compute checksums: a log that is no trick needs three.
const READS: u64 = 4;

/// `storage` with the changes that its log holds; `storage` itself if it holds none.
pub fn replay(storage: Arc<dyn Storage>, header: &Header) -> Result<Arc<dyn Storage>, LayoutError> {
    if header.log_guid == [0; 16] {
        return Ok(storage);
    }
    let mut log = Log::new(storage.as_ref(), header)?;
    let sequence = log.newest()?;
    let Some(head) = sequence.last() else {
        return Err(log.damage(0, "there is something to replay, and no entry is whole").into());
    };
    if head.flushed > storage.size() {
        let problem = format!("the file had {} bytes once, and has {}", head.flushed, storage.size());
        return Err(Damage::new(storage.as_ref(), log.place(head.at), "FlushedFileOffset", problem).into());
    }
    let mut changes = Changes::default();
    for entry in &sequence {
        log.walk(entry, &mut |start, end, content| {
            if changes.len() <= spec::MOST_CHANGES {
                changes.put(start, end, content);
            }
        })?;
    }
    if changes.len() > spec::MOST_CHANGES {
        return Err(too_long("too many changes"));
    }
    let size = head.last;
    Ok(Arc::new(Replayed::new(storage, changes, size)))
}

fn too_long(what: &str) -> LayoutError {
    LayoutError::Unsupported {
        what: format!("its log holds {what} that were not finished"),
        remedy: "open and close it with the program that made it, or with: qemu-img check -r all",
    }
}

/// An entry that is whole.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Where it is in the log, in bytes.
    at: u64,
    length: u64,
    tail: u64,
    sequence: u64,
    descriptors: u64,
    flushed: u64,
    last: u64,
}

impl Entry {
    /// Sectors of header and descriptors.
    fn front(&self) -> u64 {
        (LOG_HEADER_SIZE as u64 + self.descriptors * DESCRIPTOR_SIZE as u64).div_ceil(LOG_SECTOR)
    }
}

struct Log<'s> {
    storage: &'s dyn Storage,
    guid: spec::Guid,
    offset: u64,
    length: u64,
    /// Bytes that may still be read for checksums.
    left: u64,
}

impl<'s> Log<'s> {
    fn new(storage: &'s dyn Storage, header: &Header) -> Result<Self, LayoutError> {
        if header.log_version != spec::LOG_VERSION {
            return Err(too_long(&format!("changes, in version {},", header.log_version)));
        }
        let (offset, length) = (header.log_offset, u64::from(header.log_length));
        let aligned = [offset, length].iter().all(|value| value.is_multiple_of(spec::ALIGNMENT) && *value > 0);
        if !aligned || offset.checked_add(length).is_none_or(|end| end > storage.size()) {
            let place = header.at + spec::header::LOG_OFFSET as u64;
            let problem = format!("{length} bytes at {offset} are no log of this file");
            return Err(Damage::new(storage, place, "LogOffset", problem).into());
        }
        if header.log_length > spec::LONGEST_LOG {
            return Err(too_long(&format!("{length} bytes of changes")));
        }
        Ok(Self { storage, guid: header.log_guid, offset, length, left: length * READS })
    }

    /// Where the byte `at` of the log is in the file.
    fn place(&self, at: u64) -> u64 {
        self.offset + at % self.length
    }

    fn damage(&self, at: u64, problem: &str) -> Damage {
        Damage::new(self.storage, self.place(at), "Log", problem)
    }

    fn sector(&self, at: u64) -> io::Result<[u8; LOG_SECTOR_SIZE]> {
        read_array(self.storage, self.place(at))
    }

    /// The entries to replay, oldest first.
    fn newest(&mut self) -> Result<Vec<Entry>, LayoutError> {
        let mut newest: Vec<Entry> = Vec::new();
        let mut start = 0;
        while start < self.length {
            let entries = self.sequence(start)?;
            // What begins inside of a sequence ends where it does, so nothing is missed by going on at its end.
            start += entries.iter().map(|entry| entry.length).sum::<u64>().max(LOG_SECTOR);
            let Some(head) = entries.last() else { continue };
            let first = entries.iter().position(|entry| entry.at == head.tail);
            let is_newer = newest.last().is_none_or(|newest| head.sequence > newest.sequence);
            if let Some(first) = first.filter(|_| is_newer) {
                newest = entries.get(first..).unwrap_or_default().to_vec();
            }
        }
        Ok(newest)
    }

    /// The whole entries from `start` on that are numbered one after the other.
    fn sequence(&mut self, start: u64) -> Result<Vec<Entry>, LayoutError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut length = 0;
        while let Some(next) = self.entry((start + length) % self.length)? {
            let follows = entries.last().is_none_or(|last| last.sequence.checked_add(1) == Some(next.sequence));
            if !follows || length + next.length > self.length {
                break;
            }
            length += next.length;
            entries.push(next);
            if length == self.length {
                break;
            }
        }
        Ok(entries)
    }

    /// The entry at `at`, if there is one and it is whole.
    fn entry(&mut self, at: u64) -> Result<Option<Entry>, LayoutError> {
        let first: [u8; LOG_HEADER_SIZE] = read_array(self.storage, self.place(at))?;
        if !first.starts_with(&spec::LOG_ENTRY_MAGIC) || field(&first, entry::LOG_GUID) != self.guid {
            return Ok(None);
        }
        let found = Entry {
            at,
            length: u32_at(&first, entry::LENGTH).into(),
            tail: u32_at(&first, entry::TAIL).into(),
            sequence: u64_at(&first, entry::SEQUENCE),
            descriptors: u32_at(&first, entry::COUNT).into(),
            flushed: u64_at(&first, entry::FLUSHED),
            last: u64_at(&first, entry::LAST),
        };
        let lengths = LOG_SECTOR..=self.length;
        let fits = found.length.is_multiple_of(LOG_SECTOR) && found.front() * LOG_SECTOR <= found.length;
        if !lengths.contains(&found.length) || !fits || found.sequence == 0 {
            return Ok(None);
        }
        let left = self.left.checked_sub(found.length);
        self.left = left.ok_or_else(|| self.damage(at, "its entries overlap"))?;
        let mut checksum = Checksum::new().with(first.get(..4).unwrap_or_default()).with(&[0; 4]);
        for behind in (0..found.length).step_by(LOG_SECTOR_SIZE) {
            let skipped = if behind == 0 { spec::CHECKSUM + 4 } else { 0 };
            checksum = checksum.with(self.sector(at + behind)?.get(skipped..).unwrap_or_default());
        }
        let is_whole = checksum.value() == u32_at(&first, spec::CHECKSUM) && self.walk(&found, &mut |_, _, _| ())?;
        Ok(is_whole.then_some(found))
    }

    /// Passes the changes of an entry to `each`: where they begin and end in the file, and what is there then. `false` if a
    /// descriptor or data sector does not belong to it.
    fn walk(&self, entry: &Entry, each: &mut dyn FnMut(u64, u64, Content)) -> io::Result<bool> {
        let mut data = entry.at + entry.front() * LOG_SECTOR;
        let end = entry.at + entry.length;
        let mut page = (u64::MAX, [0; LOG_SECTOR_SIZE]);
        for number in 0..entry.descriptors {
            let at = entry.at + LOG_HEADER_SIZE as u64 + number * DESCRIPTOR_SIZE as u64;
            let start = at / LOG_SECTOR * LOG_SECTOR;
            if page.0 != start {
                page = (start, self.sector(start)?);
            }
            // A place in a sector is smaller than one.
            let bytes: [u8; DESCRIPTOR_SIZE] = field(&page.1, (at % LOG_SECTOR) as usize);
            let offset = u64_at(&bytes, descriptor::OFFSET);
            let (length, content) = match field(&bytes, 0) {
                spec::ZERO_MAGIC => (u64_at(&bytes, descriptor::LEADING), Content::Zero),
                spec::DATA_MAGIC if data < end && self.belongs(data, entry.sequence)? => {
                    let (leading, trailing) = (field(&bytes, descriptor::LEADING), field(&bytes, descriptor::TRAILING));
                    let at = self.place(data);
                    data += LOG_SECTOR;
                    (LOG_SECTOR, Content::Sector { at, leading, trailing })
                }
                _ => return Ok(false),
            };
            let aligned = offset.is_multiple_of(LOG_SECTOR) && length.is_multiple_of(LOG_SECTOR);
            let Some(behind) = offset.checked_add(length).filter(|_| aligned) else { return Ok(false) };
            if u64_at(&bytes, descriptor::SEQUENCE) != entry.sequence {
                return Ok(false);
            }
            each(offset, behind, content);
        }
        Ok(true)
    }

    /// Whether there is a data sector of this sequence number at `at`.
    fn belongs(&self, at: u64, sequence: u64) -> io::Result<bool> {
        let bytes = self.sector(at)?;
        let (high, low) = (u32_at(&bytes, sector::SEQUENCE_HIGH), u32_at(&bytes, sector::SEQUENCE_LOW));
        let number = u64::from(high) << 32 | u64::from(low);
        Ok(bytes.starts_with(&spec::SECTOR_MAGIC) && number == sequence)
    }
}
