//! The header of a dynamic or differencing image: its table, and its parent.

use crate::error::{Damage, LayoutError};
use crate::storage::{Storage, read_array};

use super::footer::Footer;
use super::spec::{self, HEADER_SIZE, LOCATOR_SIZE, field, header, locator};

/// A header whose checksum and table are right.
#[derive(Debug)]
pub struct Header {
    /// Where it is, in bytes.
    pub at: u64,
    /// Where the table is, in bytes. It is all in the file, as far as the disk needs it.
    pub table_at: u64,
    /// A block in bytes, a power of two.
    pub block_size: u32,
    /// The Unique Id of the image below.
    pub parent_id: [u8; 16],
    /// Parent Unicode Name.
    pub parent_name: [u8; header::PARENT_NAME_SIZE],
    /// The Parent Locator Entries, and where they are in the file.
    pub locators: Vec<Locator>,
}

/// A Parent Locator Entry.
#[derive(Debug)]
pub struct Locator {
    /// Where it is in the file, in bytes.
    pub at: u64,
    /// Platform Code.
    pub platform: [u8; 4],
    /// Platform Data Length, in bytes.
    pub length: u32,
    /// Platform Data Offset, in bytes.
    pub offset: u64,
}

impl Header {
    /// The header that `footer` points to.
    pub fn read(storage: &dyn Storage, footer: &Footer) -> Result<Self, LayoutError> {
        let at = footer.data_offset;
        if at.checked_add(HEADER_SIZE as u64).is_none_or(|end| end > storage.size()) {
            let place = footer.at + spec::footer::DATA_OFFSET as u64;
            let problem = format!("no header fits at {at} in a file of {} bytes", storage.size());
            return Err(Damage::new(storage, place, "Data Offset", problem).into());
        }
        let bytes: [u8; HEADER_SIZE] = read_array(storage, at)?;
        let damage = |offset: usize, field, problem: String| Damage::new(storage, at + offset as u64, field, problem);
        if !bytes.starts_with(&spec::HEADER_COOKIE) {
            return Err(damage(0, "Cookie of the dynamic disk header", "it is not \"cxsparse\"".into()).into());
        }
        let stored = u32::from_be_bytes(field(&bytes, header::CHECKSUM));
        let computed = spec::checksum(&bytes, header::CHECKSUM);
        if stored != computed {
            let problem = format!("it is {stored:#x}, and the header's bytes make {computed:#x}");
            return Err(damage(header::CHECKSUM, "Checksum of the dynamic disk header", problem).into());
        }
        let version = u32::from_be_bytes(field(&bytes, header::VERSION));
        if version >> 16 != spec::VERSION >> 16 {
            return Err(LayoutError::Unsupported {
                what: format!("its dynamic disk header is of version {}.{}", version >> 16, version & 0xffff),
                remedy: "convert it to version 1.0 with the program that made it",
            });
        }
        let found = Self {
            at,
            table_at: u64::from_be_bytes(field(&bytes, header::TABLE_OFFSET)),
            block_size: u32::from_be_bytes(field(&bytes, header::BLOCK_SIZE)),
            parent_id: field(&bytes, header::PARENT_ID),
            parent_name: field(&bytes, header::PARENT_NAME),
            locators: (0..spec::LOCATORS).map(|number| Locator::parse(&bytes, at, number)).collect(),
        };
        found.check(storage, footer.size(), u32::from_be_bytes(field(&bytes, header::ENTRIES)))?;
        Ok(found)
    }

    /// Checks block and table.
    fn check(&self, storage: &dyn Storage, size: u64, entries: u32) -> Result<(), Damage> {
        let damage =
            |offset: usize, field, problem: String| Damage::new(storage, self.at + offset as u64, field, problem);
        let sizes = spec::SMALLEST_BLOCK..=spec::LARGEST_BLOCK;
        if !self.block_size.is_power_of_two() || !sizes.contains(&self.block_size) {
            let problem =
                format!("{} bytes are no power of two from {} to {}", self.block_size, sizes.start(), sizes.end());
            return Err(damage(header::BLOCK_SIZE, "Block Size", problem));
        }
        let needed = size.div_ceil(self.block_size.into());
        if u64::from(entries) < needed {
            let problem = format!("{entries} entries are too few for a disk of {needed} blocks");
            return Err(damage(header::ENTRIES, "Max Table Entries", problem));
        }
        let end = self.table_at.checked_add(needed * spec::ENTRY_SIZE);
        if end.is_none_or(|end| end > storage.size()) {
            let problem = format!("no table of {needed} entries fits at {} in {} bytes", self.table_at, storage.size());
            return Err(damage(header::TABLE_OFFSET, "Table Offset", problem));
        }
        Ok(())
    }
}

impl Locator {
    fn parse(header: &[u8; HEADER_SIZE], at: u64, number: usize) -> Self {
        let place = header::LOCATORS + number * LOCATOR_SIZE;
        Self {
            at: at + place as u64,
            platform: field(header, place + locator::PLATFORM),
            length: u32::from_be_bytes(field(header, place + locator::LENGTH)),
            offset: u64::from_be_bytes(field(header, place + locator::OFFSET)),
        }
    }
}
