//! Copy-on-write layers above images that are only read: kept in a qcow2 file, or discarded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::image::layout::Parent;
use crate::image::{Changeable, Image};
use crate::storage::{FileStorage, NewFile, SPILL_LIMIT, Spill, Storage};
use crate::{Access, Disk, Format, OpenError, OpenErrorKind, packing, qcow2};

/// Makes the file `path`, an empty overlay above `below`, which lies at `base`. Its disk has `size` bytes, or as many as
/// `below` has.
///
/// # Errors
/// When something is at `path` already, or the host cannot write there.
pub fn create(path: &Path, base: &Path, below: &Image, size: Option<u64>) -> Result<(), OpenError> {
    let size = size.unwrap_or(below.size());
    // An overlay can say that its base is raw, but not that it is raw once it is unpacked. So it says nothing, and whoever
    // opens the overlay without naming the base is refused.
    let format = Some(below.format()).filter(|_| !packing::is_packed(base, None));
    make(path, size, Some((name_of(base, path)?, format)))
}

/// Makes the file `path`, an empty overlay of `size` bytes above an image that is no file of its own: a member of an archive,
/// say. It is called `base`, which should be no name that a program could take for that of a file.
///
/// # Errors
/// As [`create`].
pub fn create_above_member(path: &Path, base: &str, size: u64) -> Result<(), OpenError> {
    make(path, size, Some((base.to_owned(), None)))
}

/// Makes the file `path`, an empty disk of `size` bytes.
///
/// # Errors
/// As [`create`].
pub fn create_empty(path: &Path, size: u64) -> Result<(), OpenError> {
    make(path, size, None)
}

fn make(path: &Path, size: u64, backing: Option<(String, Option<Format>)>) -> Result<(), OpenError> {
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
    let (layer, parent) = open_layer(path)?;
    let Some(parent) = parent else { return Err(OpenError::new(path, OpenErrorKind::StandsAlone)) };
    if !parent.is_named(base) {
        let parent = base.display().to_string();
        return Err(OpenError::new(path, OpenErrorKind::OtherParent { parent }));
    }
    Ok(above(layer, below))
}

/// Opens the disk `path` that [`create_empty`] made, to be changed.
///
/// # Errors
/// When there is an image below it, and whatever opening an image may meet.
pub fn open_empty(path: &Path) -> Result<Arc<Image>, OpenError> {
    let (layer, parent) = open_layer(path)?;
    if let Some(parent) = parent {
        let parent = parent.names.first().cloned().unwrap_or_default();
        return Err(OpenError::new(path, OpenErrorKind::OtherParent { parent }));
    }
    Ok(Arc::new(Image::changeable(layer, None).with_format(Format::Qcow2)))
}

fn open_layer(path: &Path) -> Result<(Arc<dyn Changeable>, Option<Parent>), OpenError> {
    let storage: Arc<dyn Storage> = Arc::new(FileStorage::open(path, Access::ReadWrite)?);
    crate::open::settle(path, storage.as_ref(), Some(Format::Qcow2))?;
    qcow2::open_changeable(storage).map_err(|error| OpenError::from_layout(path, error))
}

/// An empty layer above `below` that is gone with the last reference to it. It is in memory as long as it is small; what is
/// more goes to a file without a name in the folder `scratch`.
///
/// # Errors
/// Never but for want of memory; the file is made when it is needed.
pub fn discarded(below: Arc<Image>, scratch: &Path) -> Result<Arc<Image>, OpenError> {
    Ok(above(spilling(below.size(), scratch)?, below))
}

/// A disk of `size` bytes that begins empty and is gone with the last reference to it; see [`discarded`].
///
/// # Errors
/// As [`discarded`].
pub fn discarded_empty(size: u64, scratch: &Path) -> Result<Arc<Image>, OpenError> {
    Ok(Arc::new(Image::changeable(spilling(size, scratch)?, None).with_format(Format::Qcow2)))
}

/// A disk of `size` bytes that is empty and stays so.
///
/// # Errors
/// As [`discarded`].
pub fn always_empty(size: u64, scratch: &Path) -> Result<Arc<Image>, OpenError> {
    Ok(Arc::new(Image::fixed(spilling(size, scratch)?, None)))
}

