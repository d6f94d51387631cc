//! Tar archives, block by block: right ones, and all that `tar` itself would never write.

/// An archive that grows member by member.
#[derive(Debug, Clone, Default)]
pub struct Tar {
    bytes: Vec<u8>,
}

/// The types of members that the tests use (POSIX ustar, typeflag).
pub mod kind {
    pub const FILE: u8 = b'0';
    pub const HARD_LINK: u8 = b'1';
    pub const LINK: u8 = b'2';
    pub const CHARACTER_DEVICE: u8 = b'3';
    pub const BLOCK_DEVICE: u8 = b'4';
    pub const FOLDER: u8 = b'5';
    pub const FIFO: u8 = b'6';
    pub const GNU_LONG_NAME: u8 = b'L';
    pub const GNU_SPARSE: u8 = b'S';
    pub const PAX: u8 = b'x';
    pub const PAX_GLOBAL: u8 = b'g';
}

/// A header block with what the tests vary; all else is as ordinary as can be.
#[derive(Debug, Clone)]
pub struct Header {
    block: [u8; 512],
}

impl Header {
    pub fn new(name: &[u8], size: u64, kind: u8) -> Self {
        let mut block = [0; 512];
        block[..name.len()].copy_from_slice(name);
        block[100..108].copy_from_slice(b"0000644\0");
        block[108..116].copy_from_slice(b"0000000\0");
        block[116..124].copy_from_slice(b"0000000\0");
        block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        block[136..148].copy_from_slice(b"00000000000\0");
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        Self { block }.sealed()
    }

    /// The size field, as bytes.
    pub fn size_field(mut self, field: [u8; 12]) -> Self {
        self.block[124..136].copy_from_slice(&field);
        self.sealed()
    }

    /// The size in base 256, as GNU tar writes what octal cannot hold.
    pub fn wide_size(self, size: u64) -> Self {
        let mut field = [0; 12];
        field[0] = 0x80;
        field[4..].copy_from_slice(&size.to_be_bytes());
        self.size_field(field)
    }

    pub fn link_to(mut self, target: &[u8]) -> Self {
        self.block[157..157 + target.len()].copy_from_slice(target);
        self.sealed()
    }

    /// Neither magic nor version, as before POSIX.
    pub fn without_magic(mut self) -> Self {
        self.block[257..265].fill(0);
        self.sealed()
    }

    pub fn with_wrong_checksum(mut self) -> Self {
        self.block[148] ^= 1;
        self
    }

    fn sealed(mut self) -> Self {
        self.block[148..156].fill(b' ');
        let sum: u32 = self.block.iter().map(|byte| u32::from(*byte)).sum();
        self.block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self
    }
}

impl Tar {
    pub fn new() -> Self {
        Self::default()
    }

    /// A file.
    pub fn file(self, name: &str, data: &[u8]) -> Self {
        let header = Header::new(name.as_bytes(), data.len() as u64, kind::FILE);
        self.member(&header, data)
    }

    /// Any header, and data that is padded to whole blocks, whatever the header says.
    pub fn member(mut self, header: &Header, data: &[u8]) -> Self {
        self.bytes.extend_from_slice(&header.block);
        self.bytes.extend_from_slice(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    /// A pax header with these records, each `key=value`, for the member after it.
    pub fn pax(self, records: &[&str]) -> Self {
        let text: String = records.iter().map(|record| pax_record(record)).collect();
        self.raw_pax(kind::PAX, text.as_bytes())
    }

    /// A pax header of any bytes.
    pub fn raw_pax(self, kind: u8, data: &[u8]) -> Self {
        self.member(&Header::new(b"PaxHeaders/x", data.len() as u64, kind), data)
    }

    /// Its bytes, with the two blocks of zeroes that end it.
    pub fn end(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }

    /// Its bytes, without an end.
    pub fn cut(self) -> Vec<u8> {
        self.bytes
    }
}

/// `LENGTH key=value\n`, where LENGTH counts itself.
fn pax_record(record: &str) -> String {
    let mut length = record.len() + 3;
    while format!("{length} {record}\n").len() != length {
        length += 1;
    }
    format!("{length} {record}\n")
}
