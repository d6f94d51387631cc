//! GUID partition tables (UEFI 2.10, 5.3): the first header, or the second one where the first is damaged.

use std::io;

use ovum_disk::storage::{self, Storage};

use super::{MAX_PARTITIONS, Partition, Place, SECTOR, Slot};
use crate::bytes::{array, u16_at, u32_at, u64_at};

/// Header, 5.3.2: "EFI PART".
const SIGNATURE: &[u8] = b"EFI PART";
/// The bytes of a header that this reads and that its checksum covers at least.
const HEADER: u32 = 92;
/// Entries that are longer than this are not believed, in bytes.
const MAX_ENTRY: u32 = 4096;
/// More entries than this are not believed; 128 is the custom.
const MAX_ENTRIES: u32 = 1024;
/// What the table may take all in all, in bytes.
const MAX_TABLE: u64 = 1 << 20;
/// The type of a protective entry in the MBR.
const PROTECTIVE: u8 = 0xee;

/// A header that was believed.
struct Header {
    first_usable: u64,
    last_usable: u64,
    entries_at: u64,
    entries: u32,
    entry_size: u32,
    entries_crc: u32,
}

/// The partitions of the disk's GPT; `None` if it has none. A hybrid MBR counts as one: a GPT is there.
pub(super) fn read(
    disk: &dyn Storage,
    mbr: &[u8; 512],
    name: &str,
    notes: &mut Vec<String>,
) -> io::Result<Option<Vec<Slot>>> {
    let protected = (0..4_usize).any(|index| mbr.get(446 + 16 * index + 4) == Some(&PROTECTIVE));
    for sector in [SECTOR, 4096] {
        let mut problems = Vec::new();
        let last = (disk.size() / sector).saturating_sub(1);
        for (lba, which) in [(1, "first"), (last, "second")] {
            match table(disk, sector, lba)? {
                Ok(slots) => {
                    notes.extend(problems.into_iter().map(|problem| format!("{name}: {problem}; the second is used")));
                    return Ok(Some(slots));
                }
                Err(Some(problem)) => problems.push(format!("the {which} partition table (GPT) {problem}")),
                Err(None) => {}
            }
        }
        if !problems.is_empty() {
            notes.extend(problems.into_iter().map(|problem| format!("{name}: {problem}")));
        }
    }
    if protected {
        notes.push(format!("{name}: it should have a GPT by its MBR, but none that is whole was found"));
    }
    Ok(None)
}

/// The table whose header is at `lba`; what is wrong with it, or nothing if there is no header at all.
fn table(disk: &dyn Storage, sector: u64, lba: u64) -> io::Result<Result<Vec<Slot>, Option<String>>> {
    let Some(at) = lba.checked_mul(sector).filter(|at| at.saturating_add(sector) <= disk.size()) else {
        return Ok(Err(None));
    };
    let bytes = storage::read_array::<512>(disk, at)?;
    if !bytes.starts_with(SIGNATURE) {
        return Ok(Err(None));
    }
    let Some(header) = header(&bytes, lba) else {
        return Ok(Err(Some("has a damaged header".to_owned())));
    };
    let size = u64::from(header.entries) * u64::from(header.entry_size);
    let start = header.entries_at.checked_mul(sector);
    let start = start.filter(|start| start.checked_add(size).is_some_and(|end| end <= disk.size()));
    let Some(start) = start else {
        return Ok(Err(Some("lies outside of the disk".to_owned())));
    };
    if size > MAX_TABLE {
        return Ok(Err(Some(format!("has {size} bytes, which are too many"))));
    }
    let mut entries = vec![0; usize::try_from(size).unwrap_or(0)];
    storage::read_bytes(disk, start, &mut entries)?;
    if crc32fast::hash(&entries) != header.entries_crc {
        return Ok(Err(Some("has a wrong checksum".to_owned())));
    }
    Ok(Ok(slots(&entries, &header, sector)))
}

/// Reads and checks the fields of a header.
fn header(bytes: &[u8; 512], lba: u64) -> Option<Header> {
    let size = u32_at(bytes, 12).filter(|size| (HEADER..=512).contains(size))?;
    let mut covered = bytes.get(..usize::try_from(size).ok()?)?.to_vec();
    covered.get_mut(16..20)?.fill(0);
    let header = Header {
        first_usable: u64_at(bytes, 40)?,
        last_usable: u64_at(bytes, 48)?,
        entries_at: u64_at(bytes, 72)?,
        entries: u32_at(bytes, 80)?,
        entry_size: u32_at(bytes, 84)?,
        entries_crc: u32_at(bytes, 88)?,
    };
    let sound = crc32fast::hash(&covered) == u32_at(bytes, 16)?
        && u64_at(bytes, 24)? == lba
        && (128..=MAX_ENTRY).contains(&header.entry_size)
        && header.entries <= MAX_ENTRIES;
    sound.then_some(header)
}

/// The entries that are in use, by their numbers.
fn slots(entries: &[u8], header: &Header, sector: u64) -> Vec<Slot> {
    let size = usize::try_from(header.entry_size).unwrap_or(usize::MAX);
    let used =
        (1_u32..).zip(entries.chunks_exact(size)).filter_map(|(number, entry)| slot(number, entry, header, sector));
    used.take(MAX_PARTITIONS).collect()
}

/// 5.3.3: an entry; `None` if it is not in use or is none that can be.
fn slot(number: u32, entry: &[u8], header: &Header, sector: u64) -> Option<Slot> {
    let kind = array::<16>(entry, 0).filter(|kind| kind != &[0; 16])?;
    let (first, last) = (u64_at(entry, 32)?, u64_at(entry, 40)?);
    if first < header.first_usable || last > header.last_usable || last < first {
        return None;
    }
    let units: Vec<u16> =
        (0..36).map_while(|index| u16_at(entry, 56 + 2 * index)).take_while(|unit| *unit != 0).collect();
    let label = String::from_utf16_lossy(&units);
    let partition = Partition {
        number,
        partuuid: Some(guid(&array(entry, 16)?)),
        kind: guid(&kind),
        label: (!label.is_empty()).then_some(label),
        active: u64_at(entry, 48)? & 4 != 0,
    };
    Some(Slot {
        start: first.checked_mul(sector)?,
        end: last.checked_add(1)?.checked_mul(sector)?,
        place: Place::Gpt(partition),
    })
}

/// A GUID as text, in small letters: its first three groups are little-endian (UEFI 2.10, appendix A).
fn guid(bytes: &[u8; 16]) -> String {
    let [a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, rest @ ..] = *bytes;
    let tail: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    let [a, b, c] = [
        u32::from_le_bytes([a0, a1, a2, a3]),
        u16::from_le_bytes([b0, b1]).into(),
        u16::from_le_bytes([c0, c1]).into(),
    ];
    format!("{a:08x}-{b:04x}-{c:04x}-{d0:02x}{d1:02x}-{tail}")
}
