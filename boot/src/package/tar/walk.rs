//! From header to header.

use std::sync::Arc;

use ovum_disk::storage::{Storage, read_array, read_bytes};

use super::BLOCK;
use super::error::{TarError, TarProblem};
use super::header::{self, Header, SATURATED};
use super::pax::Records;
use crate::package::name;

/// The most members that an archive may have.
pub const MAX_MEMBERS: usize = 100_000;
/// The most bytes that the names of all members may have together: a package of 100,000 chunks needs half of it.
const MAX_NAMES: usize = 16 << 20;
/// The most bytes of a name, as in a path of Linux.
const MAX_NAME: usize = 4096;
/// The most headers, of members and others.
const MAX_HEADERS: usize = 4 * MAX_MEMBERS;
/// The most bytes of one extended header, and of all.
const MAX_EXTENSION: u64 = 1 << 20;
const MAX_EXTENSIONS: u64 = 64 << 20;

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path, without `.`, `..`, doubled slashes or a slash at its front.
    pub name: String,
    /// Where its bytes begin in the archive, in bytes.
    pub start: u64,
    /// How many bytes it has.
    pub size: u64,
}

/// Whether `storage` begins with the header of a tar archive.
///
/// # Errors
/// When it cannot be read.
pub fn is_tar(storage: &dyn Storage) -> std::io::Result<bool> {
    Ok(storage.size() >= BLOCK && header::is_confirmed(&read_array(storage, 0)?))
}

/// Whether `storage` begins with a block that has the mark of a tar header, whatever else is in it.
///
/// # Errors
/// When it cannot be read.
pub fn has_magic(storage: &dyn Storage) -> std::io::Result<bool> {
    Ok(storage.size() >= BLOCK && header::has_magic(&read_array(storage, 0)?))
}

/// The files in an archive, by name. Only headers are read, and all are.
///
/// # Errors
/// [`TarError`], which names the member and the place.
pub fn read(storage: &Arc<dyn Storage>) -> Result<Vec<Entry>, TarError> {
    let mut walk = Walk { storage: storage.as_ref(), offset: 0, entries: Vec::new(), names: 0, extensions: 0 };
    let mut global = Records::default();
    let mut extended = Extended::default();
    for _ in 0..MAX_HEADERS {
        let at = walk.offset;
        let tell = |problem| TarError { member: None, offset: at, problem };
        let Some(header) = walk.header().map_err(tell)? else {
            if extended.is_some() {
                return Err(tell(TarProblem::NoMember));
            }
            return sorted(walk.entries);
        };
        match header.flag {
            b'g' => global.read(&walk.body(header.size).map_err(tell)?).map_err(tell)?,
            b'x' | b'X' => extended.pax(&walk.body(header.size).map_err(tell)?).map_err(tell)?,
            b'L' => extended.long_name(walk.body(header.size).map_err(tell)?).map_err(tell)?,
            // The long target of a link that follows, which will be refused by itself.
            b'K' => drop(walk.body(header.size).map_err(tell)?),
            _ => {
                let extended = std::mem::take(&mut extended);
                walk.member(&header, extended, &global)?;
            }
        }
    }
    let problem = TarProblem::TooMany { what: "headers", limit: MAX_HEADERS as u64 };
    Err(TarError { member: None, offset: walk.offset, problem })
}

/// Sorts by name; of two equal ones, the second is refused.
fn sorted(mut entries: Vec<Entry>) -> Result<Vec<Entry>, TarError> {
    entries.sort_by(|one, other| (&one.name, one.start).cmp(&(&other.name, other.start)));
    for pair in entries.windows(2) {
        if let [first, second] = pair
            && first.name == second.name
        {
            let problem = TarProblem::Duplicate(first.start.saturating_sub(BLOCK));
            let offset = second.start.saturating_sub(BLOCK);
            return Err(TarError { member: Some(second.name.clone()), offset, problem });
        }
    }
    Ok(entries)
}

/// What was said of the next member before its header.
#[derive(Debug, Default)]
struct Extended {
    pax: Option<Records>,
    long_name: Option<Vec<u8>>,
}

impl Extended {
    fn is_some(&self) -> bool {
        self.pax.is_some() || self.long_name.is_some()
    }

    fn pax(&mut self, body: &[u8]) -> Result<(), TarProblem> {
        let twice = || TarProblem::Pax("is there twice".into());
        if self.pax.is_some() {
            return Err(twice());
        }
        let mut records = Records::default();
        records.read(body)?;
        self.pax = Some(records);
        Ok(())
    }

    /// GNU tar manual, "Extensions to tar": the name, and a NUL.
    fn long_name(&mut self, mut body: Vec<u8>) -> Result<(), TarProblem> {
        if self.long_name.is_some() {
            return Err(TarProblem::Pax("gives a long name twice".into()));
        }
        body.truncate(body.iter().position(|byte| *byte == 0).unwrap_or(body.len()));
        self.long_name = Some(body);
        Ok(())
    }
}

struct Walk<'s> {
    storage: &'s dyn Storage,
    /// Of the next header.
    offset: u64,
    entries: Vec<Entry>,
    /// Bytes of all names.
    names: usize,
    /// Bytes of all extended headers.
    extensions: u64,
}

