//! The format's numbers. Sections are those of VMware's technical note "Virtual Disk Format 5.0" (2011); what it leaves out
//! is as QEMU's `block/vmdk.c` and VMware's products have it.

/// "Hosted Sparse Extents": `magicNumber` of a sparse extent, the first four bytes of the file.
pub const SPARSE_MAGIC: [u8; 4] = *b"KDMV";
/// "ESX Server Sparse Extents": `magicNumber` of a COWDisk extent.
pub const COWD_MAGIC: [u8; 4] = *b"COWD";
/// Not in the note: the first eight bytes of a space-efficient sparse extent of ESXi, 0xcafebabe.
pub const SE_SPARSE_MAGIC: [u8; 8] = 0xcafe_babe_u64.to_le_bytes();
/// "The Descriptor File": the first line, in small letters and without spaces.
pub const DESCRIPTOR_LINE: &[u8] = b"#diskdescriptorfile";

/// "Hosted Sparse Extents": versions of the header. 2 may have zeroed grains; 3 came with changed block tracking.
pub const VERSIONS: std::ops::RangeInclusive<u32> = 1..=3;
/// `flags`: `singleEndLineChar` and those that follow hold what shows a transfer in text mode.
pub const FLAG_NEWLINES: u32 = 1 << 0;
/// `flags`: there is a redundant grain directory, and its tables.
pub const FLAG_REDUNDANT: u32 = 1 << 1;
/// `flags`: a grain table entry of 1 means that the grain is all zeroes.
pub const FLAG_ZERO_GRAINS: u32 = 1 << 2;
/// `flags`: grains are compressed.
pub const FLAG_COMPRESSED: u32 = 1 << 16;
/// `flags`: markers stand before grains and tables.
pub const FLAG_MARKERS: u32 = 1 << 17;
/// All flags that change how an extent is read. Others in the upper half are meant to be refused.
pub const KNOWN_INCOMPATIBLE: u32 = FLAG_COMPRESSED | FLAG_MARKERS;
/// `flags` whose meaning must be known: the upper half.
pub const INCOMPATIBLE: u32 = 0xffff_0000;

/// `gdOffset`: the grain directory stands at the end, and the footer says where.
pub const GD_AT_END: u64 = u64::MAX;
/// `compressAlgorithm`: none.
pub const COMPRESSION_NONE: u16 = 0;
/// `compressAlgorithm`: deflate (RFC 1951), within a zlib stream (RFC 1950).
pub const COMPRESSION_DEFLATE: u16 = 1;
/// `singleEndLineChar` and the three that follow it.
pub const NEWLINES: [u8; 4] = *b"\n \r\n";
/// `grainSize` in sectors: a power of two in these bounds. The note says from 8 on; the upper bound is the largest block
/// that is unpacked at once ([`MAX_BLOCK`](crate::image::layout::MAX_BLOCK)).
pub const GRAIN_SECTORS: std::ops::RangeInclusive<u64> = 8..=4096;
/// `numGTEsPerGT`: the note says 512 for every extent; what is larger than a COWDisk's is not.
pub const MAX_GTES: u64 = 4096;
/// A grain table entry: the grain is all zeroes, where [`FLAG_ZERO_GRAINS`] is set.
pub const GTE_ZERO: u32 = 1;

/// "ESX Server Sparse Extents": grain table entries per table.
pub const COWD_GTES: u64 = 4096;
/// `flags` of a COWDisk header: it is the lowest of its chain. Without it, a parent's name stands in the header.
pub const COWD_ROOT: u32 = 1;
/// `version` of a COWDisk header.
pub const COWD_VERSION: u32 = 1;

/// "Stream-Optimized Compressed Sparse Extents": the length of a grain marker (`lba`, `size`), behind which the compressed
/// bytes begin.
pub const GRAIN_MARKER: usize = 12;
/// Marker types, in the bytes behind `val` (8 bytes) and `size` (4 bytes, 0): end of stream.
pub const MARKER_EOS: u32 = 0;
/// A grain table follows.
pub const MARKER_TABLE: u32 = 1;
/// A grain directory follows.
pub const MARKER_DIRECTORY: u32 = 2;
/// The footer follows.
pub const MARKER_FOOTER: u32 = 3;

/// `parentCID` of an image without a parent ("The Header").
pub const NO_PARENT: u32 = u32::MAX;

/// Grain table entries of a table in every hosted sparse extent.
pub const GTES: u64 = 512;
