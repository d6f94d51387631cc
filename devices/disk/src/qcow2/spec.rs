//! The numbers of the format, by the sections of QEMU's `docs/interop/qcow2`. All fields are big-endian.

use std::ops::RangeInclusive;

/// "Header", bytes 0 to 3.
pub const MAGIC: [u8; 4] = *b"QFI\xfb";
/// "Header": where the fields of version 3 end that must be there, in bytes.
pub const HEADER_V3: usize = 104;
/// "Header": the length of version 2's, in bytes.
pub const HEADER_V2: u32 = 72;
/// As much of a header as is read: what is behind the compression type, Ovum does not know.
pub const HEADER: usize = 112;

/// "Header": where its fields are, in bytes.
pub mod at {
    pub const VERSION: u64 = 4;
    pub const BACKING_FILE_OFFSET: u64 = 8;
    pub const BACKING_FILE_SIZE: u64 = 16;
    pub const CLUSTER_BITS: u64 = 20;
    pub const SIZE: u64 = 24;
    pub const CRYPT_METHOD: u64 = 32;
    pub const L1_SIZE: u64 = 36;
    pub const L1_TABLE_OFFSET: u64 = 40;
    pub const REFCOUNT_TABLE_OFFSET: u64 = 48;
    pub const REFCOUNT_TABLE_CLUSTERS: u64 = 56;
    pub const NB_SNAPSHOTS: u64 = 60;
    pub const SNAPSHOTS_OFFSET: u64 = 64;
    pub const INCOMPATIBLE_FEATURES: u64 = 72;
    pub const COMPATIBLE_FEATURES: u64 = 80;
    pub const AUTOCLEAR_FEATURES: u64 = 88;
    pub const REFCOUNT_ORDER: u64 = 96;
    pub const HEADER_LENGTH: u64 = 100;
    pub const COMPRESSION_TYPE: u64 = 104;
}

/// "Header", cluster_bits: the smallest that the format allows, the largest that anybody reads.
pub const CLUSTER_BITS: RangeInclusive<u32> = 9..=21;
/// "Header", cluster_bits: the smallest with extended L2 entries.
pub const CLUSTER_BITS_EXTENDED: u32 = 14;
/// "Header", size: the largest L1 table that anybody reads, in bytes.
pub const MAX_L1: u64 = 32 << 20;
/// "Host cluster management": the largest refcount table that anybody reads, in bytes.
pub const MAX_REFCOUNT_TABLE: u64 = 8 << 20;
/// "Header", refcount_order: the widest, 64 bits.
pub const MAX_REFCOUNT_ORDER: u32 = 6;
/// "Header", backing_file_size: in bytes.
pub const MAX_BACKING_NAME: u32 = 1023;

/// "Header", incompatible_features: refcounts may be wrong.
pub const DIRTY: u64 = 1;
/// As above: anything may be wrong.
pub const CORRUPT: u64 = 1 << 1;
/// As above: data is in another file.
pub const EXTERNAL_DATA: u64 = 1 << 2;
/// As above: clusters are compressed by something else than zlib.
pub const COMPRESSION_TYPE: u64 = 1 << 3;
/// As above: L2 entries have a bitmap of subclusters.
pub const EXTENDED_L2: u64 = 1 << 4;
/// "Header", compatible_features: refcounts may be written late.
pub const LAZY_REFCOUNTS: u64 = 1;

/// "Header extensions": the types.
pub mod extension {
    pub const END: u32 = 0;
    pub const BACKING_FORMAT: u32 = 0xe279_2aca;
    pub const FEATURE_NAMES: u32 = 0x6803_f857;
    pub const BITMAPS: u32 = 0x2385_2875;
}

/// "Feature name table": the length of an entry, in bytes.
pub const FEATURE_NAME: usize = 48;

/// "Cluster mapping" and "Host cluster management": the length of an entry of L1 tables, of standard L2 tables and of
/// refcount tables, in bytes.
pub const ENTRY: u64 = 8;
/// "Cluster mapping": the bits of L1 and standard L2 entries that hold a place in the file.
pub const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// "Host cluster management": the same in a refcount table.
pub const REFCOUNT_BLOCK_OFFSET: u64 = !0x1ff;
/// "Cluster mapping": the refcount of what an entry names is one.
pub const COPIED: u64 = 1 << 63;
/// "Cluster mapping": the cluster is compressed.
pub const COMPRESSED: u64 = 1 << 62;
/// "Standard cluster descriptor": the cluster reads as zeroes.
pub const ZERO: u64 = 1;
/// "Compressed clusters descriptor": the unit of the length, in bytes.
pub const PACKED_SECTOR: u64 = 512;
/// "Extended L2 entries": subclusters of a cluster.
pub const SUBCLUSTERS: u32 = 32;

/// "Snapshots": the fixed part of a table entry, in bytes, and where in it the lengths of the other parts are.
pub mod snapshot {
    pub const FIXED: usize = 40;
    pub const L1_TABLE_OFFSET: usize = 0;
    pub const L1_SIZE: usize = 8;
    pub const ID_SIZE: usize = 12;
    pub const NAME_SIZE: usize = 14;
    pub const EXTRA_SIZE: usize = 36;
    /// The most that anybody reads.
    pub const MAX: u32 = 65536;
}
