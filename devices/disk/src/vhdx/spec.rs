//! The format's numbers: [MS-VHDX], "Virtual Hard Disk v2 (VHDX) File Format". All are little-endian.

/// A GUID as it lies in the file: the first three groups are little-endian.
pub type Guid = [u8; 16];

/// 2.2.1 File Type Identifier, Signature.
pub const MAGIC: [u8; 8] = *b"vhdxfile";
/// 2.2.1, Creator: where it is, in bytes. UTF-16.
pub const CREATOR_AT: u64 = 8;
/// 2.2.1, Creator, in bytes.
pub const CREATOR_SIZE: usize = 512;

/// Regions, log and blocks lie at multiples of this many bytes, the first one behind the headers.
pub const ALIGNMENT: u64 = 1 << 20;
/// 2.2: where the headers are, in bytes.
pub const HEADERS_AT: [u64; 2] = [64 << 10, 128 << 10];
/// 2.2: where the region tables are, in bytes.
pub const REGIONS_AT: [u64; 2] = [192 << 10, 256 << 10];

/// 2.2.2 Headers, in bytes.
pub const HEADER_SIZE: usize = 4096;
/// 2.2.2, Signature.
pub const HEADER_MAGIC: [u8; 4] = *b"head";
/// 2.2.2, Version.
pub const VERSION: u16 = 1;
/// 2.2.2, LogVersion.
pub const LOG_VERSION: u16 = 0;

/// Where the Checksum of headers, region tables and log entries is in them, in bytes: CRC-32C of the whole of it, with
/// zeroes in place of the checksum.
pub const CHECKSUM: usize = 4;

/// Where the fields of a header are in it, in bytes.
pub mod header {
    /// SequenceNumber.
    pub const SEQUENCE: usize = 8;
    /// DataWriteGuid.
    pub const DATA_WRITE_GUID: usize = 32;
    /// LogGuid: zero if the log is empty.
    pub const LOG_GUID: usize = 48;
    /// LogVersion.
    pub const LOG_VERSION: usize = 64;
    /// Version.
    pub const VERSION: usize = 66;
    /// LogLength, in bytes.
    pub const LOG_LENGTH: usize = 68;
    /// LogOffset, in bytes.
    pub const LOG_OFFSET: usize = 72;
}

/// 2.2.3 Region Table, in bytes.
pub const REGION_TABLE_SIZE: usize = 64 << 10;
/// 2.2.3.1, Signature.
pub const REGION_MAGIC: [u8; 4] = *b"regi";
/// 2.2.3.1, EntryCount: where it is in the table, in bytes.
pub const REGION_COUNT: usize = 8;
/// 2.2.3.1 and 2.6.1.1, EntryCount: the most.
pub const MOST_ENTRIES: u32 = 2047;
/// 2.2.3.2 Region Table Entry: where the first one is in the table, in bytes.
pub const REGION_ENTRIES: usize = 16;
/// 2.2.3.2 and 2.6.1.2, in bytes.
pub const ENTRY_SIZE: usize = 32;

/// Where the fields of a Region Table Entry are in it, in bytes.
pub mod region {
    /// FileOffset, in bytes.
    pub const OFFSET: usize = 16;
    /// Length, in bytes.
    pub const LENGTH: usize = 24;
    /// Required: the lowest bit.
    pub const REQUIRED: usize = 28;
}

/// 2.2.3.2: the block allocation table, 2DC27766-F623-4200-9D64-115E9BFD4A08.
pub const BAT: Guid = *b"\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08";
/// 2.2.3.2: metadata, 8B7CA206-4790-4B9A-B8FE-575F050F886E.
pub const METADATA: Guid = *b"\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e";

/// 2.6.1 Metadata Table, in bytes; items lie behind it.
pub const METADATA_TABLE_SIZE: usize = 64 << 10;
/// 2.6.1.1, Signature.
pub const METADATA_MAGIC: [u8; 8] = *b"metadata";
/// 2.6.1.1, EntryCount: where it is in the table, in bytes.
pub const METADATA_COUNT: usize = 10;
/// 2.6.1.2: where the first entry is in the table, in bytes.
pub const METADATA_ENTRIES: usize = 32;

