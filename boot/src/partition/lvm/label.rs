//! The label of a physical volume, and the ring of text that it leads to (lib/format_text/layout.h).

use ovum_disk::storage::{self, Storage};

use crate::bytes::{array, u32_at, u64_at};

/// The label is in one of so many sectors.
const LABEL_SECTORS: u64 = 4;
/// The unit of the label, in bytes.
const SECTOR: u64 = 512;
/// The most that the text of a group may have, in bytes.
const MAX_TEXT: u64 = 4 << 20;
/// The head of a metadata area, in bytes; the ring begins behind it.
const AREA_HEADER: u64 = 512;
/// What a metadata area's head says of itself, behind its checksum.
const AREA_MAGIC: &[u8; 16] = b" LVM2 x[5A%r0N*>";
/// More areas than this are not looked at.
const MAX_AREAS: usize = 8;
/// Where LVM begins to count checksums.
const CHECKSUM_SEED: u32 = 0xf597_a6cf;

/// A physical volume.
#[derive(Debug)]
pub(super) struct PhysicalVolume {
    /// Its UUID, with dashes, as the text has it.
    pub uuid: String,
    /// The text of its group, if it has a copy.
    pub text: Option<Vec<u8>>,
}

/// The physical volume on `volume`; `None` if it is none.
pub(super) fn read(volume: &dyn Storage) -> Result<Option<PhysicalVolume>, String> {
    for sector in 0..LABEL_SECTORS {
        let at = sector * SECTOR;
        if at + SECTOR > volume.size() {
            return Ok(None);
        }
        let bytes = storage::read_array::<512>(volume, at).map_err(|error| error.to_string())?;
        if bytes.starts_with(b"LABELONE") && bytes.get(24..32) == Some(b"LVM2 001") {
            return label(volume, &bytes, sector).map(Some);
        }
    }
    Ok(None)
}

fn label(volume: &dyn Storage, bytes: &[u8; 512], sector: u64) -> Result<PhysicalVolume, String> {
    let damaged = || "the label is damaged".to_owned();
    let covered = bytes.get(20..).ok_or_else(damaged)?;
    if u64_at(bytes, 8) != Some(sector) || u32_at(bytes, 16) != Some(checksum(covered)) {
        return Err(damaged());
    }
    let header = u32_at(bytes, 20).and_then(|at| usize::try_from(at).ok()).ok_or_else(damaged)?;
    let header = bytes.get(header..).ok_or_else(damaged)?;
    let uuid = array::<32>(header, 0).ok_or_else(damaged)?;
    let uuid = dashed(&uuid).ok_or_else(damaged)?;
    // Two lists of offset and size, each closed by zeroes: where data is, where metadata is.
    let mut at = 40;
    let data = areas(header, &mut at);
    let metadata = areas(header, &mut at);
    let (Some(_), Some(metadata)) = (data, metadata) else { return Err(damaged()) };
    let mut problem = None;
    for (offset, size) in metadata {
        match area(volume, offset, size) {
            Ok(text) => return Ok(PhysicalVolume { uuid, text }),
            Err(error) => problem = Some(error),
        }
    }
    problem.map_or(Ok(PhysicalVolume { uuid, text: None }), Err)
}

/// A list of areas, from `at` on, which is left behind its end.
fn areas(header: &[u8], at: &mut usize) -> Option<Vec<(u64, u64)>> {
    let mut areas = Vec::new();
    loop {
        let (offset, size) = (u64_at(header, *at)?, u64_at(header, *at + 8)?);
        *at += 16;
        if offset == 0 {
            return Some(areas);
        }
        if areas.len() == MAX_AREAS {
            return None;
        }
        areas.push((offset, size));
    }
}

/// The text in a metadata area; `None` if it has none yet.
fn area(volume: &dyn Storage, offset: u64, size: u64) -> Result<Option<Vec<u8>>, String> {
    let end = offset.checked_add(size).filter(|end| *end <= volume.size() && size > AREA_HEADER);
    let end = end.ok_or("a metadata area lies outside of the volume")?;
    let head = storage::read_array::<512>(volume, offset).map_err(|error| error.to_string())?;
    let sound = head.get(4..20) == Some(AREA_MAGIC)
        && u32_at(&head, 0) == head.get(4..).map(checksum)
        && u64_at(&head, 24) == Some(offset);
    if !sound {
        return Err("the head of a metadata area is damaged".to_owned());
    }
    let (Some(at), Some(len), Some(sum)) = (u64_at(&head, 40), u64_at(&head, 48), u32_at(&head, 56)) else {
        return Ok(None);
    };
    if at == 0 {
        return Ok(None);
    }
    let ring = size - AREA_HEADER;
    if len > MAX_TEXT || len > ring || !(AREA_HEADER..size).contains(&at) {
        return Err(format!("metadata of {len} bytes at {at:#x} does not fit in its area"));
    }
    let first = len.min(end - offset - at);
    let mut text = vec![0; usize::try_from(len).unwrap_or(0)];
    let (front, rest) = text.split_at_mut(usize::try_from(first).unwrap_or(0));
    storage::read_bytes(volume, offset + at, front).map_err(|error| error.to_string())?;
    storage::read_bytes(volume, offset + AREA_HEADER, rest).map_err(|error| error.to_string())?;
    if checksum(&text) != sum {
        return Err("the metadata's checksum is wrong".to_owned());
    }
    Ok(Some(text))
}

/// LVM's CRC-32: without the inversions at begin and end.
pub(in crate::partition) fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(!CHECKSUM_SEED);
    hasher.update(bytes);
    !hasher.finalize()
}

/// A UUID of 32 letters and digits, in groups of 6-4-4-4-4-4-6.
fn dashed(uuid: &[u8; 32]) -> Option<String> {
    let text = std::str::from_utf8(uuid).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()))?;
    let mut dashed = String::new();
    for (index, character) in text.chars().enumerate() {
        if index >= 6 && (index - 6) % 4 == 0 && index <= 26 {
            dashed.push('-');
        }
        dashed.push(character);
    }
    Some(dashed)
}
