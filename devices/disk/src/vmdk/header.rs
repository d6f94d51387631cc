//! The headers of sparse extents.

use std::sync::Arc;

use super::spec;
use crate::SECTOR;
use crate::error::{Damage, LayoutError};
use crate::image::layout::MAX_BLOCK;
use crate::storage::{Storage, read_array, read_bytes};

/// A sector, as headers and markers fill it.
pub type Sector = [u8; 512];

/// How far from the end of a file a footer is looked for, in bytes: behind it are the end-of-stream marker and, in some
/// files, padding.
const FOOTER_SEARCH: u64 = 64 << 10;

/// "Hosted Sparse Extents": the header, and the footer of a stream, which has the same fields. All integers are
/// little-endian, offsets and sizes in sectors of 512 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparseHeader {
    /// At byte 4.
    pub version: u32,
    /// At byte 8.
    pub flags: u32,
    /// At byte 12: the disk's part that is in this extent.
    pub capacity: u64,
    /// At byte 20.
    pub grain_size: u64,
    /// At byte 28: where the embedded descriptor is, or 0.
    pub descriptor_offset: u64,
    /// At byte 36.
    pub descriptor_size: u64,
    /// At byte 44: entries, not sectors.
    pub gtes_per_gt: u32,
    /// At byte 48: the redundant grain directory.
    pub rgd_offset: u64,
    /// At byte 56: the grain directory, or [`spec::GD_AT_END`].
    pub gd_offset: u64,
    /// At byte 64: how much is in front of the grains.
    pub overhead: u64,
    /// At byte 72: not 0 while it is open for writing.
    pub unclean_shutdown: u8,
    /// At byte 73: [`spec::NEWLINES`].
    pub newlines: [u8; 4],
    /// At byte 77.
    pub compression: u16,
}

/// Little-endian bytes at a place that the caller knows to be there; past the end, zeroes.
pub fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

fn put<const N: usize>(sector: &mut Sector, at: usize, value: [u8; N]) {
    if let Some(place) = sector.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *place = value;
    }
}

impl SparseHeader {
    /// The fields of a sector, if it begins with the magic number.
    pub fn parse(sector: &Sector) -> Option<Self> {
        let u32_at = |at| u32::from_le_bytes(field(sector, at));
        let u64_at = |at| u64::from_le_bytes(field(sector, at));
        (field(sector, 0) == spec::SPARSE_MAGIC).then(|| Self {
            version: u32_at(4),
            flags: u32_at(8),
            capacity: u64_at(12),
            grain_size: u64_at(20),
            descriptor_offset: u64_at(28),
            descriptor_size: u64_at(36),
            gtes_per_gt: u32_at(44),
            rgd_offset: u64_at(48),
            gd_offset: u64_at(56),
            overhead: u64_at(64),
            unclean_shutdown: u8::from_le_bytes(field(sector, 72)),
            newlines: field(sector, 73),
            compression: u16::from_le_bytes(field(sector, 77)),
        })
    }

    /// The sector that holds the fields.
    pub fn encode(&self) -> Sector {
        let mut sector = [0; 512];
        put(&mut sector, 0, spec::SPARSE_MAGIC);
        put(&mut sector, 4, self.version.to_le_bytes());
        put(&mut sector, 8, self.flags.to_le_bytes());
        put(&mut sector, 12, self.capacity.to_le_bytes());
        put(&mut sector, 20, self.grain_size.to_le_bytes());
        put(&mut sector, 28, self.descriptor_offset.to_le_bytes());
        put(&mut sector, 36, self.descriptor_size.to_le_bytes());
        put(&mut sector, 44, self.gtes_per_gt.to_le_bytes());
        put(&mut sector, 48, self.rgd_offset.to_le_bytes());
        put(&mut sector, 56, self.gd_offset.to_le_bytes());
        put(&mut sector, 64, self.overhead.to_le_bytes());
        put(&mut sector, 72, [self.unclean_shutdown]);
        put(&mut sector, 73, self.newlines);
        put(&mut sector, 77, self.compression.to_le_bytes());
        sector
    }
}

/// How the grains of an extent are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As they are.
    Plain,
    /// Compressed; with a marker in front of each, or not.
    Deflate {
        /// Whether there are markers.
        markers: bool,
    },
}

/// Where the tables of an extent are, and what their entries mean.
#[derive(Debug, Clone)]
pub struct Geometry {
    /// The part of the disk that the extent holds, in bytes.
    pub size: u64,
    /// The size of a grain in bytes.
    pub grain: u64,
    /// Entries of a grain table.
    pub gtes: u64,
    /// Where the grain directory is, in bytes.
    pub directory: u64,
    /// Whether an entry of 1 means zeroes.
    pub zero_grains: bool,
    /// How the grains are stored.
    pub packing: Packing,
}