/// Where the fields of a Metadata Table Entry are in it, in bytes.
pub mod item {
    /// Offset, in bytes from the front of the region.
    pub const OFFSET: usize = 16;
    /// Length, in bytes.
    pub const LENGTH: usize = 20;
    /// IsUser, IsVirtualDisk, IsRequired: the lowest three bits.
    pub const FLAGS: usize = 24;
    /// IsUser.
    pub const IS_USER: u32 = 1;
    /// IsRequired.
    pub const IS_REQUIRED: u32 = 4;
}

/// 2.6.1.2, Length: the longest item, in bytes.
pub const LONGEST_ITEM: u32 = 1 << 20;

/// 2.6.2.1 File Parameters, CAA16737-FA36-4D43-B3B6-33F0AA44E76B.
pub const FILE_PARAMETERS: Guid = *b"\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b";
/// 2.6.2.2 Virtual Disk Size, 2FA54224-CD1B-4876-B211-5DBED83BF4B8.
pub const DISK_SIZE: Guid = *b"\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8";
/// 2.6.2.3 Virtual Disk ID, BECA12AB-B2E6-4523-93EF-C309E000C746.
pub const DISK_ID: Guid = *b"\xab\x12\xca\xbe\xe6\xb2\x23\x45\x93\xef\xc3\x09\xe0\x00\xc7\x46";
/// 2.6.2.4 Logical Sector Size, 8141BF1D-A96F-4709-BA47-F233A8FAAB5F.
pub const LOGICAL_SECTOR: Guid = *b"\x1d\xbf\x41\x81\x6f\xa9\x09\x47\xba\x47\xf2\x33\xa8\xfa\xab\x5f";
/// 2.6.2.5 Physical Sector Size, CDA348C7-445D-4471-9CC9-E9885251C556.
pub const PHYSICAL_SECTOR: Guid = *b"\xc7\x48\xa3\xcd\x5d\x44\x71\x44\x9c\xc9\xe9\x88\x52\x51\xc5\x56";
/// 2.6.2.6 Parent Locator, A8D35F2D-B30B-454D-ABF7-D3D84834AB0C.
pub const PARENT_LOCATOR: Guid = *b"\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c";
/// 2.6.2.6.3 VHDX Parent Locator, B04AEFB7-D19E-4A81-B789-25B8E9445913.
pub const VHDX_LOCATOR: Guid = *b"\xb7\xef\x4a\xb0\x9e\xd1\x81\x4a\xb7\x89\x25\xb8\xe9\x44\x59\x13";

/// 2.6.2.1, LeaveBlockAllocated.
pub const LEAVE_ALLOCATED: u32 = 1;
/// 2.6.2.1, HasParent.
pub const HAS_PARENT: u32 = 2;
/// 2.6.2.1, BlockSize: the smallest, in bytes.
pub const SMALLEST_BLOCK: u32 = 1 << 20;
/// The same: the largest, in bytes.
pub const LARGEST_BLOCK: u32 = 256 << 20;
/// 2.6.2.2: the largest disk, in bytes.
pub const LARGEST_DISK: u64 = 64 << 40;

/// 2.6.2.6.1 Parent Locator Header, in bytes.
pub const LOCATOR_HEADER_SIZE: usize = 20;
/// 2.6.2.6.1, KeyValueCount: where it is, in bytes.
pub const LOCATOR_COUNT: usize = 18;
/// 2.6.2.6.2 Parent Locator Entry, in bytes: KeyOffset, ValueOffset (four bytes each), KeyLength, ValueLength (two each).
pub const LOCATOR_ENTRY_SIZE: usize = 12;

/// 2.5.1 BAT Entry, in bytes.
pub const BAT_ENTRY_SIZE: u64 = 8;
/// 2.5.1, State: the lowest three bits.
pub const STATE: u64 = 7;
/// 2.5.1, FileOffsetMB, as bytes: the upper 44 bits are a number of MiB.
pub const FILE_OFFSET: u64 = !(ALIGNMENT - 1);