fn spilling(size: u64, scratch: &Path) -> Result<Arc<dyn Changeable>, OpenError> {
    let storage = Arc::new(Spill::new(scratch, SPILL_LIMIT));
    qcow2::create(storage, size, &qcow2::Options::default()).map_err(|error| OpenError::from_layout(scratch, error))
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

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;
    use vm_memory::VolatileSlice;

    use super::*;

    fn base(dir: &TempDir) -> (PathBuf, Arc<Image>) {
        let path = dir.path().join("base.img");
        fs::write(&path, vec![1; 1 << 20]).unwrap();
        let image = crate::open(&path, None, Access::ReadOnly).unwrap();
        (path, image)
    }

    fn write(image: &Image, offset: u64) {
        image.write_at(offset, &[VolatileSlice::from(&mut [2; 700][..])]).unwrap();
    }

    fn sum(image: &Image) -> u64 {
        let mut bytes = vec![0; 1 << 20];
        image.read_at(0, &[VolatileSlice::from(bytes.as_mut_slice())]).unwrap();
        bytes.iter().map(|byte| u64::from(*byte)).sum()
    }

    #[test]
    fn what_is_kept_is_found_again_and_the_base_is_not_changed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, below) = base(&dir);
        let overlay = dir.path().join("overlay.qcow2");
        create(&overlay, &path, &below, None).unwrap();
        let image = open(&overlay, &path, Arc::clone(&below)).unwrap();
        write(&image, 65_000);
        image.close().unwrap();
        drop(image);
        assert_eq!(sum(&open(&overlay, &path, Arc::clone(&below)).unwrap()), (1 << 20) + 700);
        assert_eq!(
            sum(&crate::open(&overlay, None, Access::ReadOnly).unwrap()),
            (1 << 20) + 700,
            "by the header's name"
        );
        assert_eq!(sum(&below), 1 << 20);
        assert!(matches!(create(&overlay, &path, &below, None).unwrap_err().kind(), OpenErrorKind::Exists));
        let error = open(&overlay, Path::new("elsewhere.img"), Arc::clone(&below)).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::OtherParent { .. }), "{error}");
        assert!(matches!(open(&path, &path, below).unwrap_err().kind(), OpenErrorKind::Locked));
    }

    #[test]
    fn what_is_written_to_a_member_of_an_archive_is_kept_for_it_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (_, below) = base(&dir);
        let overlay = dir.path().join("overlay.qcow2");
        create_above_member(&overlay, "a.ova#disk.vmdk", 1 << 20).unwrap();
        let member = Path::new("/elsewhere/a.ova#disk.vmdk");
        let image = open(&overlay, member, Arc::clone(&below)).unwrap();
        write(&image, 0);
        drop(image);
        assert_eq!(sum(&open(&overlay, member, Arc::clone(&below)).unwrap()), (1 << 20) + 700);
        let error = open(&overlay, Path::new("b.ova#disk.vmdk"), below).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::OtherParent { .. }), "{error}");
        let error = crate::open(&overlay, None, Access::ReadOnly).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::Missing), "nothing else stands in for it: {error}");
    }

    #[test]
    fn an_empty_disk_is_kept_or_discarded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("empty.qcow2");
        create_empty(&path, 1 << 20).unwrap();
        let image = open_empty(&path).unwrap();
        write(&image, 4096);
        drop(image);
        assert_eq!(sum(&open_empty(&path).unwrap()), 1400);
        let image = discarded_empty(1 << 20, dir.path()).unwrap();
        assert_eq!(sum(&image), 0);
        write(&image, 4096);
        assert_eq!(sum(&image), 1400);
        let (_, below) = base(&dir);
        let overlay = dir.path().join("overlay.qcow2");
        create(&overlay, &dir.path().join("base.img"), &below, None).unwrap();
        let error = open_empty(&overlay).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::OtherParent { .. }), "{error}");
        assert!(discarded_empty(1000, dir.path()).is_err(), "not whole sectors");
    }

    #[test]
    fn what_is_discarded_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (_, below) = base(&dir);
        let image = discarded(Arc::clone(&below), dir.path()).unwrap();
        write(&image, 0);
        write(&image, 1_000_000);
        image.write_zeroes(0..512, true).unwrap();
        assert_eq!(sum(&image), (1 << 20) + 2 * 700 - 2 * 512);
        drop(image);
        assert_eq!(sum(&below), 1 << 20);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn several_threads_write_read_and_discard_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let (_, below) = base(&dir);
        let image = discarded(below, dir.path()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                let image = &image;
                scope.spawn(move || {
                    let home = u64::from(thread) * (256 << 10);
                    for round in 0..400_u64 {
                        let offset = home + round * 7919 % (200 << 10);
                        let mark = thread + 10 + u8::try_from(round % 100).unwrap();
                        image.write_at(offset, &[VolatileSlice::from(&mut [mark; 3000][..])]).unwrap();
                        let mut back = [0; 3000];
                        image.read_at(offset, &[VolatileSlice::from(&mut back[..])]).unwrap();
                        assert_eq!(back, [mark; 3000]);
                        match round % 10 {
                            3 => image.flush().unwrap(),
                            7 => image.discard(home..home + (128 << 10)).unwrap(),
                            _ => (),
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn a_packed_base_is_never_taken_for_the_disk_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("base.img.gz");
        let mut gzip = flate2::write::GzEncoder::new(fs::File::create(&path).unwrap(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &vec![1; 1 << 20]).unwrap();
        gzip.finish().unwrap();
        let below = crate::open(&path, None, Access::ReadOnly).unwrap();
        let overlay = dir.path().join("overlay.qcow2");
        create(&overlay, &path, &below, None).unwrap();
        assert_eq!(sum(&open(&overlay, &path, below).unwrap()), 1 << 20);
        let error = crate::open(&overlay, None, Access::ReadOnly).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::Undeclared), "{error}");
    }
}
