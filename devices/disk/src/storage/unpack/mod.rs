//! What storages that unpack have in common.
//!
//! Such a file can only be read from front to back ([`Stream`]). While that is done, all that is needed to go on from a
//! place is put aside now and then, and a read elsewhere goes on from the nearest place before it. Whatever the file's
//! length, the number of places has a limit: when it is reached, every other one is given up. Readers that read in order
//! each have a place of their own, so that none makes another one go back.

mod input;
#[cfg(test)]
pub mod testing;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use vm_memory::VolatileSlice;

use super::Storage;
use crate::LayoutError;
use crate::buffers::{Cursor, fill, total};
use crate::image::recent::Recent;

pub use input::Input;

/// How much is unpacked at a time, in bytes.
pub const CHUNK_LEN: usize = 64 * 1024;
/// The same.
pub const CHUNK: u64 = CHUNK_LEN as u64;

/// What a buffer is filled with that is going to be written: copying costs less than a loop, where nothing is optimised.
pub static SPACE: [u8; CHUNK_LEN] = [0; CHUNK_LEN];

/// How much to keep. Smaller for tests and fuzz targets, so that small files get everywhere.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    /// How far kept places lie apart at first, in unpacked bytes: at least 1.
    pub spacing: u64,
    /// How many places are kept at most.
    pub kept: usize,
    /// How many readers have a place of their own.
    pub live: usize,
    /// The most that is kept of unpacked chunks, in bytes.
    pub cache: usize,
}

/// Something that is unpacked from front to back.
pub trait Stream: Send + Sized {
    /// How much of it is kept where nobody says otherwise.
    const TUNING: Tuning;

    /// All that is needed to go on from a place.
    type Place: Clone + Send;

    /// The beginning of a file.
    fn start() -> Self;

    /// How many bytes are unpacked before this point.
    fn at(&self) -> u64;

    /// Whether nothing comes any more.
    fn is_end(&self) -> bool;

    /// Goes on for `len` bytes, at most a chunk, or to the end, and returns them. What stands right behind them without
    /// having any bytes of its own (the end of a member, say) is looked at, too.
    ///
    /// # Errors
    /// [`Damage`](crate::Damage), and as [`Storage::read_at`]. The stream is of no use then.
    fn unpack(&mut self, input: &mut Input, len: usize) -> io::Result<Vec<u8>>;

    /// Where the last place is from which one could go on.
    fn last_place(&self) -> u64;

    /// What is needed to go on from [`Stream::last_place`].
    fn keep(&self) -> Self::Place;

    /// Goes on from a place.
    fn resume(place: Self::Place) -> Self;
}

/// A file as it is once it is unpacked.
pub struct Unpacked<S: Stream> {
    name: String,
    size: u64,
    chunks: Recent<u64>,
    places: Mutex<Places<S>>,
    /// How far before the place of a read chunks are cached that had to be unpacked on the way, in bytes.
    near: u64,
}

impl<S: Stream> Unpacked<S> {
    /// What is in `storage`.
    ///
    /// With a `size` (in bytes, from whoever packed it), no more than the beginning is read now; it is trusted only as a
    /// limit: if there is less, reads past the true end say [`io::ErrorKind::UnexpectedEof`]; if there is more, nobody sees
    /// it. Without it, all of the file is unpacked once, to nowhere, to see how long it is: what a file says of that itself
    /// is little (gzip: its lowest 32 bits) or nothing. More than `limit` bytes are refused.
    ///
    /// # Errors
    /// [`LayoutError::Damaged`], and when `storage` cannot be read.
    pub fn new(storage: Arc<dyn Storage>, size: Option<u64>, limit: u64) -> Result<Self, LayoutError> {
        Self::tuned(storage, size, limit, S::TUNING)
    }

    /// As [`Unpacked::new`], with so much kept.
    pub(crate) fn tuned(
        storage: Arc<dyn Storage>,
        size: Option<u64>,
        limit: u64,
        tuning: Tuning,
    ) -> Result<Self, LayoutError> {
        let mut places = Places::<S>::new(Input::new(storage), tuning);
        let size = match size {
            Some(size) if size > limit => return Err(too_long(&places.input, limit).into()),
            Some(size) => {
                places.unpack(0, 0, |_, _| ())?;
                size
            }
            None => places.measure(limit)?,
        };
        let name = format!("{} (unpacked)", places.input.name());
        let near = tuning.cache as u64 / 4;
        Ok(Self { name, size, chunks: Recent::new(tuning.cache), places: Mutex::new(places), near })
    }

    fn chunk(&self, number: u64) -> io::Result<Arc<[u8]>> {
        if let Ok(chunk) = self.chunks.get(number, || Err(())) {
            return Ok(chunk);
        }
        // Streams are only put back whole, so a panic left nothing half done.
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        // Only one thread unpacks at a time, and another one may have made the chunk meanwhile.
        self.chunks.get(number, || {
            let start = number * CHUNK;
            places.unpack(start, CHUNK.min(self.size.saturating_sub(start)), |at, bytes| {
                if at % CHUNK == 0 && start - at <= self.near && bytes.len() == CHUNK_LEN {
                    let _ = self.chunks.get(at / CHUNK, || Ok::<_, ()>(bytes));
                }
            })
        })
    }

