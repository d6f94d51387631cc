//! Bitmaps of sectors, as VHD and VHDX have them: which sectors of a block are in this image, and which in its parent.

use std::io;

use crate::image::tables::Tables;

/// How much of a bitmap is looked at, in bytes: 4096 sectors. Bitmaps begin and end with a whole one of these.
const CHUNK: usize = 512;

/// Which bit of a byte is the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The most significant one: VHD.
    Msb,
    /// The least significant one: VHDX.
    Lsb,
}

/// Whether the bit number `bit` of the bitmap at `bitmap_at` is set, and how many from it on are as it is: at least 1, and
/// no more than the bitmap has.
///
/// # Errors
/// As [`Tables::read`].
pub fn sector_run(tables: &Tables, bitmap_at: u64, bit: u64, order: Order) -> io::Result<(bool, u64)> {
    let chunk = bit / 8 / CHUNK as u64 * CHUNK as u64;
    let at = bitmap_at.checked_add(chunk).ok_or(io::ErrorKind::UnexpectedEof)?;
    let bytes: [u8; CHUNK] = tables.array(at)?;
    Ok(run(&bytes, bit - chunk * 8, order))
}

fn run(bytes: &[u8], first: u64, order: Order) -> (bool, u64) {
    let byte_of = |bit: u64| usize::try_from(bit / 8).ok().and_then(|index| bytes.get(index)).copied();
    let is_set = |bit: u64| {
        let place = if order == Order::Msb { 7 - bit % 8 } else { bit % 8 };
        byte_of(bit).map(|byte| byte >> place & 1 == 1)
    };
    let set = is_set(first).unwrap_or(false);
    let whole = if set { 0xff } else { 0 };
    let mut next = first + 1;
    loop {
        if next.is_multiple_of(8) && byte_of(next) == Some(whole) {
            next += 8;
        } else if is_set(next) == Some(set) {
            next += 1;
        } else {
            return (set, next - first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_where_a_bit_differs_or_the_chunk_ends() {
        let bytes = [0b1100_0000, 0, 0xff, 0xff, 0b1000_0001];
        assert_eq!(run(&bytes, 0, Order::Msb), (true, 2));
        assert_eq!(run(&bytes, 1, Order::Msb), (true, 1));
        assert_eq!(run(&bytes, 2, Order::Msb), (false, 14));
        assert_eq!(run(&bytes, 20, Order::Msb), (true, 13));
        assert_eq!(run(&bytes, 33, Order::Msb), (false, 6));
        assert_eq!(run(&bytes, 39, Order::Msb), (true, 1));
        assert_eq!(run(&bytes, 0, Order::Lsb), (false, 6));
        assert_eq!(run(&bytes, 6, Order::Lsb), (true, 2));
        assert_eq!(run(&[0; 512], 5, Order::Lsb), (false, 4091));
    }
}
