//! Numbers of the bzip2 format. There is no specification by its author; the names are those of "BZIP2: Format
//! Specification" by Joe Tsai (2016), by section.

/// 2.1: StreamMagic and StreamVersion, 'B', 'Z', 'h'; StreamLevel follows, '1' to '9'.
pub const MAGIC: [u8; 3] = *b"BZh";
/// 2.1: bytes of a stream's header.
pub const HEADER_LEN: u64 = 4;
/// 2.2: BlockMagic, the digits of pi, which begin at any bit.
pub const BLOCK_MAGIC: [u8; 6] = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
/// 2.3: FooterMagic, the digits of the square root of pi, where a block might begin.
pub const FOOTER_MAGIC: [u8; 6] = [0x17, 0x72, 0x45, 0x38, 0x50, 0x90];
/// Bits of either magic.
pub const MAGIC_BITS: u64 = 48;
/// 2.2 and 2.3: bits of a checksum, BlockCRC or StreamCRC.
pub const CRC_BITS: u64 = 32;
