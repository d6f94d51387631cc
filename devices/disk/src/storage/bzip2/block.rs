//! One block, unpacked on its own.

use std::fmt;
use std::io;

use bzip2::{Decompress, Error, Status};

use super::bits;
use super::spec::{BLOCK_MAGIC, FOOTER_MAGIC, HEADER_LEN, MAGIC};
use crate::storage::unpack::{Input, SPACE};

/// How much the decoder is given at a time, in bytes. It takes in up to eight at once if it can, and then nobody knows where
/// the block ended; of fewer it takes one after the other, and stops in the byte in which the block ends.
const PIECE: usize = 7;

/// A block that is unpacked but not yet fetched.
pub struct Block {
    decoder: Decompress,
    /// Where it begins in the file, in bits.
    start: u64,
    /// Where it ends, in bits.
    end: u64,
    /// A byte that was fetched too early, to see whether there is one.
    next: Option<u8>,
}

impl Block {
    /// Unpacks the block that begins at the bit `start`, in a stream of this level ('1' to '9').
    ///
    /// # Errors
    /// [`Damage`](crate::Damage), and whatever the storage says.
    pub fn open(input: &mut Input, start: u64, level: u8) -> io::Result<Self> {
        // To the decoder, it is the first block of a stream.
        let mut decoder = Decompress::new(false);
        let [b, z, h] = MAGIC;
        feed(&mut decoder, &[b, z, h, level]).map_err(|error| corrupt(input, start, &error))?;
        loop {
            let fed = decoder.total_in() - HEADER_LEN;
            let bytes = bits::some(input, start + fed * 8)?;
            if bytes.is_empty() {
                return Err(input.damage(start / 8, "block", "the file ends before it does"));
            }
            for piece in bytes.chunks(PIECE) {
                let taken = feed(&mut decoder, piece).map_err(|error| corrupt(input, start, &error))?;
                // It takes no more once it has the whole block and has nowhere to put it.
                if taken < piece.len() {
                    let end = end(input, start, decoder.total_in() - HEADER_LEN)?;
                    return Ok(Self { decoder, start, end, next: None });
                }
            }
        }
    }

    /// Where it ends in the file, in bits.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Fetches up to `space` more bytes, at most a chunk, and puts them behind `bytes`; whether there are more.
    ///
    /// # Errors
    /// [`Damage`](crate::Damage) when the block's checksum, which comes at its end, does not match.
    pub fn fetch(&mut self, input: &Input, space: usize, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let before = bytes.len();
        if space > 0 {
            bytes.extend(self.next.take());
        }
        let start = bytes.len();
        let len = before + space - start;
        bytes.extend(SPACE.get(..len).ok_or(io::ErrorKind::InvalidInput)?);
        let fetched = self.unpack(input, bytes.get_mut(start..).unwrap_or_default())?;
        bytes.truncate(start + fetched);
        if start + fetched < before + space {
            return Ok(false);
        }
        if self.next.is_none() {
            let mut byte = [0];
            self.next = (self.unpack(input, &mut byte)? > 0).then(|| byte[0]);
        }
        Ok(self.next.is_some())
    }

    fn unpack(&mut self, input: &Input, into: &mut [u8]) -> io::Result<usize> {
        let before = self.decoder.total_out();
        if !into.is_empty() {
            self.decoder.decompress(&[], into).map_err(|error| match error {
                Error::Data => input.damage(self.start / 8, "block CRC", "it does not match the data"),
                error => corrupt(input, self.start, &error),
            })?;
        }
        usize::try_from(self.decoder.total_out() - before).map_err(io::Error::other)
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("start", &self.start).field("end", &self.end).finish_non_exhaustive()
    }
}

/// Gives bytes to a decoder that has no space to unpack to; returns how many it took.
fn feed(decoder: &mut Decompress, bytes: &[u8]) -> Result<usize, Error> {
    let before = decoder.total_in();
    match decoder.decompress(bytes, &mut [])? {
        Status::MemNeeded => Err(Error::Sequence),
        _ => Ok(usize::try_from(decoder.total_in() - before).unwrap_or_default()),
    }
}

/// Where the block ends of which `len` bytes were taken: in the last one of them. There, another block or the end of the
/// stream begins.
fn end(input: &mut Input, start: u64, len: u64) -> io::Result<u64> {
    let last = start + len.saturating_sub(1) * 8;
    for end in last + 1..=last + 8 {
        let magic = bits::array(input, end, "block or footer magic")?;
        if magic == BLOCK_MAGIC || magic == FOOTER_MAGIC {
            return Ok(end);
        }
    }
    Err(input.damage(last / 8, "block or footer magic", "neither comes after a block"))
}

fn corrupt(input: &Input, start: u64, error: &Error) -> io::Error {
    match error {
        Error::Data | Error::DataMagic => input.damage(start / 8, "block", "it cannot be unpacked"),
        // Not something that a file can do.
        error => io::Error::other(error.to_string()),
    }
}