/// 2.5.1.1 PAYLOAD_BLOCK_NOT_PRESENT.
pub const NOT_PRESENT: u64 = 0;
/// 2.5.1.1 PAYLOAD_BLOCK_UNDEFINED.
pub const UNDEFINED: u64 = 1;
/// 2.5.1.1 PAYLOAD_BLOCK_ZERO.
pub const ZERO: u64 = 2;
/// 2.5.1.1 PAYLOAD_BLOCK_UNMAPPED.
pub const UNMAPPED: u64 = 3;
/// The same in version 0.95 of the specification.
pub const OLD_UNMAPPED: u64 = 5;
/// 2.5.1.1 PAYLOAD_BLOCK_FULLY_PRESENT; 2.5.1.2 SB_BLOCK_PRESENT.
pub const PRESENT: u64 = 6;
/// 2.5.1.1 PAYLOAD_BLOCK_PARTIALLY_PRESENT.
pub const PARTIALLY_PRESENT: u64 = 7;
/// 2.4: sectors of a chunk, which are those of a sector bitmap block.
pub const CHUNK_SECTORS: u64 = 1 << 23;
/// 2.4: a sector bitmap block, in bytes.
pub const BITMAP_SIZE: u64 = 1 << 20;

/// 2.3: the unit of the log, in bytes.
pub const LOG_SECTOR: u64 = LOG_SECTOR_SIZE as u64;
/// The same, as the length of an array.
pub const LOG_SECTOR_SIZE: usize = 4096;
/// 2.3.1.1 Entry Header, Signature.
pub const LOG_ENTRY_MAGIC: [u8; 4] = *b"loge";
/// 2.3.1.1, in bytes.
pub const LOG_HEADER_SIZE: usize = 64;
/// 2.3.1.2 and 2.3.1.3: a descriptor, in bytes.
pub const DESCRIPTOR_SIZE: usize = 32;
/// 2.3.1.2 Zero Descriptor, ZeroSignature.
pub const ZERO_MAGIC: [u8; 4] = *b"zero";
/// 2.3.1.3 Data Descriptor, DataSignature.
pub const DATA_MAGIC: [u8; 4] = *b"desc";
/// 2.3.1.4 Data Sector, DataSignature.
pub const SECTOR_MAGIC: [u8; 4] = *b"data";

/// Where the fields of a log entry's header are in it, in bytes.
pub mod entry {
    /// EntryLength, in bytes.
    pub const LENGTH: usize = 8;
    /// Tail: where the oldest entry that is needed is in the log, in bytes.
    pub const TAIL: usize = 12;
    /// SequenceNumber.
    pub const SEQUENCE: usize = 16;
    /// DescriptorCount.
    pub const COUNT: usize = 24;
    /// LogGuid.
    pub const LOG_GUID: usize = 32;
    /// FlushedFileOffset: how long the file is at least, in bytes.
    pub const FLUSHED: usize = 48;
    /// LastFileOffset: how long the file has to be for what is allocated, in bytes.
    pub const LAST: usize = 56;
}

/// Where the fields of a descriptor are in it, in bytes.
pub mod descriptor {
    /// TrailingBytes: the last four bytes of the sector.
    pub const TRAILING: usize = 4;
    /// LeadingBytes: the first eight bytes of the sector. ZeroLength of a zero descriptor, in bytes.
    pub const LEADING: usize = 8;
    /// FileOffset, in bytes.
    pub const OFFSET: usize = 16;
    /// SequenceNumber.
    pub const SEQUENCE: usize = 24;
}

/// Where the fields of a data sector are in it, in bytes.
pub mod sector {
    /// SequenceHigh: the upper half of the sequence number.
    pub const SEQUENCE_HIGH: usize = 4;
    /// SequenceLow: the lower half.
    pub const SEQUENCE_LOW: usize = 4092;
}

/// The longest log that is replayed, in bytes. Programs make logs of 1 MiB.
pub const LONGEST_LOG: u32 = 64 << 20;
/// The most ranges of the file that a log may change.
pub const MOST_CHANGES: usize = 1 << 17;

/// `N` bytes at `at`, which is one of the places above; zeroes past the end.
pub fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

/// The two bytes at `at` as a number.
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(field(bytes, at))
}

/// The four bytes at `at` as a number.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(field(bytes, at))
}

/// The eight bytes at `at` as a number.
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(field(bytes, at))
}

/// Puts `value` at `at`, which is one of the places above.
pub fn put_into<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(field) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *field = value;
    }
}
