//! Copying a disk to a new image: in parallel, and only where there is data.
//!
//! Workers take pieces of the disk in order, read them and encode their blocks; the caller's thread puts them, in order
//! again. The workers are never far ahead of it, so the memory that is used does not depend on the disk.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZero;
use std::ops::Range;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use vm_memory::VolatileSlice;

use crate::Disk;
use crate::image::{Image, Place};
use crate::write::{Encode, Writer};

/// How much of the disk a worker takes at a time, in bytes; a whole number of blocks of every writer.
pub const PIECE: u64 = 1 << 20;
/// How many pieces for each worker may be begun and not yet put.
const AHEAD: u64 = 4;

/// Why a copy was not made.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The image could not be read, or a block of it not be compressed.
    #[error("cannot read: {0}")]
    Read(#[source] io::Error),
    /// The new image could not be written.
    #[error("cannot write: {0}")]
    Write(#[source] io::Error),
}

/// Copies what `image` holds to `writer`, and finishes it. `threads` read and encode; `progress` is told after each piece up
/// to where the disk is done, in bytes.
///
/// # Errors
/// The first one, of the image or of the writer; the new image is of no use then.
pub fn copy(
    image: &Image,
    writer: &mut dyn Writer,
    threads: NonZero<usize>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), CopyError> {
    let source = Source::new(image, threads);
    let (block, encode) = (writer.block_size(), writer.encode());
    let (hand_over, made) = mpsc::channel();
    thread::scope(|scope| {
        let start = || {
            let (hand_over, source) = (hand_over.clone(), &source);
            let work = move || source.work(block, encode, &hand_over);
            thread::Builder::new().name("copy".into()).spawn_scoped(scope, work).map(drop)
        };
        let started = (0..threads.get()).try_for_each(|_| start()).map_err(CopyError::Read);
        drop(hand_over);
        let result = started.and_then(|()| put_in_order(&made, &source, writer, progress));
        // After an error, too: workers wait for pieces to be put.
        source.stop();
        result
    })?;
    progress(image.size());
    writer.finish().map_err(CopyError::Write)
}

/// Puts pieces as they become due.
fn put_in_order(
    made: &Receiver<io::Result<Piece>>,
    source: &Source<'_>,
    writer: &mut dyn Writer,
    progress: &mut dyn FnMut(u64),
) -> Result<(), CopyError> {
    let mut early = BTreeMap::new();
    let mut due = 0;
    for piece in made {
        let piece = piece.map_err(CopyError::Read)?;
        early.insert(piece.number, piece);
        while let Some(piece) = early.remove(&due) {
            for (offset, encoded) in &piece.blocks {
                writer.put(*offset, encoded).map_err(CopyError::Write)?;
            }
            progress(piece.end);
            due += 1;
            source.advance(due);
        }
    }
    Ok(())
}

/// A piece of the disk, ready to be put.
struct Piece {
    number: u64,
    /// Where it ends on the disk.
    end: u64,
    /// Blocks that are not all zero: place on the disk, encoded bytes.
    blocks: Vec<(u64, Vec<u8>)>,
}

/// Where the workers get their pieces from.
struct Source<'i> {
    image: &'i Image,
    threads: u64,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Where the next piece is looked for, on the disk.
    offset: u64,
    /// The next piece's number.
    number: u64,
    /// The piece that is put next.
    due: u64,
}

impl<'i> Source<'i> {
    fn new(image: &'i Image, threads: NonZero<usize>) -> Self {
        let state = State { offset: 0, number: 0, due: 0 };
        Self { image, threads: threads.get() as u64, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that pieces before `due` are put.
    fn advance(&self, due: u64) {
        self.lock().due = due;
        self.changed.notify_all();
    }

    /// Says that there is nothing more to do.
    fn stop(&self) {
        let mut state = self.lock();
        state.offset = u64::MAX;
        state.due = u64::MAX - AHEAD * self.threads;
        self.changed.notify_all();
    }

    /// The next piece that may hold data, once there is room for it.
    fn next(&self) -> io::Result<Option<(u64, Range<u64>)>> {
        let state = self.lock();
        let is_full = |state: &mut State| state.number >= state.due + AHEAD * self.threads;
        let mut state = self.changed.wait_while(state, is_full).unwrap_or_else(PoisonError::into_inner);
        let Some(data) = next_data(self.image, state.offset)? else {
            state.offset = u64::MAX;
            return Ok(None);
        };
        let start = data - data % PIECE;
        let end = start.saturating_add(PIECE).min(self.image.size());
        state.offset = end;
        state.number += 1;
        Ok(Some((state.number - 1, start..end)))
    }

    fn work(&self, block: usize, encode: Encode, hand_over: &Sender<io::Result<Piece>>) {
        // Used again for each piece: memory that is new has to be cleared by the kernel first.
        let mut bytes = Vec::new();
        loop {
            let piece = match self.next() {
                Ok(None) => return,
                Ok(Some((number, range))) => self.make(number, range, block, encode, &mut bytes),
                Err(error) => Err(error),
            };
            let failed = piece.is_err();
            // Nobody listens any more: another piece has failed.
            if hand_over.send(piece).is_err() || failed {
                return;
            }
        }
    }

    fn make(
        &self,
        number: u64,
        range: Range<u64>,
        block: usize,
        encode: Encode,
        bytes: &mut Vec<u8>,
    ) -> io::Result<Piece> {
        let len = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        bytes.resize(len, 0);
        self.image.read_at(range.start, &[VolatileSlice::from(bytes.as_mut_slice())])?;
        let mut blocks = Vec::new();
        for (offset, bytes) in (range.start..).step_by(block).zip(bytes.chunks(block)) {
            if bytes.iter().any(|byte| *byte != 0) {
                blocks.push((offset, encode(bytes.to_vec())?));
            }
        }
        Ok(Piece { number, end: range.end, blocks })
    }
}

/// The first place at or after `offset` that may hold something else than zeroes.
///
/// # Errors
/// As [`Image::locate`].
pub fn next_data(image: &Image, mut offset: u64) -> io::Result<Option<u64>> {
    while offset < image.size() {
        let found = image.locate(offset, image.size() - offset)?;
        match found.place {
            Place::Nowhere | Place::Zero => (),
            Place::Packed(..) => return Ok(Some(offset)),
            Place::Stored(storage, at) => {
                let data = storage.data_after(at)?;
                if data.start < at.saturating_add(found.len) && !data.is_empty() {
                    return Ok(Some(offset + data.start.saturating_sub(at)));
                }
            }
        }
        offset += found.len;
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
