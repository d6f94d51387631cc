//! Master boot records, and the chain of records in an extended partition.

use std::io;

use ovum_disk::storage::{self, Storage};

use super::{MAX_PARTITIONS, Partition, Place, SECTOR, Slot};
use crate::bytes::{array, u32_at};

/// Where the four entries begin, in bytes of the sector; each has 16.
const ENTRIES: usize = 446;
/// Where the disk's signature is.
const SIGNATURE: usize = 440;
/// The first number of a logical partition.
const FIRST_LOGICAL: u32 = 5;
/// Entries that lead to logical partitions: CHS, LBA, Linux.
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];

/// An entry, in sectors from the start of whatever the record counts from.
#[derive(Clone, Copy)]
struct Entry {
    active: bool,
    kind: u8,
    start: u64,
    sectors: u64,
}

/// The partitions of the disk; none if its first sector is no record, but a boot sector of a file system, say.
pub(super) fn read(
    disk: &dyn Storage,
    sector: &[u8; 512],
    name: &str,
    notes: &mut Vec<String>,
) -> io::Result<Vec<Slot>> {
    let Some(primary) = entries(sector) else { return Ok(Vec::new()) };
    let signature = u32_at(sector, SIGNATURE).filter(|signature| *signature != 0);
    let mut slots = Vec::new();
    let mut logical = None;
    for (number, entry) in (1..).zip(primary) {
        if EXTENDED.contains(&entry.kind) {
            logical = logical.or(Some(entry));
        } else if entry.kind != 0 && entry.sectors != 0 {
            slots.extend(slot(number, entry, entry.start, signature));
        }
    }
    if let Some(extended) = logical {
        chain(disk, extended, signature, &mut slots, &mut |note| notes.push(format!("{name}: {note}")))?;
    }
    Ok(slots)
}

/// Follows the records of an extended partition: each names a logical partition and the next record, which counts from the
/// start of the extended partition.
fn chain(
    disk: &dyn Storage,
    extended: Entry,
    signature: Option<u32>,
    slots: &mut Vec<Slot>,
    note: &mut dyn FnMut(&str),
) -> io::Result<()> {
    let mut at = extended.start;
    let mut number = FIRST_LOGICAL;
    let mut seen = Vec::new();
    loop {
        let Some(offset) = at.checked_mul(SECTOR).filter(|offset| offset.saturating_add(SECTOR) <= disk.size()) else {
            note("the extended partition leads past the end of the disk");
            return Ok(());
        };
        if seen.contains(&at) {
            note("the extended partition leads in a circle");
            return Ok(());
        }
        if slots.len() >= MAX_PARTITIONS || seen.len() >= MAX_PARTITIONS {
            note("the extended partition has too many partitions");
            return Ok(());
        }
        seen.push(at);
        let sector = storage::read_array::<512>(disk, offset)?;
        let Some(record) = entries(&sector).filter(|_| sector.ends_with(&[0x55, 0xaa])) else {
            note("the extended partition has a damaged record");
            return Ok(());
        };
        let mut next = None;
        for entry in record {
            if EXTENDED.contains(&entry.kind) {
                next = next.or(Some(extended.start.saturating_add(entry.start)));
            } else if entry.kind != 0 && entry.sectors != 0 {
                slots.extend(slot(number, entry, at.saturating_add(entry.start), signature));
                number += 1;
            }
        }
        match next {
            Some(next) if next != extended.start => at = next,
            Some(_) => {
                note("the extended partition leads in a circle");
                return Ok(());
            }
            None => return Ok(()),
        }
    }
}

fn slot(number: u32, entry: Entry, start: u64, signature: Option<u32>) -> Option<Slot> {
    let partition = Partition {
        number,
        // As the kernel writes it: block/partitions/msdos.c, set_info.
        partuuid: signature.map(|signature| format!("{signature:08x}-{number:02x}")),
        kind: format!("{:02x}", entry.kind),
        label: None,
        active: entry.active,
    };
    Some(Slot {
        start: start.checked_mul(SECTOR)?,
        end: start.checked_add(entry.sectors)?.checked_mul(SECTOR)?,
        place: Place::Mbr(partition),
    })
}

/// The four entries; `None` if a sector is no record: their first bytes are 0 or 0x80 there, and nothing else.
fn entries(sector: &[u8; 512]) -> Option<[Entry; 4]> {
    let mut entries = [Entry { active: false, kind: 0, start: 0, sectors: 0 }; 4];
    for (index, entry) in entries.iter_mut().enumerate() {
        let bytes = array::<16>(sector, ENTRIES + 16 * index)?;
        let [flag, _, _, _, kind, ..] = bytes;
        if flag & 0x7f != 0 {
            return None;
        }
        *entry =
            Entry { active: flag != 0, kind, start: u32_at(&bytes, 8)?.into(), sectors: u32_at(&bytes, 12)?.into() };
    }
    Some(entries)
}
