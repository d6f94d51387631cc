//! New images.

mod sparse;
mod stream;

use std::io;
use std::path::Path;

use super::header::SparseHeader;
use super::spec;
use crate::SECTOR;
use crate::error::LayoutError;
use crate::storage::Storage;

pub use sparse::{NewSparse, create_sparse};
pub use stream::{NewStream, create_stream};

/// The size of a grain in bytes: what VMware's products and QEMU take.
const GRAIN: u64 = 64 << 10;
/// A grain table in bytes.
const TABLE: u64 = spec::GTES * 4;
/// How much of the disk a grain table covers, in bytes.
const COVERAGE: u64 = GRAIN * spec::GTES;
/// Where the embedded descriptor is, in sectors.
const DESCRIPTOR_AT: u64 = 1;
/// How much room it has, in sectors.
const DESCRIPTOR_LEN: u64 = 20;
/// The most that is written at a time of tables that may be long, in bytes.
const CHUNK: usize = 64 << 10;

/// The fields that both kinds of new images have alike.
fn header(size: u64) -> SparseHeader {
    SparseHeader {
        version: 1,
        flags: spec::FLAG_NEWLINES,
        capacity: size / SECTOR,
        grain_size: GRAIN / SECTOR,
        descriptor_offset: DESCRIPTOR_AT,
        descriptor_size: DESCRIPTOR_LEN,
        gtes_per_gt: 512,
        rgd_offset: 0,
        gd_offset: 0,
        overhead: GRAIN / SECTOR,
        unclean_shutdown: 0,
        newlines: spec::NEWLINES,
        compression: spec::COMPRESSION_NONE,
    }
}

/// The embedded descriptor, made up to the room that it has.
fn descriptor(storage: &dyn Storage, size: u64, cid: u32, create_type: &str, adapter: (&str, u64)) -> Vec<u8> {
    let name = storage.name();
    let name = Path::new(&name).file_name().map_or_else(|| "disk.vmdk".into(), |name| name.to_string_lossy());
    // What would end the name, or the line.
    let name = name.replace(|letter: char| letter == '"' || letter.is_control(), "_");
    let ((adapter, heads), sectors) = (adapter, size / SECTOR);
    let cylinders = sectors / (heads * 63);
    // The last number means that there is no image, where it stands as that of a parent.
    let cid = cid.min(spec::NO_PARENT - 1);
    let text = format!(
        "# Disk DescriptorFile\nversion=1\nCID={cid:08x}\nparentCID={none:08x}\ncreateType=\"{create_type}\"\n\n\
         # Extent description\nRW {sectors} SPARSE \"{name}\"\n\n\
         # The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"4\"\nddb.geometry.cylinders = \"{cylinders}\"\n\
         ddb.geometry.heads = \"{heads}\"\nddb.geometry.sectors = \"63\"\nddb.adapterType = \"{adapter}\"\n",
        none = spec::NO_PARENT
    );
    let mut bytes = text.into_bytes();
    // A file's name has at most 255 bytes, so it always fits.
    bytes.resize(usize::try_from(DESCRIPTOR_LEN * SECTOR).unwrap_or_default(), 0);
    bytes
}

/// Refuses sizes that are no whole number of sectors, or above `most`. Nothing at all is refused, too: a capacity of 0 in the
/// header says that the disk is elsewhere, and QEMU and others do not open such images.
fn check_size(size: u64, most: u64, kind: &str) -> Result<(), LayoutError> {
    if size.is_multiple_of(SECTOR) && (SECTOR..=most).contains(&size) {
        return Ok(());
    }
    Err(LayoutError::Unsupported {
        what: format!(
            "a {kind} VMDK of {size} bytes cannot be made (it has whole sectors, at least one and at most {} of them)",
            most / SECTOR
        ),
        remedy: "give another size, or make a qcow2 image",
    })
}

/// Blocks in ascending order, and the grain table that is being filled.
#[derive(Debug)]
struct Order {
    size: u64,
    /// Where the next block may begin, on the disk.
    next: u64,
    /// Which table is being filled.
    table: u64,
    /// Its entries; all zero if there are none yet.
    entries: Vec<u8>,
}

impl Order {
    fn new(size: u64) -> Self {
        Self { size, next: 0, table: 0, entries: vec![0; 512 * 4] }
    }

    /// Notes that the block at `offset` is put; returns its table's number.
    fn take(&mut self, offset: u64) -> io::Result<u64> {
        if offset < self.next || offset >= self.size || !offset.is_multiple_of(GRAIN) {
            let text = format!("the block at {offset} is not where one may follow");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.next = offset + GRAIN;
        Ok(offset / COVERAGE)
    }

    /// The table that was filled so far and its number, if it has entries; the next one is `table`.
    fn turn(&mut self, table: u64) -> Option<(u64, Vec<u8>)> {
        let number = std::mem::replace(&mut self.table, table);
        let is_empty = self.entries.iter().all(|byte| *byte == 0);
        (!is_empty).then(|| (number, std::mem::replace(&mut self.entries, vec![0; 512 * 4])))
    }

    /// Notes that the block at `offset`, of the table that is being filled, is in the file at `place`.
    fn set(&mut self, offset: u64, place: u64) -> io::Result<()> {
        let sector = sector(place)?;
        let index = usize::try_from(offset / GRAIN % spec::GTES).map_err(io::Error::other)?;
        let entry = self.entries.get_mut(index * 4..).and_then(|rest| rest.first_chunk_mut());
        *entry.ok_or(io::ErrorKind::InvalidInput)? = sector.to_le_bytes();
        Ok(())
    }
}

/// A place in the file, as tables have it.
fn sector(place: u64) -> io::Result<u32> {
    u32::try_from(place / SECTOR)
        .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, "a VMDK cannot have more than 2 TiB in one file"))
}
