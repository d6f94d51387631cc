//! VHD: Connectix's and Microsoft's virtual hard disk ("Virtual Hard Disk Image Format Specification", version 1.0, 2006).
//!
//! * `footer`: the 512 bytes at the end of every image, which say what it is; dynamic images have a copy at the front.
//! * `fixed`: images that are the disk's bytes and a footer.
//! * `header`, `dynamic`: images whose blocks are found by a table; a differencing image has a bitmap of sectors for each.
//! * `parent`: what a differencing image says of the one below it.
//! * [`create_dynamic`]: new images.
//!
//! The crate `vhd` on the registry is read-only, for forensics, and has an interface of its own that copies: ours maps.

mod bits;
mod create;
mod dynamic;
mod fixed;
mod footer;
mod header;
mod names;
mod parent;
mod spec;
#[cfg(any(test, feature = "test-support"))]
pub mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::error::LayoutError;
use crate::image::layout::Layer;
use crate::storage::Storage;
use dynamic::Dynamic;
use fixed::Fixed;
use footer::{Footer, Kind};
use header::Header;

// VHDX has bitmaps and names of parents like these.
pub(crate) use bits::{Order, sector_run};
pub use create::create_dynamic;
pub(crate) use names::{add_windows, utf16};

/// Whether a file that begins with `head` and ends with `tail` says that it is one: by the footer at its end, of 512 bytes
/// or, from the oldest programs, 511; or by the copy of the footer at its front.
#[must_use]
pub fn is_magic(head: &[u8], tail: &[u8]) -> bool {
    let at_end = |len| tail.len().checked_sub(len).and_then(|at| tail.get(at..));
    let begins = |bytes: Option<&[u8]>| bytes.is_some_and(|bytes| bytes.starts_with(&spec::FOOTER_COOKIE));
    begins(at_end(spec::FOOTER_SIZE)) || begins(at_end(spec::OLD_FOOTER_SIZE)) || begins(Some(head))
}

/// Reads the footer of an image and, if it has one, the header of its table.
///
/// # Errors
/// [`LayoutError::Damaged`] where a field cannot be, [`LayoutError::Unsupported`] for another version.
pub fn read(storage: Arc<dyn Storage>) -> Result<Layer, LayoutError> {
    let footer = Footer::find(storage.as_ref())?;
    if footer.kind == Kind::Fixed {
        return Ok(Layer { layout: Arc::new(Fixed::new(storage, footer)?), parent: None });
    }
    let header = Header::read(storage.as_ref(), &footer)?;
    let parent = match footer.kind {
        Kind::Differencing => Some(parent::read(storage.as_ref(), &header)?),
        _ => None,
    };
    Ok(Layer { layout: Arc::new(Dynamic::new(storage, footer, &header)), parent })
}