impl Walk<'_> {
    /// The next header, or nothing at the end: that of the archive, which is a block of zeroes, or that of the file.
    fn header(&mut self) -> Result<Option<Header>, TarProblem> {
        let end = self.storage.size();
        let left = end.saturating_sub(self.offset);
        if left < BLOCK {
            let mut rest = vec![0; usize::try_from(left).unwrap_or_default()];
            read_bytes(self.storage, self.offset.min(end), &mut rest)?;
            // What is left of an end that was cut off.
            return if rest.iter().all(|byte| *byte == 0) { Ok(None) } else { Err(TarProblem::CutHeader { end }) };
        }
        let block = read_array(self.storage, self.offset)?;
        if block == [0; header::SIZE] {
            return Ok(None);
        }
        let header = Header::read(&block)?;
        self.offset += BLOCK;
        Ok(Some(header))
    }

    /// Goes over `size` bytes and the rest of their last block; gives where they begin.
    fn skip(&mut self, size: u64) -> Result<u64, TarProblem> {
        let (start, end) = (self.offset, self.storage.size());
        let truncated = || TarProblem::Truncated { start, size, end };
        let after = start.checked_add(size).filter(|after| *after <= end).ok_or_else(truncated)?;
        self.offset = after.checked_next_multiple_of(BLOCK).ok_or_else(truncated)?;
        Ok(start)
    }

    /// The bytes of an extended header.
    fn body(&mut self, size: u64) -> Result<Vec<u8>, TarProblem> {
        if size > MAX_EXTENSION {
            return Err(TarProblem::TooMany { what: "bytes in an extended header", limit: MAX_EXTENSION });
        }
        self.extensions += size;
        if self.extensions > MAX_EXTENSIONS {
            return Err(TarProblem::TooMany { what: "bytes in extended headers", limit: MAX_EXTENSIONS });
        }
        let start = self.skip(size)?;
        let mut body = vec![0; usize::try_from(size).unwrap_or_default()];
        read_bytes(self.storage, start, &mut body)?;
        Ok(body)
    }

    /// Takes the member whose header was just read.
    fn member(&mut self, header: &Header, extended: Extended, global: &Records) -> Result<(), TarError> {
        let offset = self.offset - BLOCK;
        let pax = extended.pax.unwrap_or_default();
        let is_named_twice = extended.long_name.is_some() && pax.path.is_some();
        let own_path = pax.path.or(extended.long_name);
        let raw = own_path.as_ref().or(global.path.as_ref()).unwrap_or(&header.name);
        let text = name::text(raw.get(..MAX_NAME).unwrap_or(raw));
        let tell = |problem| TarError { member: Some(text.clone()), offset, problem };
        if is_named_twice {
            return Err(tell(TarProblem::Pax("and a long name are both there".into())));
        }
        if raw.len() > MAX_NAME {
            return Err(tell(TarProblem::Name("has more than 4096 bytes")));
        }
        let size = agreed(header.size, pax.size.or(global.size)).map_err(tell)?;
        if !is_file(header.flag, &text, size).map_err(tell)? {
            return Ok(());
        }
        let name = name::plain(&text).map_err(|what| tell(TarProblem::Name(what)))?;
        let start = self.skip(size).map_err(tell)?;
        self.names += name.len();
        if self.entries.len() >= MAX_MEMBERS {
            return Err(tell(TarProblem::TooMany { what: "members", limit: MAX_MEMBERS as u64 }));
        }
        if self.names > MAX_NAMES {
            return Err(tell(TarProblem::TooMany { what: "bytes in names", limit: MAX_NAMES as u64 }));
        }
        self.entries.push(Entry { name, start, size });
        Ok(())
    }
}

/// The size of a member, of which its header and its extended header may both say something. Where both do and differ,
/// readers go different ways from there, unless the header's one is what stands for "too large for here".
fn agreed(header: u64, extended: Option<u64>) -> Result<u64, TarProblem> {
    match extended {
        Some(size) if header != size && header != 0 && header != SATURATED => {
            Err(TarProblem::Pax(format!("gives it {size} bytes, and its header {header}")))
        }
        Some(size) => Ok(size),
        None => Ok(header),
    }
}

/// Whether a member is a file; of all else, only folders may be there.
fn is_file(flag: u8, name: &str, size: u64) -> Result<bool, TarProblem> {
    let kind = match flag {
        // Before there was a flag for folders, a slash said it.
        0 | b'0' if name.ends_with('/') => "a folder",
        // '7' is a file that a real-time system would lay out in one piece.
        0 | b'0' | b'7' => return Ok(true),
        b'5' => "a folder",
        b'V' => "a label",
        b'1' => return Err(TarProblem::Link("hard")),
        b'2' => return Err(TarProblem::Link("symbolic")),
        b'3' => return Err(TarProblem::Device("character device")),
        b'4' => return Err(TarProblem::Device("block device")),
        b'6' => return Err(TarProblem::Device("pipe")),
        b'S' => return Err(TarProblem::Sparse),
        other => return Err(TarProblem::Kind(other)),
    };
    if size == 0 { Ok(false) } else { Err(TarProblem::NotEmpty { kind, size }) }
}
