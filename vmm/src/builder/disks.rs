//! Part of step 1: from the description of a disk to one that can be used.

use std::path::Path;
use std::sync::Arc;

use ovum_disk::storage::{Alone, Bytes, Neighbours};
use ovum_disk::{Access, Disk, Format, Image, OpenError, overlay};

use crate::config::{DiskConfig, DiskSource, Writes};

/// What opening disks may leave behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A machine: overlays that are not there are made.
    Machine,
    /// A plan: nothing is made.
    Plan,
}

/// A disk, and where writes to it go in the end.
pub(crate) struct OpenDisk {
    pub image: Arc<Image>,
    pub writes: &'static str,
}

const READ_ONLY: &str = "read-only";
const READ_WRITE: &str = "read-write";
const DISCARDED: &str = "writes are discarded";
const NEW_OVERLAY: &str = "writes go to a new overlay";
const OVERLAY: &str = "writes go to an overlay";

/// Opens a disk.
pub(crate) fn open(config: &DiskConfig, scratch: &Path, purpose: Purpose) -> Result<OpenDisk, OpenError> {
    let name = config.source.to_string();
    let disk = match &config.source {
        DiskSource::File { path, format } if config.writes == Writes::ByFormat => {
            open_by_format(path, *format, scratch)?
        }
        DiskSource::File { path, format } => {
            let below = ovum_disk::open(path, *format, Access::ReadOnly)?;
            Layers { below, name: path, scratch, purpose }.open(&config.writes)?
        }
        DiskSource::Image { image, name } => {
            let below = Arc::clone(image);
            Layers { below, name, scratch, purpose }.open(&config.writes)?
        }
        DiskSource::Bytes { bytes, name } => {
            let alone: Arc<dyn Neighbours> = Arc::new(Alone);
            let storage = Arc::new(Bytes::new(name, Arc::clone(bytes)));
            let below = ovum_disk::open_storage(storage, &alone, Format::Raw, Access::ReadOnly)?;
            let writes = if config.writes == Writes::ByFormat { &Writes::Refused } else { &config.writes };
            Layers { below, name: Path::new(name), scratch, purpose }.open(writes)?
        }
        DiskSource::Empty { size, .. } => open_empty(*size, &config.writes, scratch, purpose)?,
    };
    if disk.image.size() == 0 { Err(OpenError::empty(Path::new(&name))) } else { Ok(disk) }
}

fn open_by_format(path: &Path, format: Option<Format>, scratch: &Path) -> Result<OpenDisk, OpenError> {
    if ovum_disk::is_changed_in_place(path, format)? {
        let image = ovum_disk::open(path, format, Access::ReadWrite)?;
        return Ok(OpenDisk { image, writes: READ_WRITE });
    }
    let below = ovum_disk::open(path, format, Access::ReadOnly)?;
    Ok(OpenDisk { image: discarded(below, path, scratch)?, writes: DISCARDED })
}

fn discarded(below: Arc<Image>, name: &Path, scratch: &Path) -> Result<Arc<Image>, OpenError> {
    log::warn!("what the guest writes to {} is discarded when the machine ends", name.display());
    overlay::discarded(below, scratch)
}

/// An image that is only read, and what is to be put above it.
struct Layers<'l> {
    below: Arc<Image>,
    name: &'l Path,
    scratch: &'l Path,
    purpose: Purpose,
}

impl Layers<'_> {
    fn open(self, writes: &Writes) -> Result<OpenDisk, OpenError> {
        let Self { below, name, scratch, purpose } = self;
        let (image, writes) = match writes {
            Writes::Refused => (below, READ_ONLY),
            Writes::ByFormat => (discarded(below, name, scratch)?, DISCARDED),
            Writes::Discarded => (overlay::discarded(below, scratch)?, DISCARDED),
            Writes::Overlay(file) if !file.exists() && purpose == Purpose::Plan => (below, NEW_OVERLAY),
            Writes::Overlay(file) => {
                if !file.exists() {
                    create_overlay(file, name, &below)?;
                }
                (overlay::open(file, name, below)?, OVERLAY)
            }
        };
        Ok(OpenDisk { image, writes })
    }
}

fn create_overlay(file: &Path, name: &Path, below: &Image) -> Result<(), OpenError> {
    if name.is_file() {
        overlay::create(file, name, below, None)
    } else {
        overlay::create_above_member(file, &name.to_string_lossy(), below.size())
    }
}

fn open_empty(size: u64, writes: &Writes, scratch: &Path, purpose: Purpose) -> Result<OpenDisk, OpenError> {
    let (image, writes) = match writes {
        Writes::Refused => (overlay::always_empty(size, scratch)?, READ_ONLY),
        Writes::ByFormat | Writes::Discarded => (overlay::discarded_empty(size, scratch)?, DISCARDED),
        Writes::Overlay(file) if !file.exists() && purpose == Purpose::Plan => {
            (overlay::always_empty(size, scratch)?, NEW_OVERLAY)
        }
        Writes::Overlay(file) => {
            if !file.exists() {
                overlay::create_empty(file, size)?;
            }
            (overlay::open_empty(file)?, OVERLAY)
        }
    };
    Ok(OpenDisk { image, writes })
}

#[cfg(test)]
mod tests;
