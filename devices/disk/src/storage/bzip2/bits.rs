//! Bytes that begin at any bit.

use std::io;

use crate::storage::unpack::Input;

/// `N` bytes from the bit `bit` on, which belong to `field`; the highest bit of a byte comes first.
///
/// # Errors
/// [`Damage`](crate::Damage) past the end, and whatever the storage says.
pub fn array<const N: usize>(input: &mut Input, bit: u64, field: &'static str) -> io::Result<[u8; N]> {
    let mut array = input.array::<N>(bit / 8, field)?;
    if !bit.is_multiple_of(8) {
        let [mut next] = input.array(bit / 8 + N as u64, field)?;
        for byte in array.iter_mut().rev() {
            let first = *byte;
            *byte = join(first, next, bit);
            next = first;
        }
    }
    Ok(array)
}

/// Bytes from the bit `bit` on, as many as are at hand: at least one, except for the last bits of the file.
///
/// # Errors
/// Whatever the storage says.
pub fn some(input: &mut Input, bit: u64) -> io::Result<Vec<u8>> {
    let bytes = input.from(bit / 8, 2)?;
    if bit.is_multiple_of(8) {
        return Ok(bytes.to_vec());
    }
    Ok(bytes.iter().zip(bytes.iter().skip(1)).map(|(first, second)| join(*first, *second, bit)).collect())
}

/// The byte that begins at the bit `bit`, modulo 8, of `first`.
fn join(first: u8, second: u8, bit: u64) -> u8 {
    let [high, _] = (u16::from_be_bytes([first, second]) << (bit % 8)).to_be_bytes();
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::testing::Memory;

    #[test]
    fn bytes_begin_at_any_bit() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|at| u8::try_from(at % 1000 * at % 251).unwrap()).collect();
        let bit_at = |bit: u64| bytes[usize::try_from(bit / 8).unwrap()] >> (7 - bit % 8) & 1;
        let mut input = Input::new(Memory::new(bytes.clone()));
        for start in [0, 1, 7, 8, 524_281, 524_287, 524_288, 799_976, 799_952] {
            let expected: Vec<u8> =
                (0..3).map(|byte| (0..8).fold(0, |all, bit| all << 1 | bit_at(start + byte * 8 + bit))).collect();
            assert_eq!(array::<3>(&mut input, start, "").unwrap()[..], expected, "bit {start}");
            assert_eq!(some(&mut input, start).unwrap()[..1], expected[..1], "bit {start}");
        }
        array::<3>(&mut input, 799_977, "").unwrap_err();
        assert_eq!(some(&mut input, 799_992).unwrap().len(), 1);
        assert_eq!(some(&mut input, 799_993).unwrap().len(), 0);
    }
}
