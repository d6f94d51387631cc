//! Volume descriptors (ECMA-119, 8; Joliet Specification).

use super::super::volume::{Block, Volume};
use super::super::{FsError, label_text};
use super::record::SECTOR;

/// The first sector that has one.
const FIRST: u64 = 16;
/// The most that are looked at.
const MAX: u64 = 32;

/// What the descriptors say.
#[derive(Debug)]
pub struct Descriptors {
    /// The length of a logical block, in bytes.
    pub block_size: u64,
    /// Where the root directory's record is, in bytes.
    pub root: u64,
    /// The same of the tree with names in UCS-2.
    pub joliet: Option<u64>,
    /// The label.
    pub label: Option<String>,
    /// The time at which it was made, which is what blkid calls its UUID.
    pub uuid: Option<String>,
}

impl Descriptors {
    /// Reads them. `None` if there are none.
    pub fn read(volume: &Volume) -> Result<Option<Self>, FsError> {
        let mut found: Option<Self> = None;
        for number in FIRST..FIRST + MAX {
            let start = number * SECTOR;
            if start + SECTOR > volume.size() {
                break;
            }
            let raw = volume.read(start, 2048)?;
            if raw.slice(1..6)? != b"CD001" {
                break;
            }
            match (raw.u8(0)?, &mut found) {
                (1, None) => found = Some(Self::primary(&raw, start)?),
                (2, Some(found)) if is_joliet(&raw)? => found.joliet = found.joliet.or(Some(start + 156)),
                (255, _) => break,
                _ => {}
            }
        }
        Ok(found)
    }

    fn primary(raw: &Block, start: u64) -> Result<Self, FsError> {
        let block_size = u64::from(raw.le16(128)?);
        if !matches!(block_size, 512 | 1024 | 2048) {
            return Err(raw.damaged(128, "the size of a block of an iso9660 is absurd"));
        }
        let uuid = match date(raw, 830)? {
            Some(modified) => Some(modified),
            None => date(raw, 813)?,
        };
        Ok(Self { block_size, root: start + 156, joliet: None, label: label_text(raw.slice(40..72)?), uuid })
    }
}

/// Joliet, "Escape sequences": levels 1 to 3 of UCS-2.
fn is_joliet(raw: &Block) -> Result<bool, FsError> {
    Ok(matches!(&raw.array(88)?, b"%/@" | b"%/C" | b"%/E"))
}

/// A date of digits (8.4.26.1), with a line between its fields.
fn date(raw: &Block, at: usize) -> Result<Option<String>, FsError> {
    let digits = raw.array::<16>(at)?;
    if !digits.iter().all(u8::is_ascii_digit) || digits.iter().all(|digit| *digit == b'0') {
        return Ok(None);
    }
    let mut text = String::new();
    for (index, digit) in digits.iter().enumerate() {
        if index >= 4 && index % 2 == 0 {
            text.push('-');
        }
        text.push(char::from(*digit));
    }
    Ok(Some(text))
}
