//! The format's numbers: "Virtual Hard Disk Image Format Specification", version 1.0 of October 2006. All are big-endian.

/// "Hard Disk Footer Format", Cookie.
pub const FOOTER_COOKIE: [u8; 8] = *b"conectix";
/// "Hard Disk Footer Format", in bytes.
pub const FOOTER_SIZE: usize = 512;
/// The same of images from before Virtual PC 2004, in bytes.
pub const OLD_FOOTER_SIZE: usize = 511;
/// "Hard Disk Footer Format", File Format Version: the major version is in the upper half.
pub const VERSION: u32 = 0x0001_0000;
/// "Hard Disk Footer Format", Features: reserved, always set.
pub const FEATURES: u32 = 2;

/// Where the fields of the footer are in it, in bytes.
pub mod footer {
    /// Features.
    pub const FEATURES: usize = 8;
    /// File Format Version.
    pub const VERSION: usize = 12;
    /// Data Offset: where the header of a dynamic image is, in bytes from the front.
    pub const DATA_OFFSET: usize = 16;
    /// Creator Application.
    pub const CREATOR: usize = 28;
    /// Creator Version.
    pub const CREATOR_VERSION: usize = 32;
    /// Creator Host OS.
    pub const CREATOR_OS: usize = 36;
    /// Original Size, in bytes.
    pub const ORIGINAL_SIZE: usize = 40;
    /// Current Size, in bytes.
    pub const CURRENT_SIZE: usize = 48;
    /// Disk Geometry: cylinders (two bytes), heads, sectors of a track.
    pub const GEOMETRY: usize = 56;
    /// Disk Type.
    pub const KIND: usize = 60;
    /// Checksum.
    pub const CHECKSUM: usize = 64;
    /// Unique Id.
    pub const ID: usize = 68;
}

/// "Hard Disk Footer Format", Disk Type: fixed.
pub const FIXED: u32 = 2;
/// The same: dynamic.
pub const DYNAMIC: u32 = 3;
/// The same: differencing.
pub const DIFFERENCING: u32 = 4;

/// "Hard Disk Footer Format", Disk Geometry: the largest, in cylinders, heads and sectors of a track.
pub const LARGEST_GEOMETRY: (u16, u8, u8) = (u16::MAX, 16, 255);
/// The largest disk, in bytes: 2040 GiB, which is what all programs keep to.
pub const LARGEST_DISK: u64 = 2040 << 30;

/// "Dynamic Disk Header Format", Cookie.
pub const HEADER_COOKIE: [u8; 8] = *b"cxsparse";
/// "Dynamic Disk Header Format", in bytes.
pub const HEADER_SIZE: usize = 1024;

/// Where the fields of the dynamic disk header are in it, in bytes.
pub mod header {
    /// Data Offset: unused, all ones.
    pub const DATA_OFFSET: usize = 8;
    /// Table Offset: where the block allocation table is, in bytes from the front.
    pub const TABLE_OFFSET: usize = 16;
    /// Header Version.
    pub const VERSION: usize = 24;
    /// Max Table Entries.
    pub const ENTRIES: usize = 28;
    /// Block Size, in bytes.
    pub const BLOCK_SIZE: usize = 32;
    /// Checksum.
    pub const CHECKSUM: usize = 36;
    /// Parent Unique ID.
    pub const PARENT_ID: usize = 40;
    /// Parent Unicode Name: UTF-16.
    pub const PARENT_NAME: usize = 64;
    /// Bytes of Parent Unicode Name.
    pub const PARENT_NAME_SIZE: usize = 512;
    /// The first of the Parent Locator Entries.
    pub const LOCATORS: usize = 576;
}

/// "Dynamic Disk Header Format": Parent Locator Entries.
pub const LOCATORS: usize = 8;
/// A Parent Locator Entry, in bytes.
pub const LOCATOR_SIZE: usize = 24;

/// Where the fields of a Parent Locator Entry are in it, in bytes.
pub mod locator {
    /// Platform Code.
    pub const PLATFORM: usize = 0;
    /// Platform Data Length, in bytes.
    pub const LENGTH: usize = 8;
    /// Platform Data Offset, in bytes from the front of the file.
    pub const OFFSET: usize = 16;
}

/// The longest Platform Data that is read, in bytes: Windows has no longer names.
pub const LONGEST_LOCATOR: u32 = 64 << 10;

/// "Dynamic Disk Header Format", Block Size: the smallest that makes sense, in bytes.
pub const SMALLEST_BLOCK: u32 = 512;
/// The same: the largest that is read, in bytes. Programs write 512 KiB and 2 MiB.
pub const LARGEST_BLOCK: u32 = 256 << 20;
/// The same: the usual one, in bytes.
pub const USUAL_BLOCK: u32 = 2 << 20;

/// "Block Allocation Table and Data Blocks": the entry of a block that is nowhere.
pub const ABSENT: u32 = u32::MAX;
/// The same: an entry, in bytes.
pub const ENTRY_SIZE: u64 = 4;

/// `N` bytes at `at`, which is one of the places above; zeroes past the end.
pub fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

/// Puts `value` at `at`, which is one of the places above.
pub fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(field) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *field = value;
    }
}

/// "Checksum": the one's complement of the sum of all bytes, without the four of the checksum itself, which is at `at`.
pub fn checksum(bytes: &[u8], at: usize) -> u32 {
    let own: u32 = field::<4>(bytes, at).iter().map(|byte| u32::from(*byte)).sum();
    let all: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    !(all - own)
}
