//! VHDX: Microsoft's virtual hard disk, version 2 ([MS-VHDX], "Virtual Hard Disk v2 (VHDX) File Format").
//!
//! * `header`: two headers and two region tables, of which the newer or whole ones count.
//! * `log`, `replayed`: the changes that an image which was not closed still has in its log. They are put over the file in
//!   memory, so that it is read right and stays as it is.
//! * `metadata`, `parent`: sizes, and the image below.
//! * `layout`: the block allocation table, and the bitmaps of sectors of differencing images.
//!
//! The crate `vhdx` on the registry is a first version without logs and parents; `crc32c` would be a dependency for the few
//! lines of `checksum`, as no checksum here is in the way of reading.

mod check;
mod checksum;
mod header;
mod layout;
mod log;
mod metadata;
mod parent;
mod replayed;
mod spec;
#[cfg(any(test, feature = "test-support"))]
pub mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::error::{Damage, LayoutError};
use crate::image::layout::Layer;
use crate::storage::{Storage, read_array};
use header::{Header, Regions};
use layout::Blocks;
use metadata::Metadata;

/// Whether a file that begins with `head` says that it is one.
#[must_use]
pub fn is_magic(head: &[u8]) -> bool {
    head.starts_with(&spec::MAGIC)
}

/// Reads headers, log and metadata of an image.
///
/// # Errors
/// [`LayoutError::Damaged`] where a field cannot be, [`LayoutError::Unsupported`] for what only newer programs know.
pub fn read(storage: Arc<dyn Storage>) -> Result<Layer, LayoutError> {
    let header = Header::find(storage.as_ref())?;
    if !is_magic(&read_array::<8>(storage.as_ref(), 0)?) {
        return Err(Damage::new(storage.as_ref(), 0, "Signature", "it is not \"vhdxfile\"").into());
    }
    let creator: [u8; spec::CREATOR_SIZE] = read_array(storage.as_ref(), spec::CREATOR_AT)?;
    let creator = crate::vhd::utf16(creator.chunks_exact(2).map(|unit| spec::u16_at(unit, 0))).unwrap_or_default();
    let storage = log::replay(storage, &header)?;
    let regions = Regions::find(storage.as_ref())?;
    let metadata = Metadata::read(storage.as_ref(), regions.metadata)?;
    let parent = match metadata.parent {
        Some(locator) => Some(parent::read(storage.as_ref(), locator)?),
        None => None,
    };
    Ok(Layer { layout: Arc::new(Blocks::new(storage, header, regions, metadata, creator)?), parent })
}
