//! Copy-on-write layers above images that are only read: kept in a qcow2 file, or discarded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::image::{Changeable, Image};
use crate::storage::{FileStorage, NewFile, SPILL_LIMIT, Spill, Storage};
use crate::{Access, Disk, Format, OpenError, OpenErrorKind, qcow2};

/// Makes the file `path`, an empty overlay above `below`, which lies at `base`. Its disk has `size` bytes, or as many as
/// `below` has.
///
/// # Errors
/// When something is at `path` already, or the host cannot write there.
pub fn create(path: &Path, base: &Path, below: &Image, size: Option<u64>) -> Result<(), OpenError> {
    let size = size.unwrap_or(below.size());
    let backing = Some((name_of(base, path)?, below.format()));
    let file = NewFile::create(path)?;
    let options = qcow2::Options { backing, ..qcow2::Options::default() };
    let layer = qcow2::create(file.storage(), size, &options).map_err(|error| OpenError::from_layout(path, error))?;
    layer.close().map_err(|error| OpenError::from_io(path, error))?;
    drop(layer);
    file.keep()
}

/// Opens the overlay `path`, which was made above the image at `base`, to be changed; `below` is that image.
///
/// # Errors
/// When it was not made above an image of that name, and whatever opening an image may meet.
pub fn open(path: &Path, base: &Path, below: Arc<Image>) -> Result<Arc<Image>, OpenError> {
    let storage: Arc<dyn Storage> = Arc::new(FileStorage::open(path, Access::ReadWrite)?);
    crate::open::settle(path, storage.as_ref(), Some(Format::Qcow2))?;
    let (layer, parent) = qcow2::open_changeable(storage).map_err(|error| OpenError::from_layout(path, error))?;
    let Some(parent) = parent else { return Err(OpenError::new(path, OpenErrorKind::StandsAlone)) };
    // Files are moved together, so folders may differ.
    if !parent.names.iter().any(|name| Path::new(name).file_name() == base.file_name()) {
        let parent = base.display().to_string();
        return Err(OpenError::new(path, OpenErrorKind::OtherParent { parent }));
    }
    Ok(above(layer, below))
}

/// An empty layer above `below` that is gone with the last reference to it. It is in memory as long as it is small; what is
/// more goes to a file without a name in the folder `scratch`.
///
/// # Errors
/// Never but for want of memory; the file is made when it is needed.
pub fn discarded(below: Arc<Image>, scratch: &Path) -> Result<Arc<Image>, OpenError> {
    let storage = Arc::new(Spill::new(scratch, SPILL_LIMIT));
    let layer = qcow2::create(storage, below.size(), &qcow2::Options::default())
        .map_err(|error| OpenError::from_layout(scratch, error))?;
    Ok(above(layer, below))
}

fn above(layer: Arc<dyn Changeable>, below: Arc<Image>) -> Arc<Image> {
    let medium = below.medium();
    let image = Image::changeable(layer, Some(below)).with_format(Format::Qcow2);
    Arc::new(image.on_medium(medium))
}

/// By what name the overlay at `path` finds its base: beside it, by the name alone, so that both can be moved; else from the
/// root.
fn name_of(base: &Path, path: &Path) -> Result<String, OpenError> {
    let io_error = |error| OpenError::from_io(base, error);
    let base = base.canonicalize().map_err(io_error)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = folder.canonicalize().map_err(|_| OpenError::new(path, OpenErrorKind::NoFolder))?;
    let name = match base.strip_prefix(&folder) {
        Ok(below) => below.to_owned(),
        Err(_) => PathBuf::from(&base),
    };
    name.into_os_string().into_string().map_err(|_| {
        OpenError::new(
            &base,
            OpenErrorKind::Unsupported {
                what: "its name is not UTF-8, and an overlay has to hold it".into(),
                remedy: "rename it",
            },
        )
    })
}
