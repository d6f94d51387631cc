//! From a path, or any storage, to an [`Image`] with all that is below it.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use crate::error::LayoutError;
use crate::image::Image;
use crate::image::layout::{Layer, Parent};
use crate::packing::{self, Options};
use crate::raw::Raw;
use crate::storage::{Alone, FileStorage, Folder, Neighbours, Storage};
use crate::{Access, Format, OpenError, OpenErrorKind, SECTOR, qcow2, vdi, vhd, vhdx, vmdk};

/// The longest chain of images.
pub const MAX_DEPTH: usize = 32;

/// Opens the image at `path`, with all that is below it.
///
/// `declared` says what its format is; without it, the ending of its name does. The bytes must confirm it: only a format
/// that was declared by the caller to be raw is taken to be so whatever the bytes are. Never waits: a file that another VM
/// holds is an error at once.
///
/// # Errors
/// [`OpenError`] names the path, the cause and a remedy.
pub fn open(path: &Path, declared: Option<Format>, access: Access) -> Result<Arc<Image>, OpenError> {
    open_with(path, &Options { format: declared, ..Options::new(access) })
}

/// Opens the image at `path`, with all that is below it; see [`open`], and [`packing`] for files that are compressed or cut
/// into chunks.
///
/// # Errors
/// As [`open`].
pub fn open_with(path: &Path, options: &Options) -> Result<Arc<Image>, OpenError> {
    let packing::Opened { storage, name, medium } = packing::open(path, options)?;
    let format = settle_named(path, &name, storage.as_ref(), options.format)?;
    let neighbours: Arc<dyn Neighbours> = match format {
        Format::Raw => Arc::new(Alone),
        _ => Arc::new(Folder::open(path.parent().unwrap_or(Path::new("")))?),
    };
    let image = open_storage(storage, &neighbours, format, options.access)?;
    Ok(match Arc::try_unwrap(image) {
        Ok(image) => Arc::new(image.on_medium(medium)),
        Err(image) => image,
    })
}

/// Opens the image at `path` for reading, with `below`, which lies at `base`, in place of what it names as the image below
/// it.
///
/// # Errors
/// As [`open`]; also when it stands alone, or was made on another image than `below`: where the format has no mark that
/// tells, on one of another name.
pub fn open_above(
    path: &Path,
    declared: Option<Format>,
    base: &Path,
    below: Arc<Image>,
) -> Result<Arc<Image>, OpenError> {
    let options = Options { format: declared, ..Options::new(Access::ReadOnly) };
    let packing::Opened { storage, name, .. } = packing::open(path, &options)?;
    let format = settle_named(path, &name, storage.as_ref(), declared)?;
    let neighbours = Folder::open(path.parent().unwrap_or(Path::new("")))?;
    let layer = read_layer(storage, &neighbours, format).map_err(|error| OpenError::from_layout(path, error))?;
    let parent = layer.parent.ok_or_else(|| OpenError::new(path, OpenErrorKind::StandsAlone))?;
    let is_it = match parent.stamp {
        Some(_) => parent.stamp == below.layout().stamp(),
        None => parent.is_named(base),
    };
    if !is_it {
        return Err(OpenError::new(path, OpenErrorKind::OtherParent { parent: base.display().to_string() }));
    }
    Ok(Arc::new(Image::fixed(layer.layout, Some(below)).with_format(format)))
}

/// Whether the image at `path`, of the format that `declared` or its name says, is of a kind that is changed in place.
///
/// # Errors
/// As [`open`]; nothing is locked.
pub fn is_changed_in_place(path: &Path, declared: Option<Format>) -> Result<bool, OpenError> {
    match declared.or(Format::of_name(path)) {
        _ if packing::is_packed(path, declared) => Ok(false),
        Some(Format::Raw) => Ok(true),
        declared => {
            let storage = FileStorage::open(path, Access::ReadOnly)?;
            Ok(matches!(settle(path, &storage, declared)?, Format::Raw | Format::Qcow2))
        }
    }
}

