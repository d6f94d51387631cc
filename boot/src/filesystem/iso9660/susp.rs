//! What Unix needs, behind the names: the System Use Sharing Protocol (IEEE P1281) and Rock Ridge (IEEE P1282).

use std::ops::ControlFlow;

use super::super::tree::MAX_TARGET;
use super::super::volume::{Block, Volume};
use super::super::{FileKind, FsError, kind_of_mode};
use super::record::{Record, SECTOR, short_time};

/// The most areas that one record may go on in.
const MAX_AREAS: usize = 32;
/// The most bytes of one name.
const MAX_NAME: usize = 1024;

/// What is said of one name.
#[derive(Debug, Default)]
pub struct Rock {
    /// Its name, if it is another one.
    pub name: Option<Vec<u8>>,
    /// What it stands for.
    pub kind: Option<FileKind>,
    /// Where it leads to.
    pub target: Vec<u8>,
    /// When it was changed.
    pub modified: Option<i64>,
    /// The block where the directory is whose place this is.
    pub moved_to: Option<u32>,
    /// Whether this is a directory that is shown elsewhere.
    pub is_moved: bool,
    /// Whether its bytes are compressed (zisofs).
    pub is_compressed: bool,
    /// Whether the last part of the target goes on in the next one.
    unfinished: bool,
}

/// How many bytes of each area are not for us, if the record `dot`, the root's first one, says that there are any such areas.
pub fn skipped(dot: &Record) -> Result<Option<usize>, FsError> {
    let area = dot.system_use(0)?;
    match area.array::<7>(0) {
        Ok([b'S', b'P', _, _, 0xbe, 0xef, skipped]) => Ok(Some(usize::from(skipped))),
        _ => Ok(None),
    }
}

impl Rock {
    /// Reads all that is said of `record`.
    pub fn read(volume: &Volume, record: &Record, skipped: usize, block_size: u64) -> Result<Self, FsError> {
        let mut this = Self::default();
        let mut area = record.system_use(skipped)?;
        for _ in 0..MAX_AREAS {
            match this.area(&area)? {
                Some((block, offset, len)) => {
                    let start = u64::from(block) * block_size + u64::from(offset);
                    area = volume.read(start, (len as usize).min(usize::try_from(SECTOR).unwrap_or_default()))?;
                }
                None => return Ok(this),
            }
        }
        Err(area.damaged(0, "what belongs to a name goes on without end"))
    }

    /// Reads the entries of one area; the place of the next one, if there is one.
    fn area(&mut self, area: &Block) -> Result<Option<(u32, u32, u32)>, FsError> {
        let mut next = None;
        let mut at = 0;
        while at + 4 <= area.len() {
            let len = usize::from(area.u8(at + 2)?);
            if len < 4 || at + len > area.len() {
                break;
            }
            let entry = area.part(at..at + len)?;
            at += len;
            match &entry.array(0)? {
                b"CE" => next = Some((entry.le32(4)?, entry.le32(12)?, entry.le32(20)?)),
                b"ST" => break,
                _ => {
                    if self.entry(&entry)?.is_break() {
                        break;
                    }
                }
            }
        }
        Ok(next)
    }

    fn entry(&mut self, entry: &Block) -> Result<ControlFlow<()>, FsError> {
        match &entry.array(0)? {
            b"PX" => self.kind = Some(kind_of_mode(entry.le32(4)?)),
            b"NM" if entry.u8(4)? & 6 == 0 => {
                let name = self.name.get_or_insert_default();
                name.extend_from_slice(entry.slice(5..entry.len())?);
                if name.len() > MAX_NAME {
                    return Err(entry.damaged(0, "a name is too long"));
                }
            }
            b"SL" => self.link(entry)?,
            b"TF" => self.times(entry)?,
            b"CL" => self.moved_to = Some(entry.le32(4)?),
            b"RE" => self.is_moved = true,
            b"ZF" => self.is_compressed = true,
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Rock Ridge, "SL": a part of a link's target.
    fn link(&mut self, entry: &Block) -> Result<(), FsError> {
        let mut at = 5;
        while at + 2 <= entry.len() {
            let (flags, len) = (entry.u8(at)?, usize::from(entry.u8(at + 1)?));
            let text = entry.slice(at + 2..at + 2 + len)?;
            if !self.unfinished && !self.target.is_empty() && !self.target.ends_with(b"/") {
                self.target.push(b'/');
            }
            match flags & 0xe {
                2 => self.target.push(b'.'),
                4 => self.target.extend_from_slice(b".."),
                8 => self.target = b"/".to_vec(),
                _ => self.target.extend_from_slice(text),
            }
            self.unfinished = flags & 1 != 0;
            at += 2 + len;
        }
        if self.target.len() > MAX_TARGET {
            return Err(entry.damaged(0, format!("a link has more than {MAX_TARGET} bytes")));
        }
        Ok(())
    }

    /// Rock Ridge, "TF": the second time is that of the last change, if there is a first one.
    fn times(&mut self, entry: &Block) -> Result<(), FsError> {
        let flags = entry.u8(4)?;
        if flags & 0x02 != 0 && flags & 0x80 == 0 {
            self.modified = Some(short_time(entry.array(5 + usize::from(flags & 1) * 7)?));
        }
        Ok(())
    }
}
