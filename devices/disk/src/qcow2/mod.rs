//! To be written.

use std::sync::Arc;

use crate::error::LayoutError;
use crate::image::layout::Layer;
use crate::storage::Storage;

/// Whether a file that begins with `head` says that it is one.
#[must_use]
pub fn is_magic(_head: &[u8]) -> bool {
    false
}

/// Reads the header of an image.
///
/// # Errors
/// [`LayoutError`].
pub fn read(storage: Arc<dyn Storage>) -> Result<Layer, LayoutError> {
    Err(LayoutError::Unsupported { what: storage.name(), remedy: "wait" })
}
