//! Rows of buffers, and how they are cut where the pieces of an image begin and end.

use std::io;

use vm_memory::{Bytes, VolatileSlice};

/// How many bytes `buffers` have together.
pub fn total(buffers: &[VolatileSlice<'_>]) -> u64 {
    buffers.iter().map(|buffer| buffer.len() as u64).sum()
}

/// A row of buffers, from which pieces are taken off at the front.
pub struct Cursor<'b, 'm> {
    rest: &'b [VolatileSlice<'m>],
    /// Bytes of the first buffer that are taken already.
    taken: usize,
}

impl<'b, 'm> Cursor<'b, 'm> {
    /// All of `buffers`.
    pub fn new(buffers: &'b [VolatileSlice<'m>]) -> Self {
        Self { rest: buffers, taken: 0 }
    }

    /// The next `len` bytes, or as many as there are.
    pub fn take(&mut self, len: u64) -> Vec<VolatileSlice<'m>> {
        let mut piece = Vec::new();
        let mut missing = usize::try_from(len).unwrap_or(usize::MAX);
        while missing > 0
            && let Some((first, rest)) = self.rest.split_first()
        {
            let len = (first.len() - self.taken).min(missing);
            // Inside of the buffer by what was just computed, so it never fails.
            if len > 0
                && let Ok(front) = first.subslice(self.taken, len)
            {
                piece.push(front);
            }
            missing -= len;
            self.taken += len;
            if self.taken == first.len() {
                self.taken = 0;
                self.rest = rest;
            }
        }
        piece
    }
}

/// Copies `bytes` to `buffers`, which are as long together.
///
/// # Errors
/// Never, for buffers that are long enough.
pub fn fill(buffers: &[VolatileSlice<'_>], mut bytes: &[u8]) -> io::Result<()> {
    for buffer in buffers {
        let (front, rest) = bytes.split_at_checked(buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.write_slice(front, 0).map_err(io::Error::other)?;
        bytes = rest;
    }
    Ok(())
}

/// Copies from `buffers` to `bytes`, as many as there are of both.
///
/// # Errors
/// Never.
#[cfg_attr(not(test), allow(dead_code))] // until a format is written
pub fn gather(buffers: &[VolatileSlice<'_>], mut bytes: &mut [u8]) -> io::Result<()> {
    for buffer in buffers {
        let len = buffer.len().min(bytes.len());
        let (front, rest) = bytes.split_at_mut_checked(len).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.read_slice(front, 0).map_err(io::Error::other)?;
        bytes = rest;
    }
    Ok(())
}

/// Makes all of `buffers` zero.
///
/// # Errors
/// Never.
pub fn clear(buffers: &[VolatileSlice<'_>]) -> io::Result<()> {
    const ZEROES: [u8; 4096] = [0; 4096];
    for buffer in buffers {
        for start in (0..buffer.len()).step_by(ZEROES.len()) {
            let zeroes = ZEROES.get(..ZEROES.len().min(buffer.len() - start)).unwrap_or(&ZEROES);
            buffer.write_slice(zeroes, start).map_err(io::Error::other)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_cut_at_any_place_and_come_back_whole() {
        let mut parts: Vec<Vec<u8>> = [3, 0, 5, 1, 7].iter().map(|len| vec![9; *len]).collect();
        let slices: Vec<_> = parts.iter_mut().map(|part| VolatileSlice::from(part.as_mut_slice())).collect();
        assert_eq!(total(&slices), 16);
        let mut cursor = Cursor::new(&slices);
        let bytes: Vec<u8> = (0..16).collect();
        let mut rest = bytes.as_slice();
        for len in [1, 2, 4, 0, 6, 100] {
            let piece = cursor.take(len);
            let (front, back) = rest.split_at(usize::try_from(len).unwrap().min(rest.len()));
            assert_eq!(total(&piece), front.len() as u64);
            fill(&piece, front).unwrap();
            rest = back;
        }
        assert!(cursor.take(1).is_empty());
        let mut back = vec![0; 16];
        gather(&slices, &mut back).unwrap();
        assert_eq!(back, bytes);
        clear(&slices).unwrap();
        drop(slices);
        assert!(parts.concat().iter().all(|byte| *byte == 0));
    }
}
