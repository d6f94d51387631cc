//! A place in a bzip2 file, and a reader that goes on from there.

use std::io;

use super::bits;
use super::block::Block;
use super::spec::{BLOCK_MAGIC, CRC_BITS, FOOTER_MAGIC, HEADER_LEN, MAGIC, MAGIC_BITS};
use crate::storage::unpack::{Input, Stream, Tuning};

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The header of the first stream.
    First,
    /// The header of another stream, padding or the end.
    Between,
    /// A block, or the footer of the stream.
    Inside,
    /// Nothing.
    End,
}

/// Between two blocks.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// How many bytes are unpacked before it.
    at: u64,
    /// Where it is in the file, in bits.
    bit: u64,
    stage: Stage,
    /// The stream's level, '1' to '9'.
    level: u8,
    /// The checksum of this stream's blocks so far.
    crc: u32,
}

/// Reads from front to back.
#[derive(Debug)]
pub struct Reader {
    /// Before the block, if there is one.
    place: Place,
    block: Option<Block>,
    /// How many bytes are unpacked so far.
    at: u64,
}

impl Reader {
    /// Looks at the next bits that are not data; whether there is more to come.
    fn advance(&mut self, input: &mut Input) -> io::Result<bool> {
        let place = &mut self.place;
        match place.stage {
            Stage::Between if place.bit / 8 >= input.size() => place.stage = Stage::End,
            Stage::Between if input.from(place.bit / 8, 1)?.first() == Some(&0) => {
                input.check_padding(place.bit / 8)?;
                place.stage = Stage::End;
            }
            Stage::First | Stage::Between => place.begin(input)?,
            Stage::Inside => match bits::array(input, place.bit, "block or footer magic")? {
                BLOCK_MAGIC => self.block = Some(Block::open(input, place.bit, place.level)?),
                FOOTER_MAGIC => place.finish(input)?,
                _ => return Err(input.damage(place.bit / 8, "block or footer magic", "it is neither")),
            },
            Stage::End => return Ok(false),
        }
        Ok(true)
    }
}

impl Place {
    /// Begins a stream.
    fn begin(&mut self, input: &mut Input) -> io::Result<()> {
        let start = self.bit / 8;
        let [b, z, h, level] = input.array(start, "stream header")?;
        if [b, z, h] != MAGIC || !(b'1'..=b'9').contains(&level) {
            return Err(input.damage(start, "stream header", "it is not that of bzip2"));
        }
        self.bit += HEADER_LEN * 8;
        self.level = level;
        self.crc = 0;
        self.stage = Stage::Inside;
        Ok(())
    }

    /// Checks the footer of a stream.
    fn finish(&mut self, input: &mut Input) -> io::Result<()> {
        let stored = u32::from_be_bytes(bits::array(input, self.bit + MAGIC_BITS, "stream CRC")?);
        if stored != self.crc {
            let problem = format!("it is {stored:#010x}, and that of the blocks is {:#010x}", self.crc);
            return Err(input.damage(self.bit / 8, "stream CRC", problem));
        }
        self.bit = (self.bit + MAGIC_BITS + CRC_BITS).next_multiple_of(8);
        self.stage = Stage::Between;
        Ok(())
    }

    /// Goes past a block that ends at the bit `end`, at `at` unpacked bytes.
    fn pass(&mut self, input: &mut Input, end: u64, at: u64) -> io::Result<()> {
        let crc = u32::from_be_bytes(bits::array(input, self.bit + MAGIC_BITS, "block CRC")?);
        self.crc = self.crc.rotate_left(1) ^ crc;
        self.bit = end;
        self.at = at;
        Ok(())
    }
}

impl Stream for Reader {
    /// A place takes less than 100 bytes in a map and is between two blocks, which most often are of 900 kB. A reader takes
    /// 3.7 MB while it is in a block, and the cache holds a few blocks: 20 MiB in all.
    const TUNING: Tuning = Tuning { spacing: 1, kept: 50_000, live: 2, cache: 8 << 20 };

    type Place = Place;

    fn start() -> Self {
        Self::resume(Place { at: 0, bit: 0, stage: Stage::First, level: 0, crc: 0 })
    }

    fn at(&self) -> u64 {
        self.at
    }

    fn is_end(&self) -> bool {
        self.place.stage == Stage::End
    }

    fn unpack(&mut self, input: &mut Input, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len);
        loop {
            let Some(block) = &mut self.block else {
                if self.advance(input)? {
                    continue;
                }
                return Ok(bytes);
            };
            let before = bytes.len();
            let more = block.fetch(input, len - before, &mut bytes)?;
            self.at += (bytes.len() - before) as u64;
            if more {
                return Ok(bytes);
            }
            self.place.pass(input, block.end(), self.at)?;
            self.block = None;
        }
    }

    fn last_place(&self) -> u64 {
        self.place.at
    }

    fn keep(&self) -> Place {
        self.place
    }

    fn resume(place: Place) -> Self {
        Self { place, block: None, at: place.at }
    }
}
