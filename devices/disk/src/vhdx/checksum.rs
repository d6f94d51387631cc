//! CRC-32C ([MS-VHDX], appendix): Castagnoli's polynomial, bits reversed.

/// The polynomial, reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// What each byte does to the remainder.
const TABLE: [u32; 256] = table();

#[allow(clippy::indexing_slicing)] // in bounds, or it would not compile
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte: u32 = 0;
    while byte < 256 {
        let mut remainder = byte;
        let mut bit = 0;
        while bit < 8 {
            remainder = if remainder & 1 == 1 { (remainder >> 1) ^ POLYNOMIAL } else { remainder >> 1 };
            bit += 1;
        }
        table[byte as usize] = remainder;
        byte += 1;
    }
    table
}

/// A checksum that is being computed.
#[derive(Debug, Clone, Copy)]
pub struct Checksum(u32);

impl Checksum {
    /// That of no bytes.
    pub const fn new() -> Self {
        Self(!0)
    }

    /// With `bytes` behind those before.
    #[must_use]
    #[allow(clippy::indexing_slicing)] // every byte has its place in the table
    pub fn with(self, bytes: &[u8]) -> Self {
        let mut remainder = self.0;
        for byte in bytes {
            let [low, ..] = remainder.to_le_bytes();
            remainder = TABLE[usize::from(low ^ byte)] ^ (remainder >> 8);
        }
        Self(remainder)
    }

    /// What is stored.
    pub const fn value(self) -> u32 {
        !self.0
    }
}

/// The checksum of a structure that has it four bytes behind its start, with zeroes in that place.
pub fn of_structure(bytes: &[u8]) -> u32 {
    let (front, back) = (bytes.get(..4).unwrap_or_default(), bytes.get(8..).unwrap_or_default());
    Checksum::new().with(front).with(&[0; 4]).with(back).value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_rfc_3720() {
        assert_eq!(Checksum::new().with(b"123456789").value(), 0xe306_9283);
        assert_eq!(Checksum::new().with(&[0; 32]).value(), 0x8a91_36aa, "RFC 3720, B.4");
        assert_eq!(Checksum::new().with(&[0xff; 20]).with(&[0xff; 12]).value(), 0x62a8_ab43, "RFC 3720, B.4");
        assert_eq!(of_structure(b"abcdXXXXefg"), Checksum::new().with(b"abcd\0\0\0\0efg").value());
    }
}
