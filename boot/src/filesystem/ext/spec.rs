//! What the layout of ext2, ext3 and ext4 has at which place: the kernel's `Documentation/filesystems/ext4`, whose section is
//! named. All numbers are little-endian.

/// Super block: where it is on the volume.
pub const SUPER_BLOCK: u64 = 1024;
/// Super block: how long it is.
pub const SUPER_BLOCK_LEN: usize = 1024;
/// Super block: `s_magic`.
pub const MAGIC: u16 = 0xef53;

/// Super block, `s_feature_compat`: there is a journal.
pub const COMPAT_JOURNAL: u32 = 0x4;
/// Super block, `s_feature_compat`: copies of the super block are in two groups that it names.
pub const COMPAT_SPARSE_SUPER2: u32 = 0x200;
/// Super block, `s_feature_ro_compat`: copies of the super block are in few groups.
pub const RO_SPARSE_SUPER: u32 = 0x1;
/// Super block, `s_feature_ro_compat`: what ext3 knows.
pub const RO_EXT3: u32 = 0x7;

/// Super block, `s_feature_incompat`: entries of directories say what they stand for.
pub const FILETYPE: u32 = 0x2;
/// Super block, `s_feature_incompat`: the journal was not replayed.
pub const RECOVER: u32 = 0x4;
/// Super block, `s_feature_incompat`: not a file system, but another one's journal.
pub const JOURNAL_DEVICE: u32 = 0x8;
/// Super block, `s_feature_incompat`: group descriptors are spread over the volume.
pub const META_BG: u32 = 0x10;
/// Super block, `s_feature_incompat`: block numbers have 64 bits.
pub const WIDE: u32 = 0x80;
/// Super block, `s_feature_incompat`: directories may be longer than 4 GiB.
pub const LARGE_DIR: u32 = 0x4000;
/// Super block, `s_feature_incompat`: what ext3 knows.
pub const INCOMPAT_EXT3: u32 = FILETYPE | RECOVER | META_BG;
/// Super block, `s_feature_incompat`: what can be read here. Beside the above: extents 0x40, mmp 0x100, flex_bg 0x200,
/// ea_inode 0x400, csum_seed 0x2000, inline_data 0x8000, encrypt 0x10000 (files that are not), casefold 0x20000.
pub const INCOMPAT_KNOWN: u32 = INCOMPAT_EXT3 | 0x40 | WIDE | 0x100 | 0x200 | 0x400 | 0x2000 | LARGE_DIR | 0x3_8000;

/// Inode table: the root directory's number.
pub const ROOT_INODE: u32 = 2;
/// Inode, `i_flags`: it is compressed, by a patch of ext2 that is gone.
pub const FLAG_COMPRESSED: u32 = 0x4;
/// Inode, `i_flags`: it is encrypted.
pub const FLAG_ENCRYPTED: u32 = 0x800;
/// Inode, `i_flags`: `i_block` is the root of an extent tree.
pub const FLAG_EXTENTS: u32 = 0x8_0000;
/// Inode, `i_flags`: the bytes are in the inode.
pub const FLAG_INLINE: u32 = 0x1000_0000;

/// Inode: where `i_block` is.
pub const I_BLOCK: usize = 0x28;
/// Inode: how long `i_block` is.
pub const I_BLOCK_LEN: usize = 60;

/// Extent tree: `eh_magic`.
pub const EXTENT_MAGIC: u16 = 0xf30a;
/// Extent tree: the length of the header, and of each entry.
pub const EXTENT_LEN: usize = 12;
/// Extent tree: the greatest `eh_depth`.
pub const EXTENT_DEPTH: u16 = 5;
/// Extent tree: `ee_len` above this is that of an extent that was never written, and this much too large.
pub const EXTENT_UNWRITTEN: u16 = 0x8000;

/// Extended attributes: `h_magic`.
pub const XATTR_MAGIC: u32 = 0xea02_0000;
/// Extended attributes: `e_name_index` of `system.`.
pub const XATTR_SYSTEM: u8 = 7;
