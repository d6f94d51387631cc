//! LZO1X as btrfs has it: a length, then segments, each with a length, that unpack to a sector each.
//!
//! The stream's instructions are described in the kernel's `Documentation/staging/lzo.rst`.

use std::io;

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("LZO: {what}"))
}

/// Unpacks the segments in `packed` into `out`, up to `len` bytes.
pub fn extent(packed: &[u8], len: usize, sector: usize, out: &mut Vec<u8>) -> io::Result<()> {
    let word = |at: usize| {
        let bytes = packed.get(at..).and_then(|rest| rest.first_chunk::<4>()).ok_or_else(|| wrong("it is cut off"))?;
        Ok::<_, io::Error>(u32::from_le_bytes(*bytes) as usize)
    };
    let end = word(0)?.min(packed.len());
    let mut at = 4;
    while at + 4 <= end && out.len() < len {
        let segment = word(at)?;
        at += 4;
        let bytes = packed.get(at..at.saturating_add(segment)).ok_or_else(|| wrong("a segment is cut off"))?;
        let room = sector.min(len - out.len());
        segment_into(bytes, out, room)?;
        at += segment;
        // A length is never split by the end of a sector.
        if sector - at % sector < 4 {
            at = at.next_multiple_of(sector);
        }
    }
    Ok(())
}

/// What instructions are read from.
struct Input<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Input<'_> {
    fn byte(&mut self) -> io::Result<usize> {
        let byte = self.bytes.get(self.at).ok_or_else(|| wrong("an instruction is cut off"))?;
        self.at += 1;
        Ok(usize::from(*byte))
    }

    fn word(&mut self) -> io::Result<usize> {
        Ok(self.byte()? | self.byte()? << 8)
    }

    /// A length that does not fit into `bits` of `instruction`: each zero byte is 255 more.
    fn length(&mut self, instruction: usize, bits: u32) -> io::Result<usize> {
        let mask = (1 << bits) - 1;
        if instruction & mask != 0 {
            return Ok(instruction & mask);
        }
        let mut len = mask;
        loop {
            match self.byte()? {
                0 => len += 255,
                last => return Ok(len + last),
            }
        }
    }
}

/// Unpacks one segment to the end of `out`, at most `room` bytes.
fn segment_into(bytes: &[u8], out: &mut Vec<u8>, room: usize) -> io::Result<()> {
    let start = out.len();
    let mut input = Input { bytes, at: 0 };
    // How many bytes as they are came last: 0 to 3 behind a match, 4 for more.
    let mut state = 0;
    if let Some(first) = bytes.first().filter(|first| **first > 17) {
        input.at = 1;
        let len = usize::from(*first) - 17;
        literals(&mut input, out, len, start + room)?;
        state = len.min(4);
    }
    loop {
        let instruction = input.byte()?;
        let (len, distance, behind) = match instruction {
            0..16 if state == 0 => {
                let len = input.length(instruction, 4)? + 3;
                literals(&mut input, out, len, start + room)?;
                state = 4;
                continue;
            }
            0..16 => {
                let distance = (instruction >> 2) + (input.byte()? << 2) + 1;
                let (len, more) = if state == 4 { (3, 2048) } else { (2, 0) };
                (len, distance + more, instruction & 3)
            }
            16..32 => {
                let len = input.length(instruction, 3)? + 2;
                let word = input.word()?;
                let distance = ((instruction & 8) << 11) + (word >> 2);
                if distance == 0 {
                    return Ok(());
                }
                (len, distance + 0x4000, word & 3)
            }
            32..64 => {
                let len = input.length(instruction, 5)? + 2;
                let word = input.word()?;
                (len, (word >> 2) + 1, word & 3)
            }
            64..128 => {
                let distance = (input.byte()? << 3) + (instruction >> 2 & 7) + 1;
                (3 + (instruction >> 5 & 1), distance, instruction & 3)
            }
            _ => {
                let distance = (input.byte()? << 3) + (instruction >> 2 & 7) + 1;
                (5 + (instruction >> 5 & 3), distance, instruction & 3)
            }
        };
        repeat(out, start, len, distance, start + room)?;
        literals(&mut input, out, behind, start + room)?;
        state = behind;
    }
}

fn literals(input: &mut Input<'_>, out: &mut Vec<u8>, len: usize, limit: usize) -> io::Result<()> {
    let bytes = input.bytes.get(input.at..input.at.saturating_add(len));
    let bytes = bytes.filter(|_| out.len() + len <= limit).ok_or_else(|| wrong("bytes are cut off, or too many"))?;
    out.extend_from_slice(bytes);
    input.at += len;
    Ok(())
}

fn repeat(out: &mut Vec<u8>, start: usize, len: usize, distance: usize, limit: usize) -> io::Result<()> {
    if distance > out.len() - start || out.len() + len > limit {
        return Err(wrong("a match leads outside"));
    }
    for _ in 0..len {
        let byte = out.get(out.len() - distance).copied().unwrap_or_default();
        out.push(byte);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `text` as it is, then `repeats` bytes at a distance of its length, in one segment.
    fn packed(text: &[u8], repeats: usize) -> Vec<u8> {
        let mut segment = vec![u8::try_from(text.len() + 17).unwrap()];
        segment.extend(text);
        // 32 and 0: a length of more than 31, and a distance of up to 16 KiB.
        segment.push(32);
        let mut rest = repeats - 2 - 31;
        while rest > 255 {
            segment.push(0);
            rest -= 255;
        }
        segment.push(u8::try_from(rest).unwrap());
        segment.extend((u16::try_from(text.len() - 1).unwrap() << 2).to_le_bytes());
        segment.extend([17, 0, 0]);
        segment
    }

    #[test]
    fn segments_are_unpacked_one_after_the_other() {
        let segment = packed(b"hello, ", 4089);
        let mut bytes = u32::try_from(4 + 2 * (4 + segment.len())).unwrap().to_le_bytes().to_vec();
        for _ in 0..2 {
            bytes.extend(u32::try_from(segment.len()).unwrap().to_le_bytes());
            bytes.extend(&segment);
        }
        let expected = "hello, ".repeat(586).as_bytes()[..4096].repeat(2);
        let mut out = Vec::new();
        extent(&bytes, 8192, 4096, &mut out).unwrap();
        assert_eq!(out, expected);
        for len in 0..bytes.len() {
            let _ = extent(&bytes[..len], 8192, 4096, &mut Vec::new());
        }
        assert!(segment_into(&segment, &mut Vec::new(), 4095).is_err(), "more than a sector");
        assert!(segment_into(&[18, b'x', 64, 1, 17, 0, 0], &mut Vec::new(), 4096).is_err(), "before the beginning");
    }
}
