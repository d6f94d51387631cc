//! New dynamic images.

use std::io;
use std::sync::Arc;

use crate::SECTOR;
use crate::error::LayoutError;
use crate::storage::{Storage, write_bytes};
use crate::write::Writer;

use super::spec::{self, ABSENT, ENTRY_SIZE, FOOTER_SIZE, HEADER_SIZE, USUAL_BLOCK, footer, header, put};

/// How much is put at a time, in bytes: less than a block, so that little is held in memory.
const PIECE: usize = 64 << 10;
/// Where the header of the table is, in bytes: behind the copy of the footer.
const HEADER_AT: u64 = FOOTER_SIZE as u64;
/// Where the table is, in bytes.
const TABLE_AT: u64 = HEADER_AT + HEADER_SIZE as u64;
/// The bytes of blocks begin at multiples of this, so that they lie well on disks and in page caches.
const ALIGNMENT: u64 = 4096;
const BLOCK: u64 = USUAL_BLOCK as u64;
/// The bitmap before each block, in bytes: one sector.
const BITMAP_SIZE: usize = FOOTER_SIZE;

/// Begins a dynamic image of `size` bytes, with blocks of 2 MiB, in `storage`, which is empty. `seed` goes into its Unique Id.
///
/// All programs read exactly this size, also those that count by geometry, because of the creator it names. What says that
/// it is an image is written last.
///
/// # Errors
/// [`LayoutError::Unsupported`] for more than 2040 GiB or an odd number of bytes.
pub fn create_dynamic(storage: Arc<dyn Storage>, size: u64, seed: u32) -> Result<Box<dyn Writer>, LayoutError> {
    let what = format!("a VHD image cannot hold a disk of {size} bytes");
    if size > spec::LARGEST_DISK {
        return Err(LayoutError::Unsupported { what, remedy: "VHD ends at 2040 GiB: choose another format" });
    }
    if !size.is_multiple_of(SECTOR) {
        return Err(LayoutError::Unsupported { what, remedy: "give a size that is a multiple of 512 bytes" });
    }
    // Bounded by the limit on the size: 4 MiB.
    let blocks = usize::try_from(size.div_ceil(BLOCK)).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    let table = vec![ABSENT; blocks];
    let end = TABLE_AT + blocks as u64 * ENTRY_SIZE;
    Ok(Box::new(Dynamic { storage, size, id: id_of(seed), table, end }))
}

/// An image that is being written.
struct Dynamic {
    storage: Arc<dyn Storage>,
    size: u64,
    id: [u8; 16],
    /// The block allocation table, in sectors.
    table: Vec<u32>,
    /// Where the next block or the footer goes, in bytes.
    end: u64,
}

impl Dynamic {
    /// Where the bytes of block `index` are; begins it if it is not there.
    fn block(&mut self, index: u64) -> io::Result<u64> {
        let index = usize::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
        let entry = self.table.get_mut(index).ok_or(io::ErrorKind::InvalidInput)?;
        if *entry == ABSENT {
            let data = (self.end + BITMAP_SIZE as u64).next_multiple_of(ALIGNMENT);
            let bitmap = data - BITMAP_SIZE as u64;
            *entry = u32::try_from(bitmap / SECTOR).map_err(|_| io::ErrorKind::StorageFull)?;
            // All sectors of a block are there; those that nobody puts are holes.
            write_bytes(self.storage.as_ref(), bitmap, &[0xff; BITMAP_SIZE])?;
            self.end = data + BLOCK;
        }
        Ok(u64::from(*entry) * SECTOR + BITMAP_SIZE as u64)
    }

    fn footer(&self) -> [u8; FOOTER_SIZE] {
        let mut bytes = [0; FOOTER_SIZE];
        let (cylinders, heads, sectors) = geometry(self.size);
        put(&mut bytes, 0, spec::FOOTER_COOKIE);
        put(&mut bytes, footer::FEATURES, spec::FEATURES.to_be_bytes());
        put(&mut bytes, footer::VERSION, spec::VERSION.to_be_bytes());
        put(&mut bytes, footer::DATA_OFFSET, HEADER_AT.to_be_bytes());
        // Hyper-V's name, for which every program reads Current Size and not the geometry, which is smaller.
        put(&mut bytes, footer::CREATOR, *b"win ");
        put(&mut bytes, footer::CREATOR_VERSION, [0, 6, 0, 1]);
        put(&mut bytes, footer::CREATOR_OS, *b"Wi2k");
        put(&mut bytes, footer::ORIGINAL_SIZE, self.size.to_be_bytes());
        put(&mut bytes, footer::CURRENT_SIZE, self.size.to_be_bytes());
        put(&mut bytes, footer::GEOMETRY, cylinders.to_be_bytes());
        put(&mut bytes, footer::GEOMETRY + 2, [heads, sectors]);
        put(&mut bytes, footer::KIND, spec::DYNAMIC.to_be_bytes());
        put(&mut bytes, footer::ID, self.id);
        let checksum = spec::checksum(&bytes, footer::CHECKSUM);
        put(&mut bytes, footer::CHECKSUM, checksum.to_be_bytes());
        bytes
    }