    /// What it has in memory, and the most that it may have, in bytes, if a place and a stream are this large.
    #[cfg(test)]
    pub fn memory(&self, place: usize, stream: usize) -> (usize, usize) {
        let places = self.places.lock().unwrap();
        let memory = |kept, live| Input::MEMORY + places.tuning.cache + kept * place + live * stream;
        (memory(places.kept.len(), places.live.len()), memory(places.tuning.kept, places.tuning.live))
    }

    /// How many places are kept, how far apart, and where the readers are.
    #[cfg(test)]
    pub fn places(&self) -> (usize, u64, Vec<u64>) {
        let places = self.places.lock().unwrap();
        (places.kept.len(), places.spacing, places.live.iter().map(S::at).collect())
    }
}

impl<S: Stream> Storage for Unpacked<S> {
    fn name(&self) -> String {
        self.name.clone()
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
            let chunk = self.chunk(offset / CHUNK)?;
            // Smaller than a chunk.
            let rest = chunk.get((offset % CHUNK) as usize..).unwrap_or_default();
            if rest.is_empty() {
                let problem = format!("it unpacks to less than the {} bytes that were declared", self.size);
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, problem));
            }
            let buffers = cursor.take(left.min(rest.len() as u64));
            let len = total(&buffers);
            fill(&buffers, rest)?;
            offset += len;
            left -= len;
        }
        Ok(())
    }
}

/// Unpacks from the nearest place that it knows.
struct Places<S: Stream> {
    input: Input,
    tuning: Tuning,
    /// How far the kept places lie apart by now, in bytes.
    spacing: u64,
    /// By how much is unpacked before them.
    kept: BTreeMap<u64, S::Place>,
    /// Where the last reads ended, the latest one last.
    live: Vec<S>,
}

impl<S: Stream> Places<S> {
    fn new(input: Input, tuning: Tuning) -> Self {
        Self { input, tuning, spacing: tuning.spacing, kept: BTreeMap::new(), live: Vec::new() }
    }

    /// Unpacks everything and forgets it; returns how much it was: up to `limit` bytes.
    fn measure(&mut self, limit: u64) -> io::Result<u64> {
        let mut stream = S::start();
        while !stream.is_end() {
            self.step(&mut stream, CHUNK)?;
            if stream.at() > limit {
                return Err(too_long(&self.input, limit));
            }
        }
        Ok(stream.at())
    }

    /// The `len` bytes at `start`; fewer at the end. Whole chunks that had to be unpacked on the way there are `passed` on,
    /// with their places.
    fn unpack(&mut self, start: u64, len: u64, passed: impl Fn(u64, Vec<u8>)) -> io::Result<Vec<u8>> {
        let mut stream = self.nearest(start);
        while stream.at() < start && !stream.is_end() {
            let at = stream.at();
            let bytes = self.step(&mut stream, (CHUNK - at % CHUNK).min(start - at))?;
            passed(at, bytes);
        }
        let bytes = if stream.at() == start { self.step(&mut stream, len)? } else { Vec::new() };
        if self.live.len() == self.tuning.live {
            self.live.remove(0);
        }
        self.live.push(stream);
        Ok(bytes)
    }

    /// Goes on for `len` bytes, and keeps a place when it is time to.
    fn step(&mut self, stream: &mut S, len: u64) -> io::Result<Vec<u8>> {
        let bytes = stream.unpack(&mut self.input, usize::try_from(len).unwrap_or_default())?;
        let at = stream.last_place();
        let before = self.kept.range(..=at).next_back().map_or(0, |(before, _)| *before);
        if at - before >= self.spacing && !stream.is_end() {
            self.kept.insert(at, stream.keep());
            while self.kept.len() > self.tuning.kept {
                self.thin_out();
            }
        }
        Ok(bytes)
    }

    /// Keeps only places that are twice as far apart.
    fn thin_out(&mut self) {
        self.spacing = self.spacing.saturating_mul(2);
        let (spacing, mut last) = (self.spacing, 0);
        self.kept.retain(|at, _| {
            let far = at - last >= spacing;
            if far {
                last = *at;
            }
            far
        });
    }

    /// The last known place at or before `start`.
    fn nearest(&mut self, start: u64) -> S {
        let kept = self.kept.range(..=start).next_back();
        let live = self.live.iter().enumerate().filter(|(_, stream)| stream.at() <= start);
        let live = live.max_by_key(|(_, stream)| stream.at()).map(|(index, stream)| (index, stream.at()));
        match (live, kept) {
            // Its reader goes on, so nobody needs it where it is.
            (Some((index, live)), kept) if kept.is_none_or(|(kept, _)| live >= *kept) => self.live.remove(index),
            (_, Some((_, place))) => S::resume(place.clone()),
            _ => S::start(),
        }
    }
}

impl<S: Stream> fmt::Debug for Unpacked<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacked").field("name", &self.name).field("size", &self.size).finish_non_exhaustive()
    }
}

/// What a file is refused with that unpacks to more than `limit` bytes, or is said to.
fn too_long(input: &Input, limit: u64) -> io::Error {
    input.damage(0, "unpacked size", format!("it is more than {limit} bytes, the limit"))
}
