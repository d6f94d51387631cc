//! Writes small images of ISO 9660 (ECMA-119) with Rock Ridge (IEEE P1282, RRIP_1991A over SUSP), so that a guest finds a few
//! files by their own names, in small letters and with hyphens.
//!
//! ```text
//! sector 0      16        17        18        19        20 ...
//! nothing       volume    end of    paths,    paths,    folders, then files, each
//!               (PVD)     volumes   little e. big e.    from a sector's start
//! ```
//!
//! Linux reads the Rock Ridge names wherever it reads ISO 9660 at all; who knows only ECMA-119 finds `OVF_ENV.XML` (level 2
//! names, which cloud-init looks for as well). The same calls give the same bytes: there is no time in an image but
//! [`TIME`].

mod records;
mod tree;

use thiserror::Error;

use self::tree::Tree;

/// Bytes of a sector, and of a block.
const SECTOR: usize = 2048;
/// Sectors before the volume descriptors, for the use of others.
const SYSTEM_AREA: usize = 16;
/// The first sector of the folders. Each path table has one sector before it.
const FIRST_FOLDER: usize = SYSTEM_AREA + 4;

/// The largest image, in bytes. It is held in memory.
pub const MAX_IMAGE: usize = 64 << 20;
/// The most files in an image.
pub const MAX_FILES: usize = 1024;
/// The most folders in an image, the root among them: so many fit in a path table of one sector.
pub const MAX_FOLDERS: usize = 56;
/// The longest name of a file or folder, in bytes: what is sure to fit in one directory record.
pub const MAX_NAME: usize = 128;
/// The deepest that a file lies: the root is 1 (ECMA-119, 6.8.2.1).
pub const MAX_DEPTH: usize = 8;
/// The longest label, in bytes.
pub const MAX_LABEL: usize = 32;

/// Why an image was not made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IsoError {
    /// A label that is empty, too long, or not printable ASCII.
    #[error("\"{0}\" cannot be a volume's label")]
    Label(String),
    /// A path that leads elsewhere, or has a part that is empty, too long or unprintable.
    #[error("\"{path}\" cannot be a file's path in an ISO image: {reason}")]
    Path {
        /// The path, shortened.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More than fits.
    #[error(
        "the files are too many or too big for an ISO image of {MAX_IMAGE} bytes, {MAX_FILES} files and {MAX_FOLDERS} folders"
    )]
    TooBig,
}

impl IsoError {
    /// One line that says what to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Label(_) => format!("use at most {MAX_LABEL} printable characters of ASCII"),
            Self::Path { .. } => format!(
                "use a relative path of at most {MAX_DEPTH} parts, each of at most {MAX_NAME} bytes, without . and .."
            ),
            Self::TooBig => "give the guest less data this way, or put it on a disk of its own".to_owned(),
        }
    }
}

/// An image of a volume with this label and these files. A file's path may have folders in it (`ovffiles/setup/cfg.xml`), which
/// are made as they are needed.
///
/// # Errors
/// For a label or path that cannot be, two files of one path, and for more than [`MAX_IMAGE`] and [`MAX_FILES`] allow.
pub fn image(label: &str, files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, IsoError> {
    let printable = label.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if label.is_empty() || label.len() > MAX_LABEL || !printable {
        return Err(IsoError::Label(shortened(label)));
    }
    if files.len() > MAX_FILES {
        return Err(IsoError::TooBig);
    }
    let mut tree = Tree::default();
    for (path, bytes) in files {
        tree.add(path, bytes)?;
    }
    let places = tree.place(FIRST_FOLDER);
    if places.end > MAX_IMAGE / SECTOR {
        return Err(IsoError::TooBig);
    }
    let mut image = vec![0; SYSTEM_AREA * SECTOR];
    records::volume(&mut image, label, &tree, &places);
    records::terminator(&mut image);
    records::path_table(&mut image, &tree, &places, u32::to_le_bytes, u16::to_le_bytes);
    records::path_table(&mut image, &tree, &places, u32::to_be_bytes, u16::to_be_bytes);
    records::folders(&mut image, &tree, &places);
    for bytes in tree.contents() {
        image.extend_from_slice(bytes);
        pad(&mut image);
    }
    Ok(image)
}

/// How many sectors hold `length` bytes.
const fn sectors(length: usize) -> usize {
    length.div_ceil(SECTOR)
}

/// Fills the last sector up.
fn pad(image: &mut Vec<u8>) {
    image.resize(sectors(image.len()) * SECTOR, 0);
}

/// A text as it may stand in a message.
fn shortened(text: &str) -> String {
    crate::ovf::units::shown(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
pub(super) mod tests;
