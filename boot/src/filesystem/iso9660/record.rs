//! Records of directories (ECMA-119, 9.1).

use super::super::FsError;
use super::super::calendar::days;
use super::super::volume::{Block, Volume};

/// No record goes over the end of such a sector (ECMA-119, 6.8.1.1).
pub const SECTOR: u64 = 2048;
/// "File Flags": it is a directory.
const DIRECTORY: u8 = 0x02;
/// "File Flags": the next record is a part of the same file.
const CONTINUED: u8 = 0x80;
/// Where the name begins.
const NAME: usize = 33;

/// A record.
#[derive(Debug)]
pub struct Record {
    raw: Block,
    /// Where it is, in bytes.
    pub at: u64,
    /// The first logical block of its bytes.
    pub extent: u64,
    /// How many bytes there are.
    pub len: u32,
    flags: u8,
    /// Where the name ends and what is for systems begins.
    system: usize,
}

impl Record {
    /// The record at `at`. `None` if there is no more in this sector.
    pub fn read(volume: &Volume, at: u64) -> Result<Option<Self>, FsError> {
        let room = usize::try_from(SECTOR - at % SECTOR).unwrap_or_default();
        let len = usize::from(volume.read(at, 1)?.u8(0)?);
        if len == 0 {
            return Ok(None);
        }
        if len <= NAME || len > room {
            return Err(volume.damaged(at, "a record of a directory has an absurd length"));
        }
        let raw = volume.read(at, len)?;
        let name_len = usize::from(raw.u8(32)?);
        raw.slice(NAME..NAME + name_len)?;
        if raw.u8(26)? != 0 || raw.u8(27)? != 0 {
            return Err(raw.damaged(26, "an interleaved file is not known here"));
        }
        Ok(Some(Self {
            at,
            extent: u64::from(raw.le32(2)?) + u64::from(raw.u8(1)?),
            len: raw.le32(10)?,
            flags: raw.u8(25)?,
            // An even number of bytes comes before it.
            system: (NAME + name_len).next_multiple_of(2).min(raw.len()),
            raw,
        }))
    }

    /// The name as it is.
    pub fn name(&self) -> &[u8] {
        let len = self.raw.u8(32).map_or(0, usize::from);
        self.raw.slice(NAME..NAME + len).unwrap_or_default()
    }

    /// Whether it stands for this directory or the one above.
    pub fn is_dot(&self) -> bool {
        matches!(self.name(), [0 | 1])
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.flags & DIRECTORY != 0
    }

    /// Whether the next record is a part of the same file.
    pub fn is_continued(&self) -> bool {
        self.flags & CONTINUED != 0
    }

    /// The bytes for systems, of which the first `skipped` are not for us.
    pub fn system_use(&self, skipped: usize) -> Result<Block, FsError> {
        self.raw.part((self.system + skipped).min(self.raw.len())..self.raw.len())
    }

    /// Where the record behind this one begins, if it is in the same sector.
    pub fn end(&self) -> u64 {
        self.at + self.raw.len() as u64
    }

    /// "Recording Date and Time" (9.1.5), in seconds since 1970.
    pub fn modified(&self) -> i64 {
        self.raw.array(18).map_or(0, short_time)
    }
}

/// Seconds since 1970 of a date in seven bytes.
pub fn short_time([year, month, day, hour, minute, second, zone]: [u8; 7]) -> i64 {
    let days = days(1900 + i64::from(year), i64::from(month.clamp(1, 12)), i64::from(day.max(1)));
    let clock = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    // The zone is in units of 15 minutes.
    days * 86_400 + clock - i64::from(zone.cast_signed()) * 900
}