impl Geometry {
    /// How many bytes of the disk one grain table covers. Both factors were checked to be small.
    pub fn coverage(&self) -> u64 {
        self.grain * self.gtes
    }

    /// How many entries the grain directory has.
    pub fn tables(&self) -> u64 {
        self.size.div_ceil(self.coverage())
    }
}

/// The headers of a hosted sparse extent: the one in front, and the one that counts, which is the footer if there is one.
#[derive(Debug, Clone)]
pub struct Headers {
    /// The first sector.
    pub front: SparseHeader,
    /// What is to be believed.
    pub valid: SparseHeader,
    /// Where that stands in the file, in bytes.
    pub at: u64,
}

/// Reads the header of a hosted sparse extent, and its footer if the header asks for it.
///
/// # Errors
/// [`Damage`] when there is none.
pub fn read_sparse(storage: &Arc<dyn Storage>) -> Result<Headers, LayoutError> {
    let damage = |at, field, problem: &str| Damage::new(storage.as_ref(), at, field, problem);
    if storage.size() < SECTOR {
        return Err(damage(0, "header", "the file is shorter than a header").into());
    }
    let front = SparseHeader::parse(&read_array(storage.as_ref(), 0)?)
        .ok_or_else(|| damage(0, "magicNumber", "this is not a sparse extent"))?;
    if front.gd_offset != spec::GD_AT_END {
        return Ok(Headers { valid: front.clone(), front, at: 0 });
    }
    let (at, valid) = find_footer(storage)?.ok_or_else(|| {
        damage(storage.size(), "footer", "there is none at the end of the file, and the header asks for it")
    })?;
    if valid.gd_offset == spec::GD_AT_END {
        return Err(damage(at + 56, "gdOffset", "the footer does not say where the grain directory is").into());
    }
    Ok(Headers { front, valid, at })
}

/// The footer is the last sector that is not all zero: an end-of-stream marker is.
fn find_footer(storage: &Arc<dyn Storage>) -> Result<Option<(u64, SparseHeader)>, LayoutError> {
    let end = storage.size() / SECTOR * SECTOR;
    let len = end.min(FOOTER_SEARCH);
    let start = end - len;
    let mut tail = vec![0; usize::try_from(len).unwrap_or_default()];
    read_bytes(storage.as_ref(), start, &mut tail)?;
    let (sectors, _) = tail.as_chunks::<512>();
    let last = (start..).step_by(512).zip(sectors).filter(|(_, sector)| sector.iter().any(|byte| *byte != 0)).last();
    Ok(last.and_then(|(at, sector)| Some((at, SparseHeader::parse(sector)?))).filter(|(at, _)| *at > 0))
}

/// Checks what a header says, field by field.
///
/// # Errors
/// [`Damage`] names the first field that cannot be.
pub fn sparse_geometry(storage: &Arc<dyn Storage>, headers: &Headers) -> Result<Geometry, LayoutError> {
    let header = &headers.valid;
    let damage = |at: u64, field, problem: String| Damage::new(storage.as_ref(), headers.at + at, field, problem);
    if !spec::VERSIONS.contains(&header.version) {
        return Err(LayoutError::Unsupported {
            what: format!("{} is a VMDK of version {}, and 1 to 3 are known", storage.name(), header.version),
            remedy: "convert it with the program that made it, for example: vmware-vdiskmanager -r",
        });
    }
    let unknown = header.flags & spec::INCOMPATIBLE & !spec::KNOWN_INCOMPATIBLE;
    if unknown != 0 {
        return Err(damage(8, "flags", format!("flags {unknown:#x} are not known")).into());
    }
    let is_packed = header.flags & spec::FLAG_COMPRESSED != 0;
    let packing = match (is_packed, header.compression) {
        (false, spec::COMPRESSION_NONE) => Packing::Plain,
        (true, spec::COMPRESSION_DEFLATE) => Packing::Deflate { markers: header.flags & spec::FLAG_MARKERS != 0 },
        (_, other) => {
            return Err(damage(77, "compressAlgorithm", format!("{other} does not agree with the flags")).into());
        }
    };
    if !header.grain_size.is_power_of_two() || !spec::GRAIN_SECTORS.contains(&header.grain_size) {
        let problem = format!("{} sectors is not a power of two from 8 to 4096", header.grain_size);
        return Err(damage(20, "grainSize", problem).into());
    }
    let gtes = u64::from(header.gtes_per_gt);
    if gtes == 0 || gtes > spec::MAX_GTES {
        return Err(damage(44, "numGTEsPerGT", format!("{gtes} is not from 1 to {}", spec::MAX_GTES)).into());
    }
    let size = header.capacity.checked_mul(SECTOR);
    let size = size.ok_or_else(|| damage(12, "capacity", format!("{} sectors are too many", header.capacity)))?;
    let directory = header.gd_offset.checked_mul(SECTOR).filter(|at| *at > 0 || size == 0);
    let directory = directory
        .ok_or_else(|| damage(56, "gdOffset", format!("there is no grain directory at sector {}", header.gd_offset)))?;
    let zero_grains = header.flags & spec::FLAG_ZERO_GRAINS != 0;
    let geometry = Geometry { size, grain: header.grain_size * SECTOR, gtes, directory, zero_grains, packing };
    check_directory(storage, &geometry).map_err(|problem| damage(56, "gdOffset", problem))?;
    Ok(geometry)
}

