//! qcow2, QEMU's copy-on-write images: all of versions 2 and 3 is read, version 3 is written in place. It is also the format of
//! Ovum's own overlays.
//!
//! * [`read`]: an image that is only read. [`open_changeable`]: one that is written, see `in_place.rs` for how it survives a
//!   crash. [`create`]: a new one, empty or above another.
//! * `header.rs`, `extensions.rs`: what an image says of itself. `lookup.rs`, `entry.rs`, `packed.rs`: from the disk to the file.
//! * `cache.rs`, `space.rs`, `counts.rs`, `walk.rs`: tables that change, free clusters, and the counting that finds them.
//! * `change.rs`, `clear.rs`, `grow.rs`, `head.rs`: the changes.
//!
//! The crate imago reads and writes qcow2 too, but its storages and chains of images are traits of its own (async at heart), and
//! it has neither zstd nor a check: behind our seams, which five other formats need as well, it would have been one more storage
//! layer to translate to, and not less code.

mod cache;
mod change;
mod check;
mod clear;
mod counts;
mod entry;
mod extensions;
mod grow;
mod head;
mod header;
mod in_place;
mod layer;
mod lookup;
mod packed;
mod space;
mod spec;
mod walk;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::error::LayoutError;
use crate::image::Changeable;
use crate::image::layout::{Layer, Parent};
use crate::storage::{Storage, write_bytes};
use crate::{Format, SECTOR};

use header::L1;
use in_place::InPlace;

/// Whether a file that begins with `head` says that it is one.
#[must_use]
pub fn is_magic(head: &[u8]) -> bool {
    head.starts_with(&spec::MAGIC)
}

/// Reads the header of an image.
///
/// # Errors
/// [`LayoutError`].
pub fn read(storage: Arc<dyn Storage>) -> Result<Layer, LayoutError> {
    let layer = layer::Fixed::read(storage)?;
    let parent = layer.header().parent();
    Ok(Layer { layout: Arc::new(layer), parent })
}

/// Opens an image to change it in place, and counts its clusters: an image that somebody was killed over is mended. What is
/// changed is there for others only after [`Changeable::flush`], and their refcounts only after [`Changeable::close`].
///
/// # Errors
/// [`LayoutError::Unsupported`] for version 2, extended L2 entries, internal snapshots, bitmaps, images that are marked as
/// corrupt and disks that end inside a sector; damage, also where it does not keep anybody from reading the image.
pub fn open_changeable(storage: Arc<dyn Storage>) -> Result<(Arc<dyn Changeable>, Option<Parent>), LayoutError> {
    let layer = InPlace::open(storage)?;
    let parent = layer.header.parent();
    Ok((Arc::new(layer), parent))
}

/// How a new image is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The length of a cluster in bytes: a power of two from 512 to 2 MiB.
    pub cluster_size: u32,
    /// The image below: its name as seen from the new one, and its format. Without a format, nobody takes it for raw.
    pub backing: Option<(String, Option<Format>)>,
}

impl Default for Options {
    /// Clusters of 64 KiB, and nothing below.
    fn default() -> Self {
        Self { cluster_size: 64 << 10, backing: None }
    }
}

/// Makes an empty image of `size` bytes of disk in `storage`, whatever that holds, and opens it. It is whole on stable storage
/// when this returns.
///
/// # Errors
/// [`LayoutError::Unsupported`] when the disk is not whole sectors or too large for its clusters, or the backing file's name
/// for the header; whatever the storage says.
pub fn create(storage: Arc<dyn Storage>, size: u64, options: &Options) -> Result<Arc<dyn Changeable>, LayoutError> {
    let unsupported = |what: String, remedy| Err(LayoutError::Unsupported { what, remedy });
    let cluster_bits = options.cluster_size.checked_ilog2().unwrap_or(0);
    if !options.cluster_size.is_power_of_two() || !spec::CLUSTER_BITS.contains(&cluster_bits) {
        let what = format!("clusters of {} bytes cannot be made", options.cluster_size);
        return unsupported(what, "take a power of two from 512 to 2097152");
    }
    let cluster = u64::from(options.cluster_size);
    if !size.is_multiple_of(SECTOR) {
        return unsupported(
            format!("a disk of {size} bytes cannot be made"),
            "give a size that is a multiple of 512 bytes",
        );
    }
    let entries = size.div_ceil(cluster / spec::ENTRY * cluster);
    let Some(entries) = u32::try_from(entries).ok().filter(|n| u64::from(*n) <= spec::MAX_L1 / spec::ENTRY) else {
        let what = format!("a disk of {size} bytes is too large for clusters of {cluster} bytes");
        return unsupported(what, "make a smaller disk");
    };
    let backing = options.backing.as_ref().map(|(name, format)| (name.as_str(), *format));
    if let Some((name, _)) = backing {
        // What could not be read again is not written.
        extensions::plain_name(name.as_bytes())?;
    }
    let head = head::new(size, cluster_bits, L1 { offset: cluster, entries }, backing)?;
    storage.set_size(0)?;
    // An L1 table of zeroes, and at least as much as a reader looks at.
    storage.set_size(cluster + (u64::from(entries) * spec::ENTRY).next_multiple_of(cluster))?;
    write_bytes(storage.as_ref(), 0, &head)?;
    let layer = InPlace::open(storage)?;
    layer.settle()?;
    Ok(Arc::new(layer))
}
