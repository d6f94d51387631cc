//! The format's numbers, as VirtualBox declares them (`VDICore.h`: VDIPREHEADER, VDIHEADER1). All are little-endian.

/// VDIPREHEADER, u32Signature.
pub const MAGIC: u32 = 0xbeda_107f;
/// Header and what is before it, in bytes, as far as it is read.
pub const HEADER_SIZE: usize = 0x1c8;
/// VDIHEADER1 in version 1.0, in bytes: without the last geometry. It counts from [`HEADER_LENGTH`] on.
pub const SMALLEST_HEADER: u32 = 0x180;

/// VDIPREHEADER, u32Signature: its place in the file, in bytes, as are all that follow.
pub const SIGNATURE: usize = 0x40;
/// u32Version: the major version is in the upper half.
pub const VERSION: usize = 0x44;
/// cbHeader, in bytes.
pub const HEADER_LENGTH: usize = 0x48;
/// u32Type.
pub const KIND: usize = 0x4c;
/// offBlocks: where the table is, in bytes.
pub const TABLE_AT: usize = 0x154;
/// offData: where the first block is, in bytes.
pub const DATA_AT: usize = 0x158;
/// cbDisk, in bytes.
pub const DISK_SIZE: usize = 0x170;
/// cbBlock, in bytes: a power of two.
pub const BLOCK_SIZE: usize = 0x178;
/// cbBlockExtra: what lies before each block's bytes, in bytes.
pub const EXTRA_SIZE: usize = 0x17c;
/// cBlocks: entries of the table.
pub const BLOCKS: usize = 0x180;
/// cBlocksAllocated.
pub const ALLOCATED: usize = 0x184;
/// uuidCreate: by what a differencing image knows its parent.
pub const ID: usize = 0x188;
/// uuidLinkage: the parent's uuidCreate, zero if there is none.
pub const PARENT_ID: usize = 0x1a8;

/// u32Type, VDI_IMAGE_TYPE_NORMAL.
pub const NORMAL: u32 = 1;
/// VDI_IMAGE_TYPE_FIXED.
pub const FIXED: u32 = 2;
/// VDI_IMAGE_TYPE_UNDO.
pub const UNDO: u32 = 3;
/// VDI_IMAGE_TYPE_DIFF.
pub const DIFFERENCING: u32 = 4;

/// cbBlock: the smallest that is read, in bytes.
pub const SMALLEST_BLOCK: u32 = 4 << 10;
/// The largest that is read, in bytes. Programs write 1 MiB.
pub const LARGEST_BLOCK: u32 = 256 << 20;
/// cbBlockExtra: the largest that is read, in bytes. Programs write 0.
pub const LARGEST_EXTRA: u32 = 1 << 20;

/// VDI_IMAGE_BLOCK_FREE: an entry of the table for a block that is nowhere.
pub const ABSENT: u32 = u32::MAX;
/// VDI_IMAGE_BLOCK_ZERO: one of zeroes.
pub const ZERO: u32 = u32::MAX - 1;
/// An entry of the table, in bytes.
pub const ENTRY_SIZE: u64 = 4;

/// `N` bytes at `at`, which is one of the places above; zeroes past the end.
pub fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}
