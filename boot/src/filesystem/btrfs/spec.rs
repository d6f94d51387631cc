//! What btrfs has at which place: the "On-disk Format" of its documentation, whose structure is named. All numbers are
//! little-endian.

/// `btrfs_super_block`: where the first copy is on the device.
pub const SUPER_BLOCK: u64 = 0x1_0000;
/// `btrfs_super_block`: how long it is.
pub const SUPER_BLOCK_LEN: usize = 4096;
/// `btrfs_super_block`: `magic`.
pub const MAGIC: &[u8; 8] = b"_BHRfS_M";
/// `btrfs_super_block`, `incompat_flags`: mixed_backref 0x1, default_subvol 0x2, mixed_groups 0x4, compress_lzo 0x8,
/// compress_zstd 0x10, big_metadata 0x20, extended_iref 0x40, raid56 0x80, skinny_metadata 0x100, no_holes 0x200,
/// metadata_uuid 0x400, raid1c34 0x800, simple_quota 0x10000.
pub const INCOMPAT_KNOWN: u64 = 0x1_0fff;
/// `btrfs_super_block`: where `sys_chunk_array` is.
pub const SYSTEM_CHUNKS: usize = 0x32b;
/// `btrfs_super_block`: how long `sys_chunk_array` may be.
pub const SYSTEM_CHUNKS_LEN: usize = 2048;

/// `btrfs_header`: its length.
pub const HEADER: usize = 101;
/// `btrfs_key_ptr`: its length.
pub const POINTER: usize = 33;
/// `btrfs_item`: its length.
pub const ITEM: usize = 25;
/// `btrfs_disk_key`: its length.
pub const KEY: usize = 17;
/// `btrfs_header`: the greatest level.
pub const MAX_LEVEL: u8 = 7;

/// Key type: `btrfs_inode_item`.
pub const INODE_ITEM: u8 = 1;
/// Key type: names by their hash.
pub const DIR_ITEM: u8 = 84;
/// Key type: names in the order in which they were made.
pub const DIR_INDEX: u8 = 96;
/// Key type: `btrfs_file_extent_item`.
pub const EXTENT_DATA: u8 = 108;
/// Key type: `btrfs_root_item`.
pub const ROOT_ITEM: u8 = 132;
/// Key type: `btrfs_chunk`.
pub const CHUNK_ITEM: u8 = 228;

/// Object: the tree at the top of all subvolumes.
pub const FS_TREE: u64 = 5;
/// Object, in the tree of roots: the directory that has the name `default`.
pub const ROOT_TREE_DIR: u64 = 6;
/// Object, in a subvolume: the root directory.
pub const FIRST_FREE: u64 = 256;

/// `btrfs_chunk`, `type`: raid0 0x8, raid10 0x40, raid5 0x80, raid6 0x100: bytes are spread over the stripes.
pub const STRIPED: u64 = 0x1c8;

/// `btrfs_file_extent_item`, `type`: the bytes are in the item.
pub const INLINE: u8 = 0;
/// `btrfs_file_extent_item`, `type`: the bytes are in an extent that was written.
pub const REGULAR: u8 = 1;
/// The most bytes of a compressed extent, packed or not (`BTRFS_MAX_UNCOMPRESSED`).
pub const MAX_PACKED: u64 = 128 << 10;
