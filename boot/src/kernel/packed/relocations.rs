//! The table behind a packed kernel: which of its words hold virtual addresses, and have to follow when those move.
//!
//! The table is made of 32-bit words: lists of places, each list behind a zero. The places are virtual addresses as the
//! kernel was linked, without their upper half, which is all ones. From the table's start: places of 64-bit addresses;
//! places of 32-bit distances from what does not move, which shrink by what the kernel moves; places of 32-bit addresses.
//! Kernels since 6.15 have no distances, and the table is a list shorter (Linux, arch/x86/tools/relocs.c).

use std::ops::Range;

use vm_memory::{ByteValued, GuestAddress, GuestMemoryBackend, VolatileMemory, VolatileSlice};

use super::super::error::KernelProblem;
use super::{KERNEL_MAP, unsuited};
use crate::memory::Memory;

/// The lists of a table.
#[derive(Debug, PartialEq, Eq)]
struct Lists<'a> {
    /// Places of 64-bit addresses.
    wide: &'a [[u8; 4]],
    /// Places of 32-bit distances.
    inverse: &'a [[u8; 4]],
    /// Places of 32-bit addresses.
    narrow: &'a [[u8; 4]],
}

impl<'a> Lists<'a> {
    fn read(table: &'a [u8]) -> Option<Self> {
        let (words, rest) = table.as_chunks::<4>();
        if !rest.is_empty() {
            return None;
        }
        let mut lists = words.split(|word| *word == [0; 4]);
        // The table begins with a zero, in front of which there is nothing.
        lists.next().filter(|before| before.is_empty())?;
        match (lists.next(), lists.next(), lists.next(), lists.next()) {
            (Some(wide), Some(inverse), Some(narrow), None) => Some(Self { wide, inverse, narrow }),
            (Some(wide), Some(narrow), None, None) => Some(Self { wide, inverse: &[], narrow }),
            _ => None,
        }
    }
}

/// Moves the kernel at `place` by `slide` bytes of virtual address. Each place in the table is checked to be the kernel's.
pub(super) fn apply(table: &[u8], slide: u64, memory: &Memory, place: Range<u64>) -> Result<(), KernelProblem> {
    let lists =
        Lists::read(table).ok_or_else(|| unsuited("what comes behind the kernel is no table of relocations"))?;
    if slide == 0 {
        return Ok(());
    }
    let length = usize::try_from(place.end.saturating_sub(place.start)).unwrap_or(usize::MAX);
    let kernel = memory
        .get_slice(GuestAddress(place.start), length)
        .map_err(|error| unsuited(&format!("guest memory cannot be written: {error}")))?;
    let outside = || unsuited("its table of relocations leads out of the kernel");
    let narrow_slide = u32::try_from(slide).map_err(|_| outside())?;
    for word in lists.narrow {
        change::<u32>(&kernel, offset(*word, place.start), |old| old.wrapping_add(narrow_slide)).ok_or_else(outside)?;
    }
    for word in lists.inverse {
        change::<u32>(&kernel, offset(*word, place.start), |old| old.wrapping_sub(narrow_slide)).ok_or_else(outside)?;
    }
    for word in lists.wide {
        change::<u64>(&kernel, offset(*word, place.start), |old| old.wrapping_add(slide)).ok_or_else(outside)?;
    }
    Ok(())
}

/// Where in the kernel a word of the table points to, if it points to the kernel's addresses at all.
fn offset(word: [u8; 4], start: u64) -> Option<usize> {
    let address = 0xffff_ffff_0000_0000 | u64::from(u32::from_le_bytes(word));
    usize::try_from(address.checked_sub(KERNEL_MAP)?.checked_sub(start)?).ok()
}

fn change<T: ByteValued>(kernel: &VolatileSlice<'_>, offset: Option<usize>, new: impl Fn(T) -> T) -> Option<()> {
    let place = kernel.get_ref::<T>(offset?).ok()?;
    place.store(new(place.load()));
    Some(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use vm_memory::Bytes;

    use super::*;

    const START: u64 = 1 << 20;

    fn table(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// A kernel of one page whose bytes are all 0x10.
    fn moved(words: &[u32], slide: u64) -> Result<Vec<u8>, KernelProblem> {
        let memory = Memory::from_ranges(&[(GuestAddress(0), 2 << 20)]).unwrap();
        memory.write_slice(&[0x10; 4096], GuestAddress(START)).unwrap();
        apply(&table(words), slide, &memory, START..START + 4096)?;
        let mut bytes = vec![0; 4096];
        memory.read_slice(&mut bytes, GuestAddress(START)).unwrap();
        Ok(bytes)
    }

    #[test]
    fn each_list_moves_its_own_kind_of_word() {
        let bytes = moved(&[0, 0x8010_0000, 0, 0x8010_0011, 0, 0x8010_0ffc], 0x0020_0000).unwrap();
        assert_eq!(bytes[..8], 0x1010_1010_1030_1010_u64.to_le_bytes());
        assert_eq!(bytes[0x11..0x15], 0x0ff0_1010_u32.to_le_bytes());
        assert_eq!(bytes[0xffc..], 0x1030_1010_u32.to_le_bytes());
        assert_eq!(bytes.iter().filter(|byte| **byte != 0x10).count(), 4);
        let without_distances = moved(&[0, 0x8010_0000, 0, 0x8010_0ffc], 0x0020_0000).unwrap();
        assert_eq!(without_distances[..8], bytes[..8]);
        assert_eq!(without_distances[0x11..0x15], [0x10; 4]);
    }

    #[test]
    fn tables_that_lead_astray_are_refused() {
        for words in [
            &[0, 0x8010_0ff9, 0, 0][..], // a wide one over the kernel's end
            &[0, 0, 0, 0x8010_0ffd],
            &[0, 0, 0x800f_ffff, 0],
            &[0, 0x7fff_ffff, 0],
            &[0, 0xffff_ffff, 0],
            &[1, 0, 0, 0],
            &[0],
            &[0, 0, 0, 0],
        ] {
            assert!(moved(words, 0x0020_0000).is_err(), "{words:x?}");
        }
        assert!(Lists::read(&[0, 0, 0, 0, 0]).is_none());
    }
}