    fn header(&self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        // There are at most 2^20 of them.
        let entries = u32::try_from(self.table.len()).unwrap_or(u32::MAX);
        put(&mut bytes, 0, spec::HEADER_COOKIE);
        put(&mut bytes, header::DATA_OFFSET, u64::MAX.to_be_bytes());
        put(&mut bytes, header::TABLE_OFFSET, TABLE_AT.to_be_bytes());
        put(&mut bytes, header::VERSION, spec::VERSION.to_be_bytes());
        put(&mut bytes, header::ENTRIES, entries.to_be_bytes());
        put(&mut bytes, header::BLOCK_SIZE, USUAL_BLOCK.to_be_bytes());
        let checksum = spec::checksum(&bytes, header::CHECKSUM);
        put(&mut bytes, header::CHECKSUM, checksum.to_be_bytes());
        bytes
    }
}

impl Writer for Dynamic {
    fn block_size(&self) -> usize {
        PIECE
    }

    fn put(&mut self, offset: u64, encoded: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(encoded.len() as u64).filter(|end| *end <= self.size);
        if end.is_none() || !offset.is_multiple_of(PIECE as u64) || encoded.len() > PIECE {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let block = self.block(offset / BLOCK)?;
        write_bytes(self.storage.as_ref(), block + offset % BLOCK, encoded)
    }

    fn finish(&mut self) -> io::Result<()> {
        let storage = self.storage.as_ref();
        let table: Vec<u8> = self.table.iter().flat_map(|entry| entry.to_be_bytes()).collect();
        write_bytes(storage, TABLE_AT, &table)?;
        write_bytes(storage, HEADER_AT, &self.header())?;
        let end = self.end.next_multiple_of(SECTOR);
        storage.set_size(end)?;
        storage.flush()?;
        write_bytes(storage, end, &self.footer())?;
        write_bytes(storage, 0, &self.footer())?;
        storage.flush()
    }
}

/// A disk's geometry ("CHS Calculation"): at least two heads' worth of the smallest, at most the largest.
fn geometry(size: u64) -> (u16, u8, u8) {
    let (most_cylinders, most_heads, most_sectors) = spec::LARGEST_GEOMETRY;
    let largest = u64::from(most_cylinders) * u64::from(most_heads) * u64::from(most_sectors);
    let total = (size / SECTOR).min(largest);
    let (heads, sectors) = if total >= u64::from(most_cylinders) * 16 * 63 {
        (16, 255)
    } else {
        // Few heads first, then more sectors, as long as 1024 cylinders do not reach.
        let tracks = total / 17;
        let heads = tracks.div_ceil(1024).max(4);
        if heads <= 16 && tracks < heads * 1024 {
            (heads, 17)
        } else if total / 31 < 16 * 1024 {
            (16, 31)
        } else {
            (16, 63)
        }
    };
    let cylinders = total / sectors / heads;
    let narrow = |number: u64| u8::try_from(number).unwrap_or(u8::MAX);
    (u16::try_from(cylinders).unwrap_or(most_cylinders), narrow(heads), narrow(sectors))
}

/// A random UUID's form (RFC 9562, 5.4), spread from `seed` (the finaliser of splitmix64).
fn id_of(seed: u32) -> [u8; 16] {
    let spread = |number: u64| {
        let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    };
    let first = spread(u64::from(seed) + 1);
    let number = u128::from(first) << 64 | u128::from(spread(first));
    let form = 0xf000_u128 << 64 | 0b11 << 62;
    (number & !form | 0x4000 << 64 | 0b10 << 62).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::testing::Memory;

    #[test]
    fn geometries_are_those_of_the_specification() {
        let sectors = |size: u64| {
            let (cylinders, heads, sectors) = geometry(size * 512);
            (cylinders, heads, sectors)
        };
        assert_eq!(sectors(0), (0, 4, 17));
        assert_eq!(sectors(20480), (301, 4, 17), "10 MiB");
        assert_eq!(sectors(2 << 20), (2080, 16, 63), "1 GiB");
        assert_eq!(sectors(65535 * 16 * 255), (65535, 16, 255));
        assert_eq!(sectors(u64::MAX / 512), (65535, 16, 255));
    }

    #[test]
    fn ids_are_random_uuids_that_differ() {
        let ids = [0, 1, u32::MAX].map(id_of);
        assert!(ids.iter().all(|id| id[6] >> 4 == 4 && id[8] >> 6 == 2));
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        for size in [(2040 << 30) + 512, 1 << 63, u64::MAX, 513] {
            let error = create_dynamic(Memory::new(Vec::new()), size, 0).err().unwrap();
            assert!(matches!(error, LayoutError::Unsupported { .. }), "{error:?}");
        }
        let mut writer = create_dynamic(Memory::new(Vec::new()), 2040 << 30, 0).unwrap();
        writer.put(1, &[0; 8]).unwrap_err();
        writer.put(2040 << 30, &[0; 8]).unwrap_err();
        writer.put(u64::MAX - 65535, &[0; 8]).unwrap_err();
    }

    #[test]
    fn an_image_that_was_cut_off_is_none() {
        let memory = Memory::new(Vec::new());
        let mut writer = create_dynamic(Arc::<Memory>::clone(&memory), 8 << 20, 1).unwrap();
        writer.put(3 << 20, &[7; PIECE]).unwrap();
        assert!(super::super::read(Arc::<Memory>::clone(&memory)).is_err());
        writer.finish().unwrap();
        assert_eq!(super::super::read(memory).unwrap().layout.size(), 8 << 20);
    }
}
