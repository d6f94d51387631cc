//! Images made by hand, for tests and fuzz targets: kinds that no program here makes, and right checksums for wrong fields,
//! as what follows a checksum is not reached by chance.

use super::spec::{self, ABSENT, FOOTER_SIZE, HEADER_SIZE, LOCATOR_SIZE, field, footer, header, locator, put};

/// Where [`Blocks::build`] puts the header, in bytes.
pub const HEADER_AT: usize = FOOTER_SIZE;
/// Where [`Blocks::build`] puts the table, in bytes.
pub const TABLE_AT: usize = 8192;

/// A dynamic image, or a differencing one if it has a parent.
#[derive(Debug, Clone)]
pub struct Blocks {
    /// Current Size, in bytes.
    pub size: u64,
    /// Block Size, in bytes.
    pub block_size: u32,
    /// Unique Id.
    pub id: [u8; 16],
    /// Parent Unique Id, if it is differencing.
    pub parent: Option<[u8; 16]>,
    /// Platform Code and data of Parent Locator Entries: at most eight, of 512 bytes.
    pub locators: Vec<([u8; 4], Vec<u8>)>,
    /// Parent Unicode Name.
    pub parent_name: String,
    /// The blocks that are there: number, bitmap, bytes.
    pub blocks: Vec<(u32, Vec<u8>, Vec<u8>)>,
}

impl Blocks {
    /// An image without blocks and without parent.
    #[must_use]
    pub fn new(size: u64, block_size: u32) -> Self {
        let (parent_name, locators, blocks) = (String::new(), Vec::new(), Vec::new());
        Self { size, block_size, id: [7; 16], parent: None, locators, parent_name, blocks }
    }

    /// Adds a Parent Locator Entry with a name in UTF-16.
    #[must_use]
    pub fn locator(mut self, platform: [u8; 4], name: &str) -> Self {
        self.locators.push((platform, name.encode_utf16().flat_map(u16::to_le_bytes).collect()));
        self
    }

    /// The image.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let entries = u32::try_from(self.size.div_ceil(self.block_size.into())).unwrap_or(ABSENT);
        let mut table = vec![ABSENT; entries as usize];
        let mut bytes = vec![0; TABLE_AT];
        put(&mut bytes, 0, self.footer());
        put(&mut bytes, HEADER_AT, self.header(entries));
        for (number, (_, data)) in self.locators.iter().enumerate() {
            let at = locator_data_at(number);
            bytes.splice(at..at + data.len(), data.iter().copied());
        }
        let mut end = (TABLE_AT + table.len() * 4).next_multiple_of(512);
        for (number, bitmap, data) in &self.blocks {
            if let Some(entry) = table.get_mut(*number as usize) {
                *entry = u32::try_from(end / 512).unwrap_or(ABSENT);
            }
            end += bitmap.len() + data.len();
        }
        bytes.extend(table.iter().flat_map(|entry| entry.to_be_bytes()));
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        for (_, bitmap, data) in &self.blocks {
            bytes.extend(bitmap);
            bytes.extend(data);
        }
        bytes.extend(self.footer());
        sign(&mut bytes);
        bytes
    }

    fn footer(&self) -> [u8; FOOTER_SIZE] {
        let mut bytes = [0; FOOTER_SIZE];
        let kind = if self.parent.is_some() { spec::DIFFERENCING } else { spec::DYNAMIC };
        put(&mut bytes, 0, spec::FOOTER_COOKIE);
        put(&mut bytes, footer::FEATURES, spec::FEATURES.to_be_bytes());
        put(&mut bytes, footer::VERSION, spec::VERSION.to_be_bytes());
        put(&mut bytes, footer::DATA_OFFSET, (HEADER_AT as u64).to_be_bytes());
        put(&mut bytes, footer::CREATOR, *b"win ");
        put(&mut bytes, footer::ORIGINAL_SIZE, self.size.to_be_bytes());
        put(&mut bytes, footer::CURRENT_SIZE, self.size.to_be_bytes());
        put(&mut bytes, footer::KIND, kind.to_be_bytes());
        put(&mut bytes, footer::ID, self.id);
        bytes
    }

    fn header(&self, entries: u32) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        put(&mut bytes, 0, spec::HEADER_COOKIE);
        put(&mut bytes, header::DATA_OFFSET, u64::MAX.to_be_bytes());
        put(&mut bytes, header::TABLE_OFFSET, (TABLE_AT as u64).to_be_bytes());
        put(&mut bytes, header::VERSION, spec::VERSION.to_be_bytes());
        put(&mut bytes, header::ENTRIES, entries.to_be_bytes());
        put(&mut bytes, header::BLOCK_SIZE, self.block_size.to_be_bytes());
        put(&mut bytes, header::PARENT_ID, self.parent.unwrap_or_default());
        for (place, unit) in self.parent_name.encode_utf16().enumerate() {
            put(&mut bytes, header::PARENT_NAME + 2 * place, unit.to_be_bytes());
        }
        for (number, (platform, data)) in self.locators.iter().enumerate() {
            let at = header::LOCATORS + number * LOCATOR_SIZE;
            put(&mut bytes, at + locator::PLATFORM, *platform);
            put(&mut bytes, at + locator::LENGTH, u32::try_from(data.len()).unwrap_or_default().to_be_bytes());
            put(&mut bytes, at + locator::OFFSET, (locator_data_at(number) as u64).to_be_bytes());
        }
        bytes
    }
}

fn locator_data_at(number: usize) -> usize {
    HEADER_AT + HEADER_SIZE + number * 512
}

/// Puts right checksums into whatever is a footer in `bytes`, and into the header that the last one points to.
pub fn sign(bytes: &mut [u8]) {
    let mut header_at = None;
    for at in [Some(0), bytes.len().checked_sub(FOOTER_SIZE)].into_iter().flatten() {
        let Some(part) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..FOOTER_SIZE)) else { continue };
        if part.starts_with(&spec::FOOTER_COOKIE) {
            let sum = spec::checksum(part, footer::CHECKSUM);
            put(part, footer::CHECKSUM, sum.to_be_bytes());
            header_at = usize::try_from(u64::from_be_bytes(field(part, footer::DATA_OFFSET))).ok();
        }
    }
    let part = header_at.and_then(|at| bytes.get_mut(at..)).and_then(|rest| rest.get_mut(..HEADER_SIZE));
    if let Some(part) = part {
        let sum = spec::checksum(part, header::CHECKSUM);
        put(part, header::CHECKSUM, sum.to_be_bytes());
    }
}
