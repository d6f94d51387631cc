//! Images made by hand, for tests and fuzz targets: kinds that no program here makes, and right checksums for wrong fields,
//! as what follows a checksum is not reached by chance.

use super::checksum::of_structure;
use super::spec::{
    self, ENTRY_SIZE, Guid, HEADER_SIZE, LOG_SECTOR_SIZE, REGION_TABLE_SIZE, descriptor, entry, header, item, put_into,
    region, sector, u32_at,
};

/// Where [`Image::build`] puts the log, in bytes; it has 1 MiB.
pub const LOG_AT: usize = 1 << 20;
/// Where it puts the metadata, in bytes.
pub const METADATA_AT: usize = 2 << 20;
/// Where it puts the items, in bytes.
pub const ITEMS_AT: usize = METADATA_AT + spec::METADATA_TABLE_SIZE;
/// Where it puts the table of blocks, in bytes.
pub const BAT_AT: usize = 3 << 20;
/// Where it puts blocks, in bytes.
pub const BLOCKS_AT: usize = 4 << 20;
/// A MiB: regions and blocks lie at multiples of it.
const MIB: usize = 1 << 20;

/// What a block of an [`Image`] is.
#[derive(Debug, Clone)]
pub enum Block {
    /// Nowhere, in this state.
    Nowhere(u64),
    /// All there.
    Present(Vec<u8>),
    /// There where the bit of a sector is set.
    Partial(Vec<bool>, Vec<u8>),
}

/// An image.
#[derive(Debug, Clone)]
pub struct Image {
    /// In bytes.
    pub size: u64,
    /// In bytes.
    pub block_size: u32,
    /// In bytes.
    pub sector_size: u32,
    /// DataWriteGuid.
    pub data_write_guid: Guid,
    /// Keys and values of the parent locator.
    pub parent: Option<Vec<(String, String)>>,
    /// From the first one on.
    pub blocks: Vec<Block>,
    /// LogGuid, and the log.
    pub log: (Guid, Vec<u8>),
}

impl Image {
    /// An image without blocks and without parent.
    #[must_use]
    pub fn new(size: u64, block_size: u32) -> Self {
        let (blocks, log) = (Vec::new(), ([0; 16], Vec::new()));
        Self { size, block_size, sector_size: 512, data_write_guid: [7; 16], parent: None, blocks, log }
    }

    /// Adds keys and values of a parent locator.
    #[must_use]
    pub fn parent(mut self, pairs: &[(&str, &str)]) -> Self {
        let pairs = pairs.iter().map(|(key, value)| ((*key).into(), (*value).into()));
        self.parent.get_or_insert_default().extend(pairs);
        self
    }

    /// The image.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let mut bytes = vec![0; BLOCKS_AT];
        let mut write = |at: usize, part: &[u8]| {
            bytes.splice(at..at + part.len(), part.iter().copied());
        };
        write(0, &spec::MAGIC);
        for (at, sequence) in [(64 << 10, 3), (128 << 10, 4)] {
            write(at, &self.header(sequence));
        }
        for at in [192 << 10, 256 << 10] {
            write(at, &regions());
        }
        write(LOG_AT, &self.log.1);
        let (table, items) = self.metadata();
        write(METADATA_AT, &table);
        write(ITEMS_AT, &items);
        self.put_blocks(&mut bytes);
        sign(&mut bytes);
        bytes
    }

    fn header(&self, sequence: u64) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        put_into(&mut bytes, 0, spec::HEADER_MAGIC);
        put_into(&mut bytes, header::SEQUENCE, sequence.to_le_bytes());
        put_into(&mut bytes, header::DATA_WRITE_GUID, self.data_write_guid);
        put_into(&mut bytes, header::LOG_GUID, self.log.0);
        put_into(&mut bytes, header::VERSION, spec::VERSION.to_le_bytes());
        put_into(&mut bytes, header::LOG_LENGTH, number(MIB).to_le_bytes());
        put_into(&mut bytes, header::LOG_OFFSET, (LOG_AT as u64).to_le_bytes());
        bytes
    }

    /// The table, and the items that it is about.
    fn metadata(&self) -> (Vec<u8>, Vec<u8>) {
        let flags = if self.parent.is_some() { spec::HAS_PARENT } else { 0 };
        let parameters = [self.block_size.to_le_bytes(), flags.to_le_bytes()].concat();
        let mut parts = vec![
            (spec::FILE_PARAMETERS, parameters),
            (spec::DISK_SIZE, self.size.to_le_bytes().to_vec()),
            (spec::LOGICAL_SECTOR, self.sector_size.to_le_bytes().to_vec()),
            (spec::PHYSICAL_SECTOR, 4096_u32.to_le_bytes().to_vec()),
            (spec::DISK_ID, vec![9; 16]),
        ];
        parts.extend(self.parent.as_ref().map(|pairs| (spec::PARENT_LOCATOR, locator(pairs))));
        let mut table = [&spec::METADATA_MAGIC[..], &[0; 24]].concat();
        put_into(&mut table, spec::METADATA_COUNT, u16::try_from(parts.len()).unwrap_or_default().to_le_bytes());
        let mut items = Vec::new();
        for (id, part) in parts {
            let mut row = [0; ENTRY_SIZE];
            put_into(&mut row, 0, id);
            put_into(&mut row, item::OFFSET, number(spec::METADATA_TABLE_SIZE + items.len()).to_le_bytes());
            put_into(&mut row, item::LENGTH, number(part.len()).to_le_bytes());
            put_into(&mut row, item::FLAGS, item::IS_REQUIRED.to_le_bytes());
            table.extend(row);
            items.extend(part);
        }
        (table, items)
    }

    fn put_blocks(&self, bytes: &mut Vec<u8>) {
        let ratio = usize::try_from(spec::CHUNK_SECTORS).unwrap_or_default() * self.sector_size as usize
            / self.block_size as usize;
        for (index, block) in self.blocks.iter().enumerate() {
            let at = bytes.len();
            let state = match block {
                Block::Nowhere(state) => *state,
                Block::Present(data) => {
                    bytes.extend(data);
                    spec::PRESENT | at as u64
                }
                Block::Partial(bits, data) => {
                    bytes.extend(data);
                    let per_block = (self.block_size / self.sector_size) as usize;
                    let bitmap = bitmap_of(bytes, BAT_AT + ((index / ratio + 1) * (ratio + 1) - 1) * 8);
                    for (sector, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
                        let bit = index % ratio * per_block + sector;
                        if let Some(byte) = bytes.get_mut(bitmap + bit / 8) {
                            *byte |= 1 << (bit % 8);
                        }
                    }
                    spec::PARTIALLY_PRESENT | at as u64
                }
            };
            put_into(bytes, BAT_AT + (index + index / ratio) * 8, state.to_le_bytes());
        }
    }
}