/// "ESX Server Sparse Extents": reads and checks a COWDisk header. All its numbers have four bytes.
///
/// # Errors
/// [`Damage`] names the first field that cannot be; [`LayoutError::Unsupported`] for one of a chain that has no descriptor.
pub fn cowd_geometry(storage: &Arc<dyn Storage>, has_descriptor: bool) -> Result<Geometry, LayoutError> {
    let damage = |at, field, problem: String| Damage::new(storage.as_ref(), at, field, problem);
    if storage.size() < SECTOR {
        return Err(damage(0, "header", "the file is shorter than a header".into()).into());
    }
    let sector: Sector = read_array(storage.as_ref(), 0)?;
    let number = |at| u64::from(u32::from_le_bytes(field(&sector, at)));
    if number(4) != u64::from(spec::COWD_VERSION) {
        return Err(damage(4, "version", format!("COWDisk version {} is not known", number(4))).into());
    }
    if !has_descriptor && number(8) & u64::from(spec::COWD_ROOT) == 0 {
        return Err(LayoutError::Unsupported {
            what: format!("{} is a redo log of an old ESX server, and its descriptor is elsewhere", storage.name()),
            remedy: "name the .vmdk file that describes it (without -delta in its name)",
        });
    }
    let (size, grain) = (number(12) * SECTOR, number(16) * SECTOR);
    if !number(16).is_power_of_two() || grain > u64::from(MAX_BLOCK) {
        return Err(damage(16, "grainSize", format!("{} sectors is not a power of two to 4096", number(16))).into());
    }
    let directory = number(20) * SECTOR;
    let (gtes, packing) = (spec::COWD_GTES, Packing::Plain);
    let geometry = Geometry { size, grain, gtes, directory, zero_grains: false, packing };
    if number(24) < geometry.tables() {
        return Err(damage(24, "numGDEntries", format!("{} are too few for the disk", number(24))).into());
    }
    if directory == 0 && size > 0 {
        return Err(damage(20, "gdOffset", "there is no grain directory at sector 0".into()).into());
    }
    check_directory(storage, &geometry).map_err(|problem| damage(20, "gdOffset", problem))?;
    Ok(geometry)
}

/// Whether the whole grain directory lies in the file. So the number of tables is bounded by the file's size.
fn check_directory(storage: &Arc<dyn Storage>, geometry: &Geometry) -> Result<(), String> {
    // At most 2^64 / 2^9 entries of 4 bytes.
    let len = geometry.tables() * 4;
    match geometry.directory.checked_add(len) {
        Some(end) if end <= storage.size() => Ok(()),
        _ => Err(format!(
            "the grain directory ({len} bytes at {}) ends past the end of the file ({} bytes)",
            geometry.directory,
            storage.size()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_parsed_again() {
        let header = SparseHeader {
            version: 0x0101_0101,
            flags: 0x0202_0202,
            capacity: 3 << 50,
            grain_size: 4 << 50,
            descriptor_offset: 5 << 50,
            descriptor_size: 6 << 50,
            gtes_per_gt: 0x0707_0707,
            rgd_offset: 8 << 50,
            gd_offset: 9 << 50,
            overhead: 10 << 50,
            unclean_shutdown: 11,
            newlines: [12, 13, 14, 15],
            compression: 0x1616,
        };
        let mut sector = header.encode();
        assert_eq!(SparseHeader::parse(&sector), Some(header));
        sector[0] = b'k';
        assert_eq!(SparseHeader::parse(&sector), None);
    }
}
