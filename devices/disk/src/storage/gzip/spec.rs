//! Numbers of the gzip file format, version 4.3 (RFC 1952), by section.

/// 2.3.1: ID1 and ID2, the first two bytes of a member.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// 2.3.1: CM for deflate, the only method there is.
pub const CM_DEFLATE: u8 = 8;
/// 2.3.1: bytes of a member's header that are always there: ID1, ID2, CM, FLG, MTIME (4), XFL, OS.
pub const HEADER_LEN: usize = 10;

/// 2.3.1: FLG bit 1: a CRC-16 of the header follows the header.
pub const FHCRC: u8 = 1 << 1;
/// 2.3.1: FLG bit 2: an extra field of up to 65,535 bytes.
pub const FEXTRA: u8 = 1 << 2;
/// 2.3.1: FLG bit 3: the file's name, ended by a zero.
pub const FNAME: u8 = 1 << 3;
/// 2.3.1: FLG bit 4: a comment, ended by a zero.
pub const FCOMMENT: u8 = 1 << 4;
/// 2.3.1.2: FLG bits 5 to 7 must be zero.
pub const RESERVED: u8 = 0b1110_0000;

/// The longest name or comment that is taken for one, in bytes. The format has no limit.
pub const MAX_TEXT: u64 = 64 * 1024;

/// RFC 1951, 2: how far back a match of deflate reaches at most, in bytes.
pub const WINDOW: usize = 32 * 1024;
