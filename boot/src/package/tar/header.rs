//! A header block (POSIX.1-1988, 10.1.1; GNU tar manual, "Basic Tar Format").

use super::error::TarProblem;
use crate::bytes::array;

/// Bytes of a header.
pub(super) const SIZE: usize = 512;

// Offsets of the fields and their lengths, all in bytes.
const NAME: (usize, usize) = (0, 100);
const FILE_SIZE: (usize, usize) = (124, 12);
const CHECKSUM: (usize, usize) = (148, 8);
const TYPE: usize = 156;
const MAGIC: usize = 257;
const PREFIX: (usize, usize) = (345, 155);

/// The largest number that the octal digits of a size field hold: what some archivers write where the size does not fit,
/// and an extended header has the true one.
pub(super) const SATURATED: u64 = 0o777_7777_7777;

/// What a header says of its member.
#[derive(Debug)]
pub(super) struct Header {
    /// The name, with the prefix before it where the format has one.
    pub(super) name: Vec<u8>,
    /// Bytes that follow the header.
    pub(super) size: u64,
    /// The kind of the member.
    pub(super) flag: u8,
}

impl Header {
    /// Reads a block whose sum was confirmed.
    pub(super) fn read(block: &[u8; SIZE]) -> Result<Self, TarProblem> {
        if !is_confirmed(block) {
            return Err(TarProblem::Checksum);
        }
        let size = number(field(block, FILE_SIZE)).ok_or(TarProblem::NoNumber("size"))?;
        let mut name = until_nul(field(block, NAME)).to_vec();
        // GNU's own format has times in the place of the prefix, and says so by a blank after "ustar".
        if array(block, MAGIC) == Some(*b"ustar\0") {
            let prefix = until_nul(field(block, PREFIX));
            if !prefix.is_empty() {
                name = [prefix, b"/", &name].concat();
            }
        }
        let flag = block.get(TYPE).copied().unwrap_or_default();
        Ok(Self { name, size, flag })
    }
}

/// Whether the block's sum is the one that it states. Old archivers added bytes up as signed numbers.
pub(super) fn is_confirmed(block: &[u8; SIZE]) -> bool {
    let Some(stated) = number(field(block, CHECKSUM)) else { return false };
    let counted = block.iter().enumerate().map(|(index, byte)| {
        let is_checksum = (CHECKSUM.0..CHECKSUM.0 + CHECKSUM.1).contains(&index);
        if is_checksum { b' ' } else { *byte }
    });
    let (unsigned, signed) = counted.fold((0_u64, 0_i64), |(unsigned, signed), byte| {
        (unsigned + u64::from(byte), signed + i64::from(byte.cast_signed()))
    });
    // A block of zeroes is no header.
    let is_something = block.iter().any(|byte| *byte != 0);
    is_something && (stated == unsigned || i64::try_from(stated) == Ok(signed))
}

/// Whether the block has the mark of POSIX's format or of GNU's.
pub(super) fn has_magic(block: &[u8; SIZE]) -> bool {
    array(block, MAGIC) == Some(*b"ustar")
}

fn field(block: &[u8; SIZE], (offset, length): (usize, usize)) -> &[u8] {
    block.get(offset..offset + length).unwrap_or_default()
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number in octal digits, with blanks before and blanks or NULs after it; or, where the first bit is set, in base 256,
/// most significant byte first. A field of blanks is 0.
fn number(field: &[u8]) -> Option<u64> {
    match field.split_first() {
        Some((0x80, rest)) => rest.iter().try_fold(0_u64, |value, byte| {
            // What does not fit into 63 bits is larger than any file.
            (value < 1 << 55).then_some(value << 8 | u64::from(*byte))
        }),
        Some((first, _)) if first & 0x80 != 0 => None,
        _ => {
            let digits = until_nul(field).trim_ascii();
            let after = field.iter().skip_while(|byte| **byte != 0);
            let is_padded = after.into_iter().all(|byte| matches!(byte, 0 | b' '));
            digits.iter().try_fold(0_u64, |value, digit| match digit {
                b'0'..=b'7' if is_padded => Some(value << 3 | u64::from(digit - b'0')),
                _ => None,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        let read = [
            (&b"00000001750\0"[..], 1000),
            (b"       1750 ", 1000),
            (b"1750\0\0\0\0\0\0\0\0", 1000),
            (b"777777777777", SATURATED << 3 | 7),
            (b"            ", 0),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0", 0),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\x01", (2 << 32) | 1),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", i64::MAX.unsigned_abs()),
        ];
        for (field, value) in read {
            assert_eq!(number(field), Some(value), "{}", field.escape_ascii());
        }
        let refused: [&[u8]; 7] = [
            b"00000001780\0",
            b"-0000000001\0",
            b"1 1        \0",
            b"1\0x\0\0\0\0\0\0\0\0\0",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x80\0\0\x01\0\0\0\0\0\0\0\0",
            b"0x10\0\0\0\0\0\0\0\0",
        ];
        for field in refused {
            assert_eq!(number(field), None, "{}", field.escape_ascii());
        }
    }
}
