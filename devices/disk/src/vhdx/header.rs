//! Headers and region tables, of which there are two each ([MS-VHDX] 2.2).

use crate::error::{Damage, LayoutError};
use crate::storage::{Storage, read_array, read_bytes};

use super::checksum::of_structure;
use super::spec::{self, Guid, HEADER_SIZE, field, header, region, u16_at, u32_at, u64_at};

/// A header whose checksum is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Where it is, in bytes.
    pub at: u64,
    /// Counts changes: the larger one is the newer one.
    pub sequence: u64,
    /// By what an image above this one knows it again.
    pub data_write_guid: Guid,
    /// What the entries of the log carry; zero if there are none.
    pub log_guid: Guid,
    /// The version of the log's entries.
    pub log_version: u16,
    /// Where the log is, in bytes.
    pub log_offset: u64,
    /// How long it is, in bytes.
    pub log_length: u32,
}

impl Header {
    /// The header that counts: the newer one of those that are whole.
    pub fn find(storage: &dyn Storage) -> Result<Self, LayoutError> {
        let [first, second] = Self::both(storage)?;
        match (first, second) {
            (Ok(first), Ok(second)) => Ok(if second.sequence > first.sequence { second } else { first }),
            (Ok(only), Err(_)) | (Err(_), Ok(only)) => Ok(only),
            (Err(first), Err(_)) => Err(first),
        }
    }

    /// Both headers, or what is wrong with them.
    pub fn both(storage: &dyn Storage) -> Result<[Result<Self, LayoutError>; 2], LayoutError> {
        let [first, second] = spec::HEADERS_AT.map(|at| match Self::read(storage, at) {
            Err(LayoutError::Io(error)) => Err(LayoutError::Io(error)),
            other => Ok(other),
        });
        Ok([first?, second?])
    }

    fn read(storage: &dyn Storage, at: u64) -> Result<Self, LayoutError> {
        if at + HEADER_SIZE as u64 > storage.size() {
            let problem = format!("the file ends after {} bytes", storage.size());
            return Err(Damage::new(storage, at, "Header", problem).into());
        }
        let bytes: [u8; HEADER_SIZE] = read_array(storage, at)?;
        verify(storage, at, &bytes, spec::HEADER_MAGIC, ["Signature of the header", "Checksum of the header"])?;
        let version = u16_at(&bytes, header::VERSION);
        if version != spec::VERSION {
            return Err(LayoutError::Unsupported {
                what: format!("it is of version {version} of the VHDX format"),
                remedy: "convert it to version 1 with the program that made it",
            });
        }
        Ok(Self {
            at,
            sequence: u64_at(&bytes, header::SEQUENCE),
            data_write_guid: field(&bytes, header::DATA_WRITE_GUID),
            log_guid: field(&bytes, header::LOG_GUID),
            log_version: u16_at(&bytes, header::LOG_VERSION),
            log_offset: u64_at(&bytes, header::LOG_OFFSET),
            log_length: u32_at(&bytes, header::LOG_LENGTH),
        })
    }
}

/// A range of the file that belongs to one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Where it is, in bytes.
    pub offset: u64,
    /// How long it is, in bytes. It is all in the file.
    pub length: u32,
}

/// The regions that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Regions {
    /// The block allocation table.
    pub bat: Region,
    /// Metadata.
    pub metadata: Region,
}

impl Regions {
    /// The regions of the first table that is whole.
    pub fn find(storage: &dyn Storage) -> Result<Self, LayoutError> {
        let [first, second] = spec::REGIONS_AT;
        match Self::read(storage, first) {
            Err(LayoutError::Damaged(damage)) => match Self::read(storage, second) {
                Err(LayoutError::Damaged(_)) => Err(damage.into()),
                other => other,
            },
            other => other,
        }
    }

