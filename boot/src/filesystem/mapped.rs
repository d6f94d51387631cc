//! A file's bytes, read where they lie.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use ovum_disk::storage::Storage;
use vm_memory::{Bytes, VolatileSlice};

use super::FsError;
use super::volume::Volume;

/// How many pieces are looked at to find out where data is; beyond them there may be some.
const PIECES_LOOKED_AT: usize = 256;
/// Zeroes are written to buffers this many at a time.
const ZEROES: [u8; 4096] = [0; 4096];

/// Where the bytes of a file are, piece by piece.
pub trait Map: Send + Sync + fmt::Debug {
    /// What is at `offset`, which is inside the file, and for how many bytes, at least one. A piece may end past the file.
    fn piece(&self, offset: u64) -> Result<Piece, FsError>;
}

/// A row of bytes of a file.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Where it is.
    pub place: Place,
    /// How long it is, in bytes.
    pub len: u64,
}

/// Where bytes of a file are.
#[derive(Debug, Clone)]
pub enum Place {
    /// Nowhere: they are zero.
    Hole,
    /// On the volume, from this offset on.
    At(u64),
    /// Here, from this index on: inside of metadata, or unpacked.
    Here(Arc<[u8]>, usize),
}

/// A file that is read through a [`Map`].
#[derive(Debug)]
pub struct Mapped<M> {
    name: String,
    size: u64,
    volume: Arc<Volume>,
    map: M,
}

impl<M: Map> Mapped<M> {
    /// The file of `size` bytes, called `name`.
    pub fn new(name: &str, size: u64, volume: Arc<Volume>, map: M) -> Self {
        Self { name: format!("{name} in {}", volume.storage().name()), size, volume, map }
    }

    fn piece(&self, offset: u64) -> io::Result<Piece> {
        match self.map.piece(offset) {
            Ok(piece) if piece.len > 0 => Ok(piece),
            Ok(_) => Err(into_io(self.volume.damaged(0, format!("byte {offset} of {} is nowhere", self.name)))),
            Err(error) => Err(into_io(error)),
        }
    }

    /// Fills `into` from `place`.
    fn fetch(&self, place: &Place, into: &VolatileSlice<'_>) -> io::Result<()> {
        let len = into.len();
        match place {
            Place::Hole => clear(into),
            Place::At(at) => {
                let end = at.checked_add(len as u64).filter(|end| *end <= self.volume.size());
                if end.is_none() {
                    return Err(into_io(self.volume.damaged(*at, format!("{} lies beyond the volume", self.name))));
                }
                self.volume.storage().read_at(*at, &[*into])
            }
            Place::Here(bytes, from) => {
                let bytes = bytes.get(*from..).and_then(|rest| rest.get(..len)).ok_or(io::ErrorKind::UnexpectedEof)?;
                into.write_slice(bytes, 0).map_err(io::Error::other)
            }
        }
    }
}

impl<M: Map> Storage for Mapped<M> {
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
        for buffer in into {
            if offset.checked_add(buffer.len() as u64).is_none_or(|end| end > self.size) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut done = 0;
            while done < buffer.len() {
                let piece = self.piece(offset)?;
                let len = usize::try_from(piece.len).unwrap_or(usize::MAX).min(buffer.len() - done);
                self.fetch(&piece.place, &buffer.subslice(done, len).map_err(io::Error::other)?)?;
                done += len;
                offset += len as u64;
            }
        }
        Ok(())
    }

    fn data_after(&self, offset: u64) -> io::Result<Range<u64>> {
        let mut start = offset.min(self.size);
        for _ in 0..PIECES_LOOKED_AT {
            if start >= self.size {
                return Ok(self.size..self.size);
            }
            let piece = self.piece(start)?;
            let end = start.saturating_add(piece.len).min(self.size);
            if !matches!(piece.place, Place::Hole) {
                return Ok(start..end);
            }
            start = end;
        }
        Ok(start..self.size)
    }
}

/// Bytes that are all in memory: files inside of metadata.
#[derive(Debug)]
pub struct Here(pub Arc<[u8]>);

impl Map for Here {
    fn piece(&self, offset: u64) -> Result<Piece, FsError> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let len = self.0.len().saturating_sub(from) as u64;
        Ok(if len > 0 {
            Piece { place: Place::Here(Arc::clone(&self.0), from), len }
        } else {
            Piece { place: Place::Hole, len: u64::MAX }
        })
    }
}

/// As the answer of a [`Storage`].
pub fn into_io(error: FsError) -> io::Error {
    match error {
        FsError::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

fn clear(into: &VolatileSlice<'_>) -> io::Result<()> {
    for start in (0..into.len()).step_by(ZEROES.len()) {
        let zeroes = ZEROES.get(..ZEROES.len().min(into.len() - start)).unwrap_or(&ZEROES);
        into.write_slice(zeroes, start).map_err(io::Error::other)?;
    }
    Ok(())
}
