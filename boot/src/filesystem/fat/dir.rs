//! Directories: entries of 32 bytes, the long names in front of the short ones (FAT specification, "FAT Directory Structure"
//! and "Long File Name Implementation").

use super::super::FsError;
use super::super::calendar::days;
use super::super::volume::Block;

/// The length of an entry, in bytes.
pub const ENTRY: usize = 32;
/// The most entries of a directory.
pub const MAX_ENTRIES: u64 = 65_536;

const DIRECTORY: u8 = 0x10;
const LABEL: u8 = 0x08;
const LONG: u8 = 0x0f;
/// The most pieces of a long name, each of 13 characters.
const MAX_PIECES: u8 = 20;

/// Something in a directory: everything that is known of it. FAT has no inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Whether it is a directory.
    pub is_directory: bool,
    /// The first cluster; 0 if there is none.
    pub cluster: u32,
    /// The length in bytes.
    pub len: u32,
    /// When it was changed, in seconds since 1970, as if the clock that wrote it had shown UTC.
    pub modified: i64,
}

/// A name and what it stands for.
#[derive(Debug)]
pub struct Named {
    /// The long name, or the short one if there is none.
    pub name: String,
    /// The short name.
    pub short: String,
    /// What it stands for.
    pub item: Item,
}

/// What an entry adds.
#[derive(Debug)]
pub enum Found {
    /// Something that has a name.
    Named(Named),
    /// The label of the volume.
    Label(String),
    /// Nothing: part of a long name, or something that was removed.
    Nothing,
    /// The directory ends.
    End,
}

/// Reads entries, one after the other.
#[derive(Debug, Default)]
pub struct Parser {
    /// The pieces of a long name, the last one first.
    pieces: Vec<[u16; 13]>,
    checksum: u8,
    /// The number of the piece that has to come next.
    due: u8,
}

impl Parser {
    /// Reads the entry at `at`.
    pub fn entry(&mut self, block: &Block, at: usize, wide: bool) -> Result<Found, FsError> {
        let raw = block.array::<ENTRY>(at)?;
        let [first, ..] = raw;
        let attributes = block.u8(at + 11)?;
        match first {
            0 => return Ok(Found::End),
            0xe5 => {
                self.forget();
                return Ok(Found::Nothing);
            }
            _ => {}
        }
        if attributes & 0x3f == LONG {
            self.long(block, at)?;
            return Ok(Found::Nothing);
        }
        let base = block.array::<11>(at)?;
        let long = self.finish(base);
        if attributes & LABEL != 0 {
            let text = String::from_utf8_lossy(&base).trim_end().to_owned();
            return Ok(Found::Label(text));
        }
        let short = short_name(base, block.u8(at + 12)?);
        if short == "." || short == ".." {
            return Ok(Found::Nothing);
        }
        let high = if wide { u32::from(block.le16(at + 20)?) << 16 } else { 0 };
        let item = Item {
            is_directory: attributes & DIRECTORY != 0,
            cluster: u32::from(block.le16(at + 26)?) | high,
            len: block.le32(at + 28)?,
            modified: seconds(block.le16(at + 24)?, block.le16(at + 22)?),
        };
        Ok(Found::Named(Named { name: long.unwrap_or_else(|| short.clone()), short, item }))
    }

    fn forget(&mut self) {
        self.pieces.clear();
        self.due = 0;
    }

    fn long(&mut self, block: &Block, at: usize) -> Result<(), FsError> {
        let order = block.u8(at)?;
        let checksum = block.u8(at + 13)?;
        let number = order & 0x3f;
        if order & 0x40 != 0 {
            self.forget();
            self.checksum = checksum;
            self.due = number;
        }
        if number == 0 || number > MAX_PIECES || number != self.due || checksum != self.checksum {
            self.forget();
            return Ok(());
        }
        let mut piece = [0; 13];
        let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain((28..32).step_by(2));
        for (unit, place) in piece.iter_mut().zip(places) {
            *unit = block.le16(at + place)?;
        }
        self.pieces.push(piece);
        self.due -= 1;
        Ok(())
    }

    /// The long name of the short name `base`, if one stands in front of it.
    fn finish(&mut self, base: [u8; 11]) -> Option<String> {
        let whole = !self.pieces.is_empty() && self.due == 0 && self.checksum == checksum(base);
        let units: Vec<u16> = self.pieces.iter().rev().flatten().copied().take_while(|unit| *unit != 0).collect();
        self.forget();
        Some(String::from_utf16_lossy(&units)).filter(|name| whole && !name.is_empty() && !name.contains('/'))
    }
}

/// "Organization and Association of Short & Long Directory Entries": the checksum.
fn checksum(base: [u8; 11]) -> u8 {
    base.iter().fold(0, |sum: u8, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// A short name as Linux shows it: `case` says which half was written in lower case.
fn short_name(base: [u8; 11], case: u8) -> String {
    let (name, extension) = base.split_at(8);
    let half = |bytes: &[u8], lower: bool| {
        let text: String =
            bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '\u{fffd}' }).collect();
        let text = text.trim_end().replace('\u{5}', "\u{fffd}");
        if lower { text.to_ascii_lowercase() } else { text }
    };
    let (name, extension) = (half(name, case & 0x08 != 0), half(extension, case & 0x10 != 0));
    if extension.is_empty() { name } else { format!("{name}.{extension}") }
}

/// "Date and Time Formats", in seconds since 1970.
fn seconds(date: u16, time: u16) -> i64 {
    let (date, time) = (i64::from(date), i64::from(time));
    let (year, month, day) = (1980 + (date >> 9), (date >> 5 & 15).clamp(1, 12), (date & 31).max(1));
    let clock = (time >> 11) * 3600 + (time >> 5 & 63) * 60 + (time & 31) * 2;
    days(year, month, day) * 86_400 + clock
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // date -u -d '2024-02-29 12:34:56' +%s
        assert_eq!(seconds(44 << 9 | 2 << 5 | 29, 12 << 11 | 34 << 5 | 28), 1_709_210_096);
    }

    #[test]
    fn short_names_have_a_dot_only_with_an_extension() {
        assert_eq!(short_name(*b"KERNEL     ", 0), "KERNEL");
        assert_eq!(short_name(*b"BOOTX64 EFI", 0x10), "BOOTX64.efi");
        assert_eq!(short_name(*b".          ", 0), ".");
    }
}
