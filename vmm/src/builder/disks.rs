//! Part of step 1: from the description of a disk to one that can be used.

use std::path::Path;
use std::sync::Arc;

use ovum_disk::{Access, Disk, Image, OpenError, overlay};

use crate::config::{DiskConfig, Writes};

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

/// Opens a disk.
pub(crate) fn open(config: &DiskConfig, scratch: &Path, purpose: Purpose) -> Result<OpenDisk, OpenError> {
    let DiskConfig { path, writes, format } = config;
    let read_only = || ovum_disk::open(path, *format, Access::ReadOnly);
    let opened = |image, writes| Ok(OpenDisk { image, writes });
    let disk = match writes {
        Writes::Refused => opened(read_only()?, "read-only"),
        Writes::ByFormat if ovum_disk::is_changed_in_place(path, *format)? => {
            opened(ovum_disk::open(path, *format, Access::ReadWrite)?, "read-write")
        }
        Writes::ByFormat => {
            log::warn!("what the guest writes to {} is discarded when the machine ends", path.display());
            opened(overlay::discarded(read_only()?, scratch)?, "writes are discarded")
        }
        Writes::Discarded => opened(overlay::discarded(read_only()?, scratch)?, "writes are discarded"),
        Writes::Overlay(file) => match (file.exists(), purpose) {
            (false, Purpose::Plan) => opened(read_only()?, "writes go to a new overlay"),
            (exists, _) => {
                let base = read_only()?;
                if !exists {
                    overlay::create(file, path, &base, None)?;
                }
                opened(overlay::open(file, path, base)?, "writes go to an overlay")
            }
        },
    }?;
    if disk.image.size() == 0 { Err(OpenError::empty(path)) } else { Ok(disk) }
}
