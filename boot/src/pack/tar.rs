//! The headers of a tar file (POSIX 1003.1-1988, "ustar").
//!
//! A member of 8 GiB and more has its size in base 256, as GNU tar writes it: vSphere and VirtualBox read that, and not all
//! of them the extended headers of pax. All else is ustar, so that smaller packages are exactly what the standard wants.

use std::io;

/// The unit of everything in a tar file, in bytes.
pub(super) const BLOCK: u64 = 512;
/// What the whole file is a multiple of, in bytes: twenty blocks, as tar(1) writes.
pub(super) const RECORD: u64 = 20 * BLOCK;
/// The longest name that fits into a header, in bytes.
pub(super) const MAX_NAME: usize = 100;
/// The first size that 11 octal digits do not hold.
const OCTAL_END: u64 = 1 << 33;

/// The header of a regular file that everybody may read. `time` is in seconds since 1970.
///
/// # Errors
/// When the name is too long or empty.
pub(super) fn header(name: &str, size: u64, time: u64) -> io::Result<[u8; 512]> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} does not fit into a tar header")));
    }
    let mut fields = Vec::with_capacity(512);
    let mut field = |bytes: &[u8], len: usize| {
        let end = fields.len() + len;
        fields.extend_from_slice(bytes);
        fields.resize(end, 0);
    };
    field(name.as_bytes(), 100);
    field(b"0000644", 8);
    field(b"0000000", 8);
    field(b"0000000", 8);
    field(&size_field(size), 12);
    field(format!("{:011o}", time.min(OCTAL_END - 1)).as_bytes(), 12);
    // The checksum is taken with blanks in its place.
    field(b"        ", 8);
    field(b"0", 1);
    field(b"", 100);
    field(b"ustar\0", 6);
    field(b"00", 2);
    field(b"root", 32);
    field(b"root", 32);
    field(b"0000000", 8);
    field(b"0000000", 8);
    field(b"", 512 - 345 + 16);
    fields.truncate(512);
    let sum: u32 = fields.iter().map(|byte| u32::from(*byte)).sum();
    if let Some(place) = fields.get_mut(148..156) {
        place.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    fields.try_into().map_err(|_| io::ErrorKind::InvalidData.into())
}

fn size_field(size: u64) -> [u8; 12] {
    let mut field = [0; 12];
    if size < OCTAL_END {
        let octal = format!("{size:011o}");
        for (place, digit) in field.iter_mut().zip(octal.bytes()) {
            *place = digit;
        }
    } else {
        field[0] = 0x80;
        for (place, byte) in field.iter_mut().skip(4).zip(size.to_be_bytes()) {
            *place = byte;
        }
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_octal_as_long_as_they_fit() {
        assert_eq!(&size_field(0), b"00000000000\0");
        assert_eq!(&size_field((8 << 30) - 1), b"77777777777\0");
        assert_eq!(size_field(8 << 30), [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
    }

    #[test]
    fn a_header_is_a_block_whose_checksum_is_right() {
        let header = header("a.ovf", 1234, 315_532_800).unwrap();
        assert_eq!(&header[..6], b"a.ovf\0");
        assert_eq!(&header[257..265], b"ustar\x0000");
        assert_eq!(header[156], b'0');
        let stated = u32::from_str_radix(std::str::from_utf8(&header[148..154]).unwrap(), 8).unwrap();
        let sum: u32 = header
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
            .sum();
        assert_eq!(stated, sum);
        super::header(&"n".repeat(101), 0, 0).unwrap_err();
        super::header("", 0, 0).unwrap_err();
    }
}
