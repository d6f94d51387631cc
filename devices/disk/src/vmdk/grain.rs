//! Compressed grains: "Stream-Optimized Compressed Sparse Extents".

use std::cell::Cell;
use std::io;

use flate2::{Decompress, FlushDecompress, Status};

use super::header::{Packing, field};
use super::sparse::Sparse;
use super::spec;
use crate::SECTOR;
use crate::error::Damage;
use crate::image::layout::Packed;
use crate::storage::{Storage, read_bytes};

/// How much longer than a grain its compressed form may be, in bytes: deflate adds five bytes to each stretch that it
/// cannot pack, and a few in front and behind.
const GROWTH: u64 = 64 << 10;
/// Room behind a grain, in bytes: inflate is faster while it need not look for the end of its output, and what comes out
/// too much is seen.
const ROOM: usize = 320;

/// The most that a grain of `grain` bytes has in the file, in bytes, its marker included.
pub fn most_packed(grain: u64) -> u64 {
    grain + GROWTH + spec::GRAIN_MARKER as u64
}

/// What inflating needs, kept by each thread.
struct Inflater {
    state: Decompress,
    /// Compressed bytes; never made shorter.
    input: Vec<u8>,
}

thread_local! {
    /// Taken out while it is used: a storage may be a file inside of another such disk.
    static INFLATER: Cell<Option<Box<Inflater>>> = const { Cell::new(None) };
}

/// Reads and unpacks a grain of `sparse`, which begins `at` bytes after the extent.
///
/// # Errors
/// [`Damage`] when the marker is not that of the grain, or does not unpack to it; and whatever the storage says.
pub fn unpack(sparse: &Sparse, packed: &Packed, at: u64) -> io::Result<Vec<u8>> {
    let mut inflater =
        INFLATER.take().unwrap_or_else(|| Box::new(Inflater { state: Decompress::new(true), input: Vec::new() }));
    let block = inflater.unpack(sparse, packed, at);
    INFLATER.set(Some(inflater));
    block
}

impl Inflater {
    fn unpack(&mut self, sparse: &Sparse, packed: &Packed, at: u64) -> io::Result<Vec<u8>> {
        let range = match sparse.geometry.packing {
            Packing::Plain => return Err(io::ErrorKind::InvalidInput.into()),
            Packing::Deflate { markers: false } => {
                let most = most_packed(sparse.geometry.grain).min(sparse.storage.size().saturating_sub(packed.offset));
                let most = usize::try_from(most).map_err(io::Error::other)?;
                self.fetch(sparse.storage.as_ref(), packed.offset, 0, most)?;
                0..most
            }
            Packing::Deflate { markers: true } => self.fetch_marked(sparse, packed, at)?,
        };
        let input = self.input.get(range).unwrap_or_default();
        inflate(&mut self.state, input, sparse, packed, at)
    }

    /// Reads a marker and what follows it; returns where in the buffer the compressed bytes are.
    fn fetch_marked(&mut self, sparse: &Sparse, packed: &Packed, at: u64) -> io::Result<std::ops::Range<usize>> {
        let storage = sparse.storage.as_ref();
        let damage = |at, field, problem| io::Error::from(Damage::new(storage, packed.offset + at, field, problem));
        let guess = (packed.packed_len as usize).max(spec::GRAIN_MARKER);
        self.fetch(storage, packed.offset, 0, guess)?;
        let lba = u64::from_le_bytes(field(&self.input, 0));
        let size = u32::from_le_bytes(field(&self.input, 8));
        if lba != at / SECTOR {
            return Err(damage(0, "marker", format!("it is that of sector {lba}, and should be of {}", at / SECTOR)));
        }
        if size == 0 || u64::from(size) > sparse.geometry.grain + GROWTH {
            return Err(damage(8, "marker", format!("{size} is not the size of a compressed grain")));
        }
        let end = spec::GRAIN_MARKER + size as usize;
        if end > guess {
            if packed.offset + end as u64 > storage.size() {
                let problem = format!("the grain ends past the end of the file ({} bytes)", storage.size());
                return Err(damage(8, "marker", problem));
            }
            self.fetch(storage, packed.offset, guess, end)?;
        }
        Ok(spec::GRAIN_MARKER..end)
    }

    /// Reads the bytes `from..to` of what begins at `offset` to the same place in the buffer.
    fn fetch(&mut self, storage: &dyn Storage, offset: u64, from: usize, to: usize) -> io::Result<()> {
        if self.input.len() < to {
            self.input.resize(to, 0);
        }
        read_bytes(storage, offset + from as u64, self.input.get_mut(from..to).unwrap_or_default())
    }
}

fn inflate(state: &mut Decompress, input: &[u8], sparse: &Sparse, packed: &Packed, at: u64) -> io::Result<Vec<u8>> {
    let damage =
        |problem: String| io::Error::from(Damage::new(sparse.storage.as_ref(), packed.offset, "grain", problem));
    let grain = sparse.geometry.grain;
    let (len, room) = (packed.len as usize, usize::try_from(grain).map_err(io::Error::other)? + ROOM);
    let mut block = Vec::with_capacity(room);
    state.reset(true);
    let status = state.decompress_vec(input, &mut block, FlushDecompress::Finish);
    if block.len() as u64 > grain {
        return Err(damage(format!("it unpacks to more than the {grain} bytes of a grain")));
    }
    match status {
        Ok(Status::StreamEnd) => (),
        Ok(_) => return Err(damage("its compressed bytes have no end".into())),
        Err(error) => return Err(damage(format!("it does not unpack: {error}"))),
    }
    // The disk may end inside of its last grain; what is behind its end need not be there.
    let is_last = at.saturating_add(grain) >= sparse.geometry.size;
    if (block.len() as u64) < grain && !is_last {
        return Err(damage(format!("it unpacks to {} bytes, and a grain has {grain}", block.len())));
    }
    block.resize(len, 0);
    Ok(block)
}