/// Where the sector bitmap is whose entry is at `entry_at`; it is made if it is not there.
fn bitmap_of(bytes: &mut Vec<u8>, entry_at: usize) -> usize {
    let place = spec::u64_at(bytes, entry_at) & spec::FILE_OFFSET;
    if place > 0 {
        return usize::try_from(place).unwrap_or_default();
    }
    let at = bytes.len();
    bytes.resize(at + MIB, 0);
    put_into(bytes, entry_at, (spec::PRESENT | at as u64).to_le_bytes());
    at
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn regions() -> Vec<u8> {
    let mut bytes = vec![0; REGION_TABLE_SIZE];
    put_into(&mut bytes, 0, spec::REGION_MAGIC);
    put_into(&mut bytes, spec::REGION_COUNT, 2_u32.to_le_bytes());
    for (place, (guid, offset)) in [(spec::BAT, BAT_AT), (spec::METADATA, METADATA_AT)].into_iter().enumerate() {
        let at = spec::REGION_ENTRIES + place * ENTRY_SIZE;
        put_into(&mut bytes, at, guid);
        put_into(&mut bytes, at + region::OFFSET, (offset as u64).to_le_bytes());
        put_into(&mut bytes, at + region::LENGTH, number(MIB).to_le_bytes());
        put_into(&mut bytes, at + region::REQUIRED, 1_u32.to_le_bytes());
    }
    bytes
}

fn locator(pairs: &[(String, String)]) -> Vec<u8> {
    let mut bytes = vec![0; spec::LOCATOR_HEADER_SIZE];
    put_into(&mut bytes, 0, spec::VHDX_LOCATOR);
    put_into(&mut bytes, spec::LOCATOR_COUNT, u16::try_from(pairs.len()).unwrap_or_default().to_le_bytes());
    let mut texts = Vec::new();
    let mut at = bytes.len() + pairs.len() * spec::LOCATOR_ENTRY_SIZE;
    for (key, value) in pairs {
        let [key, value] = [key, value].map(|text| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
        let short = |text: &[u8]| u16::try_from(text.len()).unwrap_or_default().to_le_bytes();
        bytes.extend([number(at), number(at + key.len())].map(u32::to_le_bytes).concat());
        bytes.extend([short(&key), short(&value)].concat());
        at += key.len() + value.len();
        texts.extend([key, value].concat());
    }
    [bytes, texts].concat()
}

/// What an entry of the log does.
#[derive(Debug, Clone)]
pub enum Change {
    /// Puts 4096 bytes to this place in the file.
    Data(u64, Vec<u8>),
    /// Puts zeroes to this place in the file: as many bytes.
    Zero(u64, u64),
}

/// An entry of the log, with its checksum. `tail` is where the oldest entry is that is needed, in bytes; `size` is the file's.
#[must_use]
pub fn log_entry(guid: Guid, sequence: u64, tail: usize, size: u64, changes: &[Change]) -> Vec<u8> {
    let front = (64 + changes.len() * 32).next_multiple_of(LOG_SECTOR_SIZE);
    let mut bytes = vec![0; front];
    put_into(&mut bytes, 0, spec::LOG_ENTRY_MAGIC);
    put_into(&mut bytes, entry::TAIL, number(tail).to_le_bytes());
    put_into(&mut bytes, entry::SEQUENCE, sequence.to_le_bytes());
    put_into(&mut bytes, entry::COUNT, number(changes.len()).to_le_bytes());
    put_into(&mut bytes, entry::LOG_GUID, guid);
    put_into(&mut bytes, entry::FLUSHED, size.to_le_bytes());
    put_into(&mut bytes, entry::LAST, size.to_le_bytes());
    for (place, change) in changes.iter().enumerate() {
        let at = 64 + place * 32;
        let offset = match change {
            Change::Data(offset, data) => {
                put_into(&mut bytes, at, spec::DATA_MAGIC);
                put_into(&mut bytes, at + descriptor::LEADING, spec::field::<8>(data, 0));
                put_into(&mut bytes, at + descriptor::TRAILING, spec::field::<4>(data, LOG_SECTOR_SIZE - 4));
                let mut part = data.clone();
                let [low, high] = [sequence & 0xffff_ffff, sequence >> 32].map(|half| half.to_le_bytes());
                put_into(&mut part, 0, spec::SECTOR_MAGIC);
                put_into(&mut part, sector::SEQUENCE_HIGH, spec::field::<4>(&high, 0));
                put_into(&mut part, sector::SEQUENCE_LOW, spec::field::<4>(&low, 0));
                bytes.extend(part);
                offset
            }
            Change::Zero(offset, length) => {
                put_into(&mut bytes, at, spec::ZERO_MAGIC);
                put_into(&mut bytes, at + descriptor::LEADING, length.to_le_bytes());
                offset
            }
        };
        put_into(&mut bytes, at + descriptor::OFFSET, offset.to_le_bytes());
        put_into(&mut bytes, at + descriptor::SEQUENCE, sequence.to_le_bytes());
    }
    let length = number(bytes.len());
    put_into(&mut bytes, entry::LENGTH, length.to_le_bytes());
    let sum = of_structure(&bytes);
    put_into(&mut bytes, spec::CHECKSUM, sum.to_le_bytes());
    bytes
}

/// Puts right checksums into headers, region tables and the entries of a log at [`LOG_AT`].
pub fn sign(bytes: &mut [u8]) {
    let fixed = [(64 << 10, HEADER_SIZE), (128 << 10, HEADER_SIZE)];
    let tables = [(192 << 10, REGION_TABLE_SIZE), (256 << 10, REGION_TABLE_SIZE)];
    let mut parts = [fixed, tables].concat();
    for at in (LOG_AT..LOG_AT + MIB).step_by(LOG_SECTOR_SIZE) {
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.starts_with(&spec::LOG_ENTRY_MAGIC) {
            parts.push((at, u32_at(rest, entry::LENGTH) as usize));
        }
    }
    for (at, length) in parts {
        if let Some(part) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..length))
            && part.len() >= 8
        {
            let sum = of_structure(part);
            put_into(part, spec::CHECKSUM, sum.to_le_bytes());
        }
    }
}