/// Opens the image whose bytes are `storage`, with all that is below it, which comes from `neighbours`. Of all these, only
/// `storage` is ever changed, and only with [`Access::ReadWrite`].
///
/// # Errors
/// As [`open`].
pub fn open_storage(
    storage: Arc<dyn Storage>,
    neighbours: &Arc<dyn Neighbours>,
    format: Format,
    access: Access,
) -> Result<Arc<Image>, OpenError> {
    let name = storage.name();
    let path = Path::new(&name);
    let read_write = access == Access::ReadWrite;
    match format {
        Format::Raw if read_write => {
            let size = storage.size();
            if !size.is_multiple_of(SECTOR) {
                return Err(OpenError::new(path, OpenErrorKind::OddSize(size)));
            }
            Ok(Arc::new(Image::changeable(Arc::new(Raw::new(storage)), None)))
        }
        Format::Qcow2 if read_write => {
            let (layout, parent) =
                qcow2::open_changeable(storage).map_err(|error| OpenError::from_layout(path, error))?;
            let below = match &parent {
                Some(parent) => Some(open_parent(parent, path, neighbours, MAX_DEPTH - 1)?),
                None => None,
            };
            Ok(Arc::new(Image::changeable(layout, below).with_format(format)))
        }
        _ if read_write => Err(OpenError::new(
            path,
            OpenErrorKind::Unsupported {
                what: format!("{format} images are not written in place"),
                remedy: "attach it read-only",
            },
        )),
        _ => open_chain(storage, neighbours, format, MAX_DEPTH),
    }
}

/// Opens the image whose bytes are `storage` for reading, with `below` under it: somebody else than the image says that it
/// holds what was changed there, such as the descriptor of a package. What the image itself calls the one below it is not
/// looked for; only a mark by which it knows that one again must agree, where it has one.
///
/// # Errors
/// As [`open`]; also when it is of a format that cannot leave anything to another image, when it was made on another image
/// than `below`, and when the chain is longer than [`MAX_DEPTH`].
pub fn open_storage_above(
    storage: Arc<dyn Storage>,
    neighbours: &Arc<dyn Neighbours>,
    format: Format,
    below: Arc<Image>,
) -> Result<Arc<Image>, OpenError> {
    let name = storage.name();
    let path = Path::new(&name);
    if format == Format::Raw {
        let what = "it is a raw image, which holds a whole disk and not what was changed on another".to_owned();
        let remedy = "get it anew from its maker, as a VMDK, qcow2, VHD, VHDX or VDI image";
        return Err(OpenError::new(path, OpenErrorKind::Unsupported { what, remedy }));
    }
    if below.depth() + 1 >= MAX_DEPTH {
        return Err(OpenError::new(path, OpenErrorKind::EndlessChain));
    }
    let layer =
        read_layer(storage, neighbours.as_ref(), format).map_err(|error| OpenError::from_layout(path, error))?;
    let stamp = layer.parent.and_then(|parent| parent.stamp);
    if stamp.is_some() && below.layout().stamp() != stamp {
        let parent = below.layout().storages().first().map(|storage| storage.name()).unwrap_or_default();
        return Err(OpenError::new(path, OpenErrorKind::OtherParent { parent }));
    }
    Ok(Arc::new(Image::fixed(layer.layout, Some(below)).with_format(format)))
}

/// The format of the image in `storage`, of a file called `name`: what somebody `declared`, or the ending of the name says,
/// which the bytes must confirm.
///
/// # Errors
/// When they do not, and when nothing says what it is.
pub fn settle_format(storage: &dyn Storage, name: &Path, declared: Option<Format>) -> Result<Format, OpenError> {
    let shown = storage.name();
    settle_named(Path::new(&shown), name, storage, declared)
}

/// Opens an image, and those below it, for reading.
fn open_chain(
    storage: Arc<dyn Storage>,
    neighbours: &Arc<dyn Neighbours>,
    format: Format,
    depth: usize,
) -> Result<Arc<Image>, OpenError> {
    let name = storage.name();
    let path = Path::new(&name);
    let layer =
        read_layer(storage, neighbours.as_ref(), format).map_err(|error| OpenError::from_layout(path, error))?;
    let below = match &layer.parent {
        Some(parent) if depth > 0 => Some(open_parent(parent, path, neighbours, depth - 1)?),
        Some(_) => return Err(OpenError::new(path, OpenErrorKind::EndlessChain)),
        None => None,
    };
    Ok(Arc::new(Image::fixed(layer.layout, below).with_format(format)))
}

/// Opens what an image names as the one below it, by the first name under which there is something.
pub(crate) fn open_parent(
    parent: &Parent,
    child: &Path,
    neighbours: &Arc<dyn Neighbours>,
    depth: usize,
) -> Result<Arc<Image>, OpenError> {
    let mut result = Err(OpenError::new(child, OpenErrorKind::OtherParent { parent: String::new() }));
    for name in &parent.names {
        match neighbours.open(name) {
            Err(error) => {
                // The first refusal says most; but what is missing may lie under another name.
                if result.is_err()
                    && !matches!(&result, Err(e) if matches!(e.kind(), OpenErrorKind::Outside | OpenErrorKind::Link))
                {
                    result = Err(error);
                }
            }
            Ok(neighbour) => {
                let format = settle_parent(Path::new(name), neighbour.storage.as_ref(), parent.format)?;
                let image = open_chain(neighbour.storage, &neighbour.neighbours, format, depth)?;
                if parent.stamp.is_some() && image.layout().stamp() != parent.stamp {
                    return Err(OpenError::new(child, OpenErrorKind::OtherParent { parent: name.clone() }));
                }
                return Ok(image);
            }
        }
    }
    result
}

