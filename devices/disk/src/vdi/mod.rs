//! VDI: VirtualBox's virtual disk image, versions 1.x ("All about VDIs" and the format's description in VirtualBox).
//!
//! * `header`: the sizes, and where the table is.
//! * `layout`: the table of blocks. Fixed images have one as well, in which all blocks are there.
//!
//! A differencing image names its parent by a UUID only, which is looked up in VirtualBox's registry of media: there is no
//! such thing here, so these are refused.
//!
//! The crate `vdi` on the registry is not maintained and reads through one seeking file, by one thread at a time.

mod header;
mod layout;
mod spec;
#[cfg(any(test, feature = "test-support"))]
pub mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::error::LayoutError;
use crate::image::layout::Layer;
use crate::storage::Storage;
use header::Header;
use layout::Blocks;

/// Whether a file that begins with `head` says that it is one: by the signature behind the text that it begins with.
#[must_use]
pub fn is_magic(head: &[u8]) -> bool {
    spec::field(head, spec::SIGNATURE) == spec::MAGIC.to_le_bytes()
}

/// Reads the header of an image.
///
/// # Errors
/// [`LayoutError::Damaged`] where a field cannot be, [`LayoutError::Unsupported`] for other versions and images with a
/// parent.
pub fn read(storage: Arc<dyn Storage>) -> Result<Layer, LayoutError> {
    let header = Header::read(storage.as_ref())?;
    Ok(Layer { layout: Arc::new(Blocks::new(storage, header)), parent: None })
}
