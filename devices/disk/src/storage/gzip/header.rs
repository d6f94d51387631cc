//! Headers and trailers of members.

use std::io;

use crc32fast::Hasher;

use super::spec::{CM_DEFLATE, FCOMMENT, FEXTRA, FHCRC, FNAME, HEADER_LEN, MAGIC, MAX_TEXT, RESERVED};
use crate::storage::unpack::Input;

/// Reads the header of a member at `start`; returns where its deflate stream begins.
///
/// # Errors
/// [`Damage`](crate::Damage) when it is none.
pub fn read(input: &mut Input, start: u64) -> io::Result<u64> {
    let mut fields = Fields { input, at: start, crc: Hasher::new() };
    let [id1, id2, method, flags, ..] = fields.array::<HEADER_LEN>("member header")?;
    if [id1, id2] != MAGIC {
        return Err(fields.input.damage(start, "ID1, ID2", "they are not those of gzip"));
    }
    if method != CM_DEFLATE {
        return Err(fields.input.damage(start + 2, "CM", format!("method {method} is unknown")));
    }
    if flags & RESERVED != 0 {
        return Err(fields.input.damage(start + 3, "FLG", format!("reserved bits are set ({flags:#04x})")));
    }
    if flags & FEXTRA != 0 {
        let len = u16::from_le_bytes(fields.array("XLEN")?);
        for _ in 0..len {
            fields.array::<1>("extra field")?;
        }
    }
    for (flag, field) in [(FNAME, "file name"), (FCOMMENT, "file comment")] {
        if flags & flag != 0 {
            fields.text(field)?;
        }
    }
    if flags & FHCRC != 0 {
        let (at, computed) = (fields.at, fields.crc.clone().finalize());
        let [low, high, ..] = computed.to_le_bytes();
        if fields.array("CRC16")? != [low, high] {
            return Err(fields.input.damage(at, "CRC16", "it does not match the header"));
        }
    }
    Ok(fields.at)
}

/// Checks the trailer of a member at `start`, whose data have this checksum and length; returns where the member ends.
///
/// # Errors
/// [`Damage`](crate::Damage) when they do not match.
pub fn check_trailer(input: &mut Input, start: u64, crc: u32, len: u64) -> io::Result<u64> {
    let stored = u32::from_le_bytes(input.array(start, "CRC32")?);
    if stored != crc {
        return Err(input.damage(start, "CRC32", format!("it is {stored:#010x}, and that of the data is {crc:#010x}")));
    }
    let stored = u32::from_le_bytes(input.array(start + 4, "ISIZE")?);
    if u64::from(stored) != len & u64::from(u32::MAX) {
        return Err(input.damage(start + 4, "ISIZE", format!("it is {stored}, and the data have {len} bytes")));
    }
    Ok(start + 8)
}

/// A header on its way.
struct Fields<'i> {
    input: &'i mut Input,
    at: u64,
    /// Of all bytes so far.
    crc: Hasher,
}

impl Fields<'_> {
    fn array<const N: usize>(&mut self, field: &'static str) -> io::Result<[u8; N]> {
        let bytes = self.input.array(self.at, field)?;
        self.crc.update(&bytes);
        self.at += N as u64;
        Ok(bytes)
    }

    /// Skips a text that a zero ends.
    fn text(&mut self, field: &'static str) -> io::Result<()> {
        let start = self.at;
        while self.array::<1>(field)? != [0] {
            if self.at - start > MAX_TEXT {
                return Err(self.input.damage(start, field, format!("it is longer than {MAX_TEXT} bytes")));
            }
        }
        Ok(())
    }
}
