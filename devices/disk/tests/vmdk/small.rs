//! Images of a few kilobytes, made byte by byte, whose parts are at known places.

use std::io::Write as _;

use ovum_disk::vmdk::spec;

use crate::judge::Random;

/// Sectors of the disk in the images below: 14 grains of 8 sectors, and a half one.
const SECTORS: usize = 14 * 8 + 4;
pub const TEXT: &str = "# Disk DescriptorFile\nversion=1\nCID=00000007\nparentCID=ffffffff\ncreateType=\"custom\"\n\
    RW 116 SPARSE \"x\"\n";

/// An image of a few kilobytes, and where its parts are.
pub struct Small {
    pub bytes: Vec<u8>,
    pub disk: Vec<u8>,
    /// Where the header that counts is, in bytes.
    pub header: usize,
    pub directory: usize,
    pub table: usize,
    /// Where each grain is, or 0.
    pub grains: Vec<usize>,
}

/// Puts `value` at `at`.
pub fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

fn header(flags: u32, version: u32, compression: u16, directory: u64) -> Vec<u8> {
    let mut sector = vec![0; 512];
    put(&mut sector, 0, spec::SPARSE_MAGIC);
    put(&mut sector, 4, version.to_le_bytes());
    put(&mut sector, 8, flags.to_le_bytes());
    for (at, value) in [(12, SECTORS as u64), (20, 8), (28, 1), (36, 1), (56, directory), (64, 2)] {
        put(&mut sector, at, value.to_le_bytes());
    }
    put(&mut sector, 44, 512_u32.to_le_bytes());
    put(&mut sector, 73, spec::NEWLINES);
    put(&mut sector, 77, compression.to_le_bytes());
    sector
}

/// The disk: grains of noise, of zeroes and absent ones.
pub fn disk() -> Vec<u8> {
    let mut random = Random::new(1);
    let mut disk = random.bytes(SECTORS * 512);
    for grain in [1, 4, 5, 9, 13] {
        disk[grain * 4096..(grain + 1) * 4096].fill(0);
    }
    disk
}

fn text() -> Vec<u8> {
    let mut text = TEXT.as_bytes().to_vec();
    text.resize(512, 0);
    text
}

/// A sparse image with its tables in front; grain 4 is of zeroes by its entry.
pub fn sparse() -> Small {
    let disk = disk();
    let mut bytes = header(spec::FLAG_NEWLINES | spec::FLAG_ZERO_GRAINS, 2, 0, 2);
    bytes.extend(text());
    bytes.extend([0; 5 * 512]);
    put(&mut bytes, 1024, 3_u32.to_le_bytes());
    put(&mut bytes, 1536 + 4 * 4, spec::GTE_ZERO.to_le_bytes());
    let mut grains = Vec::new();
    for (number, grain) in disk.chunks(4096).enumerate() {
        let is_there = grain.iter().any(|byte| *byte != 0);
        grains.push(if is_there { bytes.len() } else { 0 });
        if is_there {
            let sector = u32::try_from(bytes.len() / 512).unwrap();
            put(&mut bytes, 1536 + number * 4, sector.to_le_bytes());
            bytes.extend(grain);
        }
    }
    Small { bytes, disk, header: 0, directory: 1024, table: 1536, grains }
}

/// A zlib stream.
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn marker(bytes: &mut Vec<u8>, kind: u32, sectors: u64) {
    bytes.extend(sectors.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(512), 0);
}

/// A stream with its directory at the end; the last grain is as short as the disk's end.
pub fn stream() -> Small {
    let disk = disk();
    let flags = spec::FLAG_NEWLINES | spec::FLAG_COMPRESSED | spec::FLAG_MARKERS;
    let mut bytes = header(flags, 3, 1, spec::GD_AT_END);
    bytes.extend(text());
    let (mut grains, mut entries) = (Vec::new(), vec![0; 2048]);
    for (number, grain) in disk.chunks(4096).enumerate() {
        let is_there = grain.iter().any(|byte| *byte != 0);
        grains.push(if is_there { bytes.len() } else { 0 });
        if is_there {
            put(&mut entries, number * 4, u32::try_from(bytes.len() / 512).unwrap().to_le_bytes());
            let packed = pack(grain);
            bytes.extend((number as u64 * 8).to_le_bytes());
            bytes.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
            bytes.extend(packed);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
    }
    marker(&mut bytes, spec::MARKER_TABLE, 4);
    let table = bytes.len();
    bytes.extend(entries);
    marker(&mut bytes, spec::MARKER_DIRECTORY, 1);
    let directory = bytes.len();
    bytes.extend(u32::try_from(table / 512).unwrap().to_le_bytes());
    bytes.resize(directory + 512, 0);
    marker(&mut bytes, spec::MARKER_FOOTER, 1);
    let footer = bytes.len();
    bytes.extend(header(flags, 3, 1, directory as u64 / 512));
    marker(&mut bytes, spec::MARKER_EOS, 0);
    Small { bytes, disk, header: footer, directory, table, grains }
}
