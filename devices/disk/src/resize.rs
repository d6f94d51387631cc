//! Making an image larger.

use std::io;
use std::path::Path;

use crate::{Access, Disk, Format, OpenError, OpenErrorKind, SECTOR, is_changed_in_place, open};

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
    if !is_changed_in_place(path, declared)? {
        return refuse("images of its format are not resized".into(), "convert it to qcow2 or raw first");
    }
    let image = open(path, declared, Access::ReadWrite)?;
    if size < image.size() {
        return refuse(
            format!("its disk has {} bytes, and would lose some", image.size()),
            "images are only made larger: to cut one off, make a smaller one and copy what you need",
        );
    }
    match image.grow(size).and_then(|()| image.close()) {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge) => {
            refuse(error.to_string(), "give a smaller size, or convert it to another format or file system first")
        }
        result => result.map_err(|error| OpenError::from_io(path, error)),
    }
}