/// Reads the header of one image.
fn read_layer(storage: Arc<dyn Storage>, neighbours: &dyn Neighbours, format: Format) -> Result<Layer, LayoutError> {
    match format {
        Format::Raw => Ok(Layer { layout: Arc::new(Raw::new(storage)), parent: None }),
        Format::Vmdk => vmdk::read(storage, neighbours),
        Format::Qcow2 => qcow2::read(storage),
        Format::Vhd => vhd::read(storage),
        Format::Vhdx => vhdx::read(storage),
        Format::Vdi => vdi::read(storage),
    }
}

/// The format of the image at `path`.
pub(crate) fn settle(path: &Path, storage: &dyn Storage, declared: Option<Format>) -> Result<Format, OpenError> {
    settle_named(path, path, storage, declared)
}

/// The format of the image at `path`, of whose name no more than `name` says something about it.
fn settle_named(
    path: &Path,
    name: &Path,
    storage: &dyn Storage,
    declared: Option<Format>,
) -> Result<Format, OpenError> {
    if declared == Some(Format::Raw) {
        return Ok(Format::Raw);
    }
    let found = Format::of_bytes(storage).map_err(|error| OpenError::from_io(path, error))?;
    // A block device has no ending, and its bytes are what they are.
    let is_device = || path.metadata().is_ok_and(|metadata| metadata.file_type().is_block_device());
    let named = || Format::of_name(name).or_else(|| is_device().then_some(Format::Raw));
    match (declared.or_else(named), found) {
        // By its name only: a guest may have written any header there, so somebody has to say which it is.
        (Some(Format::Raw), None) => Ok(Format::Raw),
        (_, None) if storage.size() == 0 => Err(OpenError::empty(path)),
        (declared, found) => confirm(path, declared, found),
    }
}

/// The format of an image below another: declared by the upper one, or said by its bytes.
fn settle_parent(path: &Path, storage: &dyn Storage, declared: Option<Format>) -> Result<Format, OpenError> {
    if declared == Some(Format::Raw) {
        return Ok(Format::Raw);
    }
    let found = Format::of_bytes(storage).map_err(|error| OpenError::from_io(path, error))?;
    confirm(path, declared, found)
}

/// The format that was found, if it is the one that was declared.
fn confirm(path: &Path, declared: Option<Format>, found: Option<Format>) -> Result<Format, OpenError> {
    match (declared, found) {
        (Some(declared), found) if found != Some(declared) => {
            Err(OpenError::new(path, OpenErrorKind::OtherFormat { declared, found }))
        }
        (_, Some(found)) => Ok(found),
        (_, None) => Err(OpenError::new(path, OpenErrorKind::Undeclared)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use vm_memory::VolatileSlice;

    use super::*;
    use crate::Disk;

    fn refusal(path: &Path, declared: Option<Format>) -> OpenErrorKind {
        let error = open(path, declared, Access::ReadOnly).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "the cause names the path: {error}");
        assert!(!error.remedy().is_empty());
        error.into_kind()
    }

    #[test]
    fn raw_images_are_opened_and_locked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        fs::write(&path, [1; 4096]).unwrap();
        let disk = open(&path, None, Access::ReadWrite).unwrap();
        assert_eq!((disk.size(), disk.is_read_only()), (4096, false));
        assert!(matches!(refusal(&path, None), OpenErrorKind::Locked));
    }

    #[test]
    fn an_odd_tail_reads_as_zero_and_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        fs::write(&path, [1; 1000]).unwrap();
        let error = open(&path, None, Access::ReadWrite).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::OddSize(1000)));
        assert!(error.remedy().contains("truncate -s 1024"), "{}", error.remedy());
        let disk = open(&path, None, Access::ReadOnly).unwrap();
        let mut bytes = [9; 1024];
        disk.read_at(0, &[VolatileSlice::from(&mut bytes[..])]).unwrap();
        assert_eq!(disk.size(), 1024);
        assert!(bytes[..1000].iter().all(|b| *b == 1) && bytes[1000..].iter().all(|b| *b == 0));
    }

    #[test]
    fn raw_is_never_a_guess() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        fs::write(&path, [1; 4096]).unwrap();
        assert!(matches!(refusal(&path, None), OpenErrorKind::Undeclared));
        open(&path, Some(Format::Raw), Access::ReadOnly).unwrap();
        let declared = refusal(&path, Some(Format::Vmdk));
        assert!(matches!(declared, OpenErrorKind::OtherFormat { declared: Format::Vmdk, found: None }));
    }
}
