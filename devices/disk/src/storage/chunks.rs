//! Files that were cut into chunks (DSP0243 1.1.0, 7.1: `ovf:chunkSize`), read as one.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use vm_memory::VolatileSlice;

use super::{Neighbours, Storage};
use crate::buffers::{Cursor, total};
use crate::{Damage, OpenError, OpenErrorKind};

#[cfg(test)]
mod tests;

/// The most chunks that a file may have. A disk of 200 TB has that many of 2 GB.
pub const MAX_CHUNKS: u64 = 100_000;
/// How many chunks are open at a time.
const OPEN: usize = 8;
/// DSP0243 1.1.0, 7.1: digits of a chunk's number, behind the file's name and a dot.
const DIGITS: usize = 9;

/// The chunks of a file, one behind the other; read-only. They are opened when they are needed, a few at a time.
pub struct Chunks {
    neighbours: Arc<dyn Neighbours>,
    name: String,
    /// What it is called in messages.
    shown: String,
    /// Of all chunks but the last, which may have less.
    chunk_size: u64,
    size: u64,
    /// By their numbers, the one that was used last at the end.
    open: Mutex<Vec<(u64, Arc<dyn Storage>)>>,
}

impl Chunks {
    /// The file `name`, of which there are the chunks `name.000000000`, `name.000000001` and so on among `neighbours`.
    ///
    /// A `chunk_size` and a `size` of the whole, both in bytes, are what somebody has declared; otherwise, the first chunk
    /// says what size they have, and the first name that is missing how many there are. All of them are looked at now: a
    /// chunk that is missing before the last one, or has another size, is an error that names it.
    ///
    /// # Errors
    /// [`OpenError`], which names the chunk.
    pub fn open(
        neighbours: Arc<dyn Neighbours>,
        name: &str,
        chunk_size: Option<u64>,
        size: Option<u64>,
    ) -> Result<Self, OpenError> {
        let first = neighbours.open(&chunk_name(name, 0))?.storage;
        let chunk_size = chunk_size.or(size.filter(|size| *size == first.size())).unwrap_or(first.size());
        if chunk_size == 0 {
            return Err(OpenError::empty(Path::new(&first.name())));
        }
        let too_many = || damaged(first.as_ref(), format!("there are more than {MAX_CHUNKS} chunks"));
        let shown = whole_name(&first.name()).unwrap_or(name).to_owned();
        let name = name.to_owned();
        let mut chunks = Self { neighbours, name, shown, chunk_size, size: 0, open: Mutex::default() };
        match size {
            Some(size) if size.div_ceil(chunk_size) > MAX_CHUNKS => return Err(too_many()),
            Some(size) => {
                chunks.size = size;
                (0..size.div_ceil(chunk_size)).try_for_each(|number| chunks.look(number).map(|_| ()))?;
            }
            None => chunks.size = chunks.measure()?.ok_or_else(too_many)?,
        }
        Ok(chunks)
    }

    /// How many bytes all chunks have; nothing if there are too many of them.
    fn measure(&self) -> Result<Option<u64>, OpenError> {
        let mut size = 0;
        for number in 0..=MAX_CHUNKS {
            let len = match self.neighbours.open(&chunk_name(&self.name, number)) {
                Ok(neighbour) => neighbour.storage.size(),
                Err(error) if matches!(error.kind(), OpenErrorKind::Missing) => {
                    // If it goes on behind it, then this one is not the end.
                    return match self.neighbours.open(&chunk_name(&self.name, number + 1)) {
                        Ok(_) => Err(error),
                        Err(_) => Ok(Some(size)),
                    };
                }
                Err(error) => return Err(error),
            };
            // Only the last one may be short, and it was not the last one.
            if size < number.saturating_mul(self.chunk_size) {
                self.look_for(number - 1, self.chunk_size)?;
            }
            if len > self.chunk_size {
                self.look_for(number, self.chunk_size)?;
            }
            size = size.saturating_add(len);
        }
        Ok(None)
    }

    /// Opens a chunk, which must have the size that it should have.
    fn look(&self, number: u64) -> Result<Arc<dyn Storage>, OpenError> {
        self.look_for(number, self.chunk_size.min(self.size.saturating_sub(number.saturating_mul(self.chunk_size))))
    }

    /// Opens a chunk, which must have `len` bytes.
    fn look_for(&self, number: u64, len: u64) -> Result<Arc<dyn Storage>, OpenError> {
        let chunk = self.neighbours.open(&chunk_name(&self.name, number))?.storage;
        if chunk.size() != len {
            let problem = format!("the chunk has {} bytes and should have {len}", chunk.size());
            return Err(damaged(chunk.as_ref(), problem));
        }
        Ok(chunk)
    }

    /// A chunk from among those that are open, or by opening it.
    fn chunk(&self, number: u64) -> io::Result<Arc<dyn Storage>> {
        // Each change leaves the list whole.
        let lock = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = lock();
        if let Some(index) = open.iter().position(|(other, _)| *other == number) {
            let used = open.remove(index);
            let chunk = Arc::clone(&used.1);
            open.push(used);
            return Ok(chunk);
        }
        drop(open);
        let chunk = self.look(number).map_err(|error| match error.into_kind() {
            OpenErrorKind::Damaged(damage) => damage.into(),
            OpenErrorKind::Io(error) => error,
            kind => io::Error::other(format!("chunk {}: {kind:?}", chunk_name(&self.name, number))),
        })?;
        let mut open = lock();
        // Another thread may have opened it as well: then it is here twice for a while.
        if open.len() >= OPEN {
            open.remove(0);
        }
        open.push((number, Arc::clone(&chunk)));
        Ok(chunk)
    }
}

/// The name of a chunk.
fn chunk_name(name: &str, number: u64) -> String {
    format!("{name}.{number:0DIGITS$}")
}

/// The name of the whole file, if `name` is that of its first chunk.
pub(crate) fn whole_name(name: &str) -> Option<&str> {
    let (whole, number) = name.rsplit_once('.')?;
    (!whole.is_empty() && number.len() == DIGITS && number.bytes().all(|digit| digit == b'0')).then_some(whole)
}

fn damaged(chunk: &dyn Storage, problem: String) -> OpenError {
    let name = chunk.name();
    OpenError::new(Path::new(&name), OpenErrorKind::Damaged(Damage::new(chunk, 0, "size", problem)))
}

impl Storage for Chunks {
    fn name(&self) -> String {
        self.shown.clone()
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn read_at(&self, mut offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        let mut left = total(into);
        if offset.checked_add(left).is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut cursor = Cursor::new(into);
        while left > 0 {
            let from = offset % self.chunk_size;
            let len = left.min(self.chunk_size - from);
            self.chunk(offset / self.chunk_size)?.read_at(from, &cursor.take(len))?;
            offset += len;
            left -= len;
        }
        Ok(())
    }

    fn data_after(&self, offset: u64) -> io::Result<Range<u64>> {
        let mut at = offset;
        while at < self.size {
            let start = at - at % self.chunk_size;
            let data = self.chunk(at / self.chunk_size)?.data_after(at - start)?;
            if !data.is_empty() {
                return Ok(start + data.start..start + data.end);
            }
            at = start.saturating_add(self.chunk_size);
        }
        Ok(self.size..self.size)
    }
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, chunk_size, size, .. } = self;
        f.debug_struct("Chunks")
            .field("name", name)
            .field("chunk_size", chunk_size)
            .field("size", size)
            .finish_non_exhaustive()
    }
}
