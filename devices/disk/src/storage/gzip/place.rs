//! A place in a gzip file from which it can be unpacked further.

use std::io;

use crc32fast::Hasher;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::header;
use super::spec::WINDOW;
use crate::storage::unpack::{CHUNK, Input, SPACE, Stream, Tuning};

/// The buffer begins with what a match may reach back to, and never seems larger than it is.
const FLAGS: u32 = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The header of the first member.
    First,
    /// The header of another member, padding or the end.
    Between,
    /// The deflate stream of a member.
    Inside,
    /// Nothing.
    End,
}

/// All that is needed to go on from a place: a plain value, which can be put aside and used many times.
#[derive(Clone)]
pub struct Place {
    /// How many bytes are unpacked before it.
    at: u64,
    /// Where the next packed byte is in the file.
    packed: u64,
    stage: Stage,
    state: Box<DecompressorOxide>,
    /// The last bytes of this member, up to [`WINDOW`] of them.
    window: Vec<u8>,
    /// Of this member so far.
    crc: Hasher,
    /// Bytes of this member so far.
    len: u64,
}

impl Place {
    /// How much memory a copy takes that is kept, in bytes.
    #[cfg(test)]
    pub const KEPT: usize = size_of::<Self>() + size_of::<DecompressorOxide>() + WINDOW;
    /// How much memory one takes from which something was unpacked, in bytes.
    #[cfg(test)]
    pub const LIVE: usize = Self::KEPT + SPACE.len();

    /// Begins a member.
    fn begin(&mut self, input: &mut Input) -> io::Result<()> {
        self.packed = header::read(input, self.packed)?;
        self.state.init();
        self.window.clear();
        self.crc = Hasher::new();
        self.len = 0;
        self.stage = Stage::Inside;
        Ok(())
    }

    /// Inflates what is at hand, up to `space` bytes, and puts it behind `bytes`; whether it came any further.
    fn inflate(&mut self, input: &mut Input, space: usize, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let packed = input.from(self.packed, 1)?;
        let before = self.window.len();
        // The window is the front of the output buffer: a distance that is too far is one past its beginning.
        self.window.extend(SPACE.get(..space).ok_or(io::ErrorKind::InvalidInput)?);
        let (status, consumed, len) = decompress(&mut self.state, packed, &mut self.window, before, FLAGS);
        let at_end = packed.is_empty();
        self.window.truncate(before + len);
        let new = self.window.get(before..).unwrap_or_default();
        self.crc.update(new);
        bytes.extend(new);
        self.window.drain(..self.window.len().saturating_sub(WINDOW));
        self.at += len as u64;
        self.len += len as u64;
        self.packed += consumed as u64;
        match status {
            TINFLStatus::Done => {
                self.packed = header::check_trailer(input, self.packed, self.crc.clone().finalize(), self.len)?;
                self.stage = Stage::Between;
                Ok(true)
            }
            TINFLStatus::HasMoreOutput | TINFLStatus::NeedsMoreInput if consumed > 0 || len > 0 => Ok(true),
            // It says so, too, when it has no space and wants more input, and there may be none.
            TINFLStatus::HasMoreOutput if !at_end => Ok(false),
            TINFLStatus::HasMoreOutput | TINFLStatus::NeedsMoreInput => {
                Err(input.damage(self.packed, "deflate stream", "the file ends before it does"))
            }
            _ => Err(input.damage(self.packed, "deflate stream", "it cannot be inflated")),
        }
    }
}

impl Stream for Place {
    /// A place takes 43 KiB, so all of this is less than 8 MiB. A MiB is inflated in a few milliseconds.
    const TUNING: Tuning = Tuning { spacing: 16 * CHUNK, kept: 128, live: 4, cache: 2 << 20 };

    type Place = Self;

    fn start() -> Self {
        Self {
            at: 0,
            packed: 0,
            stage: Stage::First,
            state: Box::default(),
            window: Vec::new(),
            crc: Hasher::new(),
            len: 0,
        }
    }

    fn at(&self) -> u64 {
        self.at
    }

    fn is_end(&self) -> bool {
        self.stage == Stage::End
    }

    fn unpack(&mut self, input: &mut Input, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len);
        loop {
            match self.stage {
                Stage::First => self.begin(input)?,
                Stage::Between if self.packed >= input.size() => self.stage = Stage::End,
                Stage::Between if input.from(self.packed, 1)?.first() == Some(&0) => {
                    input.check_padding(self.packed)?;
                    self.stage = Stage::End;
                }
                Stage::Between => self.begin(input)?,
                Stage::Inside => {
                    if !self.inflate(input, len - bytes.len(), &mut bytes)? {
                        return Ok(bytes);
                    }
                }
                Stage::End => return Ok(bytes),
            }
        }
    }

    fn last_place(&self) -> u64 {
        self.at
    }

    fn keep(&self) -> Self {
        self.clone()
    }

    fn resume(place: Self) -> Self {
        place
    }
}
