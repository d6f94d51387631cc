//! What XFS has at which place: "XFS Algorithms & Data Structures", 3rd edition, whose structure is named. All numbers are
//! big-endian.

/// `xfs_sb`: `XFSB`.
pub const MAGIC: u32 = 0x5846_5342;
/// `xfs_sb`, `sb_versionnum`: directories of version 2.
pub const VERSION_DIR2: u16 = 0x2000;
/// `xfs_sb`, `sb_features2`: entries of directories say what they stand for.
pub const FEATURES2_FTYPE: u32 = 0x200;
/// `xfs_sb`, `sb_features_incompat`: as above.
pub const INCOMPAT_FTYPE: u32 = 0x1;
/// `xfs_sb`, `sb_features_incompat`: somebody found damage.
pub const INCOMPAT_NEEDS_REPAIR: u32 = 0x10;
/// `xfs_sb`, `sb_features_incompat`: ftype 0x1, spinodes 0x2, meta_uuid 0x4, bigtime 0x8, needsrepair 0x10, nrext64 0x20,
/// exchrange 0x40, parent 0x80, metadir 0x100.
pub const INCOMPAT_KNOWN: u32 = 0x1ff;

/// `xfs_dinode_core`: `IN`.
pub const INODE_MAGIC: u16 = 0x494e;
/// `xfs_dinode_core`, `di_format`: the data fork is the file.
pub const FORMAT_LOCAL: u8 = 1;
/// `xfs_dinode_core`, `di_format`: the data fork is a list of extents.
pub const FORMAT_EXTENTS: u8 = 2;
/// `xfs_dinode_core`, `di_format`: the data fork is the root of a tree of extents.
pub const FORMAT_BTREE: u8 = 3;
/// `xfs_dinode_core`, `di_flags`: the file's bytes are on another volume.
pub const FLAG_REALTIME: u16 = 0x1;
/// `xfs_dinode_core`, `di_flags2`: times count nanoseconds.
pub const FLAG2_BIGTIME: u64 = 0x8;
/// `xfs_dinode_core`, `di_flags2`: the number of extents has 64 bits.
pub const FLAG2_NREXT64: u64 = 0x10;

/// `xfs_bmbt_block`: `BMAP`, and `BMA3` in version 5.
pub const BMAP_MAGIC: [u32; 2] = [0x424d_4150, 0x424d_4133];
/// The greatest level of a tree of extents (`XFS_BM_MAXLEVELS` is smaller for every geometry).
pub const MAX_LEVEL: u16 = 14;

/// `xfs_dir2_data_hdr`: `XD2B`, and `XDB3`: a directory of one block.
pub const BLOCK_MAGIC: [u32; 2] = [0x5844_3242, 0x5844_4233];
/// `xfs_dir2_data_hdr`: `XD2D`, and `XDD3`: a block of entries of a larger directory.
pub const DATA_MAGIC: [u32; 2] = [0x5844_3244, 0x5844_4433];
/// `XFS_DIR2_LEAF_OFFSET`: where a directory's entries end and its index begins, in bytes.
pub const LEAF_OFFSET: u64 = 32 << 30;
/// `xfs_dir2_data_unused`: the tag of a gap.
pub const FREE_TAG: u16 = 0xffff;

/// `xfs_dsymlink_hdr`: `XSLM`.
pub const SYMLINK_MAGIC: u32 = 0x5853_4c4d;
/// `xfs_dsymlink_hdr`: its length.
pub const SYMLINK_HEADER: usize = 56;