/// The parts of an image that a fuzz target changes, in bytes: where they are in it, and how long they are. The last one is
/// the log, as long as there is input.
const PARTS: [(usize, usize); 6] =
    [(64 << 10, 128), (192 << 10, 256), (METADATA_AT, 512), (ITEMS_AT, 1024), (BAT_AT, 512), (LOG_AT, 60 << 10)];

/// An image of 6 MiB from the few bytes of it that matter, with right checksums: what a fuzz target does with its input, as
/// no image is smaller than some MiB.
#[must_use]
pub fn unfold(mut folded: &[u8]) -> Vec<u8> {
    let mut bytes = Image::new(0, 1 << 20).build();
    bytes.resize(6 << 20, 0x5a);
    for (at, length) in PARTS {
        let (part, rest) = folded.split_at(length.min(folded.len()));
        bytes.splice(at..at + part.len(), part.iter().copied());
        folded = rest;
    }
    // One header is enough, and it has to be the one that counts.
    bytes.splice(128 << 10..(128 << 10) + 4, [0; 4]);
    sign(&mut bytes);
    bytes
}

/// The opposite of [`unfold`], for images that [`Image::build`] made: what seeds are made by.
#[must_use]
pub fn fold(image: &[u8]) -> Vec<u8> {
    let parts = PARTS.iter().map(|(at, length)| image.get(*at..at + length).unwrap_or_default());
    let mut folded = parts.collect::<Vec<_>>().concat();
    while folded.last() == Some(&0) {
        folded.pop();
    }
    folded
}
