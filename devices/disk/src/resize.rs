//! Making an image larger.

use std::path::Path;

use crate::error::LayoutError;
use crate::storage::{FileStorage, Storage};
use crate::{Access, Format, OpenError, OpenErrorKind, SECTOR, open};

/// Makes the disk of the image at `path` `size` bytes long, a multiple of 512; what is new reads as zero.
///
/// # Errors
/// When the image is of a format that is not changed in place, or already larger: what would be cut off cannot be brought
/// back, so that is left to those who copy the image first.
pub fn resize(path: &Path, declared: Option<Format>, size: u64) -> Result<(), OpenError> {
    let refuse = |what: String, remedy| Err(OpenError::new(path, OpenErrorKind::Unsupported { what, remedy }));
    if !size.is_multiple_of(SECTOR) {
        return refuse(format!("a disk of {size} bytes cannot be made"), "give a size that is a multiple of 512 bytes");
    }
    let storage = FileStorage::open(path, Access::ReadWrite)?;
    let format = open::settle(path, &storage, declared)?;
    let result = match format {
        Format::Raw if size < storage.size() => {
            return refuse(
                format!("it has {} bytes, and would lose some", storage.size()),
                "images are only made larger; to cut a raw one off, use truncate",
            );
        }
        Format::Raw => storage.set_size(size).and_then(|()| storage.flush()).map_err(LayoutError::from),
        other => return refuse(format!("{other} images are not resized"), "convert it to qcow2 or raw first"),
    };
    result.map_err(|error| OpenError::from_layout(path, error))
}