    /// The regions of the table at `at`.
    pub fn read(storage: &dyn Storage, at: u64) -> Result<Self, LayoutError> {
        let mut bytes = vec![0; spec::REGION_TABLE_SIZE];
        if at + bytes.len() as u64 > storage.size() {
            let problem = format!("the file ends after {} bytes", storage.size());
            return Err(Damage::new(storage, at, "Region Table", problem).into());
        }
        read_bytes(storage, at, &mut bytes)?;
        let names = ["Signature of the region table", "Checksum of the region table"];
        verify(storage, at, &bytes, spec::REGION_MAGIC, names)?;
        let count = u32_at(&bytes, spec::REGION_COUNT);
        if count > spec::MOST_ENTRIES {
            let place = at + spec::REGION_COUNT as u64;
            return Err(Damage::new(storage, place, "EntryCount", format!("{count} entries are too many")).into());
        }
        let entries = bytes.get(spec::REGION_ENTRIES..).unwrap_or_default().chunks_exact(spec::ENTRY_SIZE);
        let (mut bat, mut metadata) = (None, None);
        for (number, entry) in entries.take(count as usize).enumerate() {
            let place = at + (spec::REGION_ENTRIES + number * spec::ENTRY_SIZE) as u64;
            let known = match field(entry, 0) {
                spec::BAT => &mut bat,
                spec::METADATA => &mut metadata,
                _ if u32_at(entry, region::REQUIRED) & 1 == 0 => continue,
                other => return Err(unknown("region", other)),
            };
            let found = Region { offset: u64_at(entry, region::OFFSET), length: u32_at(entry, region::LENGTH) };
            found.check(storage, place)?;
            if known.replace(found).is_some() {
                return Err(Damage::new(storage, place, "Guid", "there is a region of this kind already").into());
            }
        }
        let missing = |what: &str| Damage::new(storage, at, "Region Table", format!("it has no {what}"));
        let bat = bat.ok_or_else(|| missing("block allocation table"))?;
        Ok(Self { bat, metadata: metadata.ok_or_else(|| missing("metadata"))? })
    }
}

impl Region {
    fn check(self, storage: &dyn Storage, place: u64) -> Result<(), Damage> {
        let aligned = self.offset.is_multiple_of(spec::ALIGNMENT) && self.offset >= spec::ALIGNMENT;
        let end = self.offset.checked_add(self.length.into());
        if aligned && end.is_some_and(|end| end <= storage.size()) {
            return Ok(());
        }
        let problem = format!("{} bytes at {} are no region of this file", self.length, self.offset);
        Err(Damage::new(storage, place + region::OFFSET as u64, "FileOffset", problem))
    }
}

/// Refuses what only newer programs understand.
pub fn unknown(what: &str, guid: Guid) -> LayoutError {
    LayoutError::Unsupported {
        what: format!("it needs a {what} that is not known: {}", text_of(guid)),
        remedy: "convert it with the program that made it",
    }
}

/// Checks signature and checksum of a structure.
fn verify(
    storage: &dyn Storage,
    at: u64,
    bytes: &[u8],
    magic: [u8; 4],
    [signature, checksum]: [&'static str; 2],
) -> Result<(), Damage> {
    if !bytes.starts_with(&magic) {
        let problem = format!("it is not \"{}\"", magic.escape_ascii());
        return Err(Damage::new(storage, at, signature, problem));
    }
    let (stored, computed) = (u32_at(bytes, spec::CHECKSUM), of_structure(bytes));
    if stored != computed {
        let problem = format!("it is {stored:#x}, and the bytes make {computed:#x}");
        return Err(Damage::new(storage, at + spec::CHECKSUM as u64, checksum, problem));
    }
    Ok(())
}

/// A GUID as it is written for people.
pub fn text_of(guid: Guid) -> String {
    let (first, second) = (u32_at(&guid, 0), u16_at(&guid, 4));
    let (third, fourth) = (u16_at(&guid, 6), u16::from_be_bytes(field(&guid, 8)));
    let last = guid.iter().skip(10).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    format!("{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-{last}")
}

/// The GUID that people write so, with or without braces.
pub fn guid_of(text: &str) -> Option<Guid> {
    let text = text.trim().trim_start_matches('{').trim_end_matches('}');
    let digits: String = text.split('-').collect();
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    if lengths != [8, 4, 4, 4, 12] || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let number = u128::from_str_radix(&digits, 16).ok()?.to_be_bytes();
    let [a, b, c, d, e, f, g, h, rest @ ..] = number;
    let [i, j, k, l, m, n, o, p] = rest;
    Some([d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_read_as_they_are_written() {
        let text = "2dc27766-f623-4200-9d64-115e9bfd4a08";
        assert_eq!(text_of(spec::BAT), text);
        assert_eq!(guid_of(&format!("{{{}}}", text.to_uppercase())), Some(spec::BAT));
        for wrong in
            ["", "{}", &text[1..], "2dc27766-f623-4200-9d64-115e9bfd4a0g", "2dc27766f623-4200-9d64-115e-9bfd4a08"]
        {
            assert_eq!(guid_of(wrong), None, "{wrong}");
        }
        assert_eq!(text_of(spec::PARENT_LOCATOR), "a8d35f2d-b30b-454d-abf7-d3d84834ab0c");
    }
}
