//! What Virtio 1.2 says about block devices (section 5.2).

/// 5.2.1: device number.
pub const DEVICE_ID: u32 = 2;
/// 5.2.4 and 5.2.6: the unit of all positions and lengths, in bytes, whatever the block size is.
pub const SECTOR: u64 = 512;

/// 5.2.3: the configuration field `size_max` is valid.
pub const F_SIZE_MAX: u64 = 1 << 1;
/// 5.2.3: the configuration field `seg_max` is valid.
pub const F_SEG_MAX: u64 = 1 << 2;
/// 5.2.3: the device is read-only.
pub const F_RO: u64 = 1 << 5;
/// 5.2.3: the configuration field `blk_size` is valid.
pub const F_BLK_SIZE: u64 = 1 << 6;
/// 5.2.3: the device has a volatile cache and knows the flush request.
pub const F_FLUSH: u64 = 1 << 9;
/// 5.2.3: the configuration fields of the topology are valid.
pub const F_TOPOLOGY: u64 = 1 << 10;
/// 5.2.3: the device has several queues.
pub const F_MQ: u64 = 1 << 12;
/// 5.2.3: the device knows the discard request.
pub const F_DISCARD: u64 = 1 << 13;
/// 5.2.3: the device knows the write-zeroes request.
pub const F_WRITE_ZEROES: u64 = 1 << 14;

/// 5.2.4: bytes of the configuration space up to the fields of features that are not offered.
pub const CONFIG_LEN: usize = 60;
/// 5.2.4, le64: size in sectors.
pub const CONFIG_CAPACITY: usize = 0;
/// 5.2.4, le32: the most bytes of a data segment.
pub const CONFIG_SIZE_MAX: usize = 8;
/// 5.2.4, le32: the most data segments of a request.
pub const CONFIG_SEG_MAX: usize = 12;
/// 5.2.4, le32: the best block size, in bytes.
pub const CONFIG_BLK_SIZE: usize = 20;
/// 5.2.4, u8: how many times the block size is to be doubled to give the physical block size.
pub const CONFIG_PHYSICAL_BLOCK_EXP: usize = 24;
/// 5.2.4, u8: the first logical block that begins a physical one.
pub const CONFIG_ALIGNMENT_OFFSET: usize = 25;
/// 5.2.4, le16: the least that should be read or written at once, in blocks.
pub const CONFIG_MIN_IO_SIZE: usize = 26;
/// 5.2.4, le32: what is best read or written at once, in blocks; 0 if that is not known.
pub const CONFIG_OPT_IO_SIZE: usize = 28;
/// 5.2.4, le16: number of queues.
pub const CONFIG_NUM_QUEUES: usize = 34;
/// 5.2.4, le32: the most sectors of a discard segment.
pub const CONFIG_MAX_DISCARD_SECTORS: usize = 36;
/// 5.2.4, le32: the most segments of a discard request.
pub const CONFIG_MAX_DISCARD_SEG: usize = 40;
/// 5.2.4, le32: what discards should be aligned to, in sectors.
pub const CONFIG_DISCARD_SECTOR_ALIGNMENT: usize = 44;
/// 5.2.4, le32: the most sectors of a write-zeroes segment.
pub const CONFIG_MAX_WRITE_ZEROES_SECTORS: usize = 48;
/// 5.2.4, le32: the most segments of a write-zeroes request.
pub const CONFIG_MAX_WRITE_ZEROES_SEG: usize = 52;
/// 5.2.4, u8: whether writing zeroes may deallocate.
pub const CONFIG_WRITE_ZEROES_MAY_UNMAP: usize = 56;

/// 5.2.6, bytes: `struct virtio_blk_req` up to the data: le32 type, le32 reserved, le64 sector.
pub const HEADER_LEN: usize = 16;
/// 5.2.6, bytes: `struct virtio_blk_discard_write_zeroes`: le64 sector, le32 number of sectors, le32 flags.
pub const SEGMENT_LEN: usize = 16;
/// 5.2.6, flags of a write-zeroes segment, bit 0: the range may be deallocated.
pub const SEGMENT_UNMAP: u32 = 1 << 0;
/// 5.2.6, bytes: the answer to a get-id request, filled with zeroes.
pub const ID_LEN: usize = 20;

/// 5.2.6, type: read.
pub const T_IN: u32 = 0;
/// 5.2.6, type: write.
pub const T_OUT: u32 = 1;
/// 5.2.6, type: flush.
pub const T_FLUSH: u32 = 4;
/// 5.2.6, type: get the device's identity.
pub const T_GET_ID: u32 = 8;
/// 5.2.6, type: discard.
pub const T_DISCARD: u32 = 11;
/// 5.2.6, type: write zeroes.
pub const T_WRITE_ZEROES: u32 = 13;

/// 5.2.6, status: done.
pub const S_OK: u8 = 0;
/// 5.2.6, status: failed, or not allowed.
pub const S_IOERR: u8 = 1;
/// 5.2.6, status: the request is not known.
pub const S_UNSUPP: u8 = 2;
