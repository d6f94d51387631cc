//! Changes of the header, each of them one write inside of its first sector.

use std::io;

use super::header::{L1, RefcountTable};
use super::spec::{self, at, extension};
use crate::Format;
use crate::error::LayoutError;
use crate::storage::{Storage, read_bytes, write_bytes};

/// Bytes of a header, by their places in it.
struct Field<'b>(u64, &'b [u8]);

/// Changes `fields`, which lie from `start` to `end` of the header.
fn change(storage: &dyn Storage, start: u64, end: u64, fields: &[Field<'_>]) -> io::Result<()> {
    let mut bytes = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
    read_bytes(storage, start, &mut bytes)?;
    fields.iter().for_each(|Field(at, field)| put(&mut bytes, at - start, field));
    write_bytes(storage, start, &bytes)
}

fn put(bytes: &mut [u8], at: u64, field: &[u8]) {
    let place = bytes.iter_mut().skip(usize::try_from(at).unwrap_or(usize::MAX));
    place.zip(field).for_each(|(to, from)| *to = *from);
}

fn incompatible(storage: &dyn Storage) -> io::Result<u64> {
    let mut bytes = [0; 8];
    read_bytes(storage, at::INCOMPATIBLE_FEATURES, &mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}

/// Says that the refcounts are wrong, and that nothing is kept up to date that Ovum does not know.
pub fn mark_dirty(storage: &dyn Storage) -> io::Result<()> {
    let features = incompatible(storage)? | spec::DIRTY;
    let fields = [Field(at::INCOMPATIBLE_FEATURES, &features.to_be_bytes()), Field(at::AUTOCLEAR_FEATURES, &[0; 8])];
    change(storage, at::INCOMPATIBLE_FEATURES, at::REFCOUNT_ORDER, &fields)
}

/// Says that the refcounts are right, and where they are.
pub fn mark_clean(storage: &dyn Storage, table: RefcountTable) -> io::Result<()> {
    let features = incompatible(storage)? & !spec::DIRTY;
    let fields = [
        Field(at::REFCOUNT_TABLE_OFFSET, &table.offset.to_be_bytes()),
        Field(at::REFCOUNT_TABLE_CLUSTERS, &table.clusters.to_be_bytes()),
        Field(at::INCOMPATIBLE_FEATURES, &features.to_be_bytes()),
    ];
    change(storage, at::REFCOUNT_TABLE_OFFSET, at::REFCOUNT_ORDER, &fields)
}

/// Says how long the disk is, and where its L1 table.
pub fn set_size(storage: &dyn Storage, size: u64, l1: L1) -> io::Result<()> {
    let fields = [
        Field(at::SIZE, &size.to_be_bytes()),
        Field(at::L1_SIZE, &l1.entries.to_be_bytes()),
        Field(at::L1_TABLE_OFFSET, &l1.offset.to_be_bytes()),
    ];
    change(storage, at::SIZE, at::REFCOUNT_TABLE_OFFSET, &fields)
}

/// The first cluster of a new image, which has no refcounts yet.
///
/// # Errors
/// [`LayoutError::Unsupported`] when the name of the backing file does not fit.
pub fn new(
    size: u64,
    cluster_bits: u32,
    l1: L1,
    backing: Option<(&str, Option<Format>)>,
) -> Result<Vec<u8>, LayoutError> {
    let mut bytes = vec![0; spec::HEADER];
    put(&mut bytes, 0, &spec::MAGIC);
    put(&mut bytes, at::VERSION, &3_u32.to_be_bytes());
    put(&mut bytes, at::CLUSTER_BITS, &cluster_bits.to_be_bytes());
    put(&mut bytes, at::SIZE, &size.to_be_bytes());
    put(&mut bytes, at::L1_SIZE, &l1.entries.to_be_bytes());
    put(&mut bytes, at::L1_TABLE_OFFSET, &l1.offset.to_be_bytes());
    put(&mut bytes, at::INCOMPATIBLE_FEATURES, &spec::DIRTY.to_be_bytes());
    put(&mut bytes, at::COMPATIBLE_FEATURES, &spec::LAZY_REFCOUNTS.to_be_bytes());
    put(&mut bytes, at::REFCOUNT_ORDER, &4_u32.to_be_bytes());
    put(&mut bytes, at::HEADER_LENGTH, &u32::try_from(spec::HEADER).unwrap_or(0).to_be_bytes());
    if let Some((name, format)) = backing {
        if let Some(format) = format.map(extension_name) {
            bytes.extend(extension::BACKING_FORMAT.to_be_bytes());
            bytes.extend(u32::try_from(format.len()).unwrap_or(0).to_be_bytes());
            bytes.extend(format.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes.extend([0; 8]);
        let len = u32::try_from(name.len()).unwrap_or(u32::MAX);
        let at_name = bytes.len() as u64;
        if len == 0 || len > spec::MAX_BACKING_NAME || at_name + u64::from(len) > 1 << cluster_bits {
            return Err(LayoutError::Unsupported {
                what: format!("a name of {len} bytes does not fit into the header"),
                remedy: "put the image nearer to the one below it, or give it a shorter name",
            });
        }
        put(&mut bytes, at::BACKING_FILE_OFFSET, &at_name.to_be_bytes());
        put(&mut bytes, at::BACKING_FILE_SIZE, &len.to_be_bytes());
        bytes.extend(name.as_bytes());
    }
    Ok(bytes)
}

/// What QEMU calls a format in the extension.
fn extension_name(format: Format) -> String {
    match format {
        Format::Vhd => "vpc".into(),
        other => other.to_string(),
    }
}
