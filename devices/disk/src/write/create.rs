//! Which images can be made.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use super::{InPlace, Writer};
use crate::error::LayoutError;
use crate::raw::Raw;
use crate::storage::Storage;
use crate::{Format, Image, SECTOR, qcow2, vmdk};

/// A kind of image that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Raw: a sparse file.
    Raw,
    /// qcow2, version 3, with clusters of 64 KiB.
    Qcow2,
    /// VMDK monolithicSparse: for VMware Workstation, VirtualBox, QEMU.
    Vmdk,
    /// VMDK streamOptimized: compressed, as OVF packages have it. It cannot be written again.
    VmdkStream,
    /// VHD dynamic.
    Vhd,
}

const NAMES: [(Target, &str, Format); 5] = [
    (Target::Raw, "raw", Format::Raw),
    (Target::Qcow2, "qcow2", Format::Qcow2),
    (Target::Vmdk, "vmdk", Format::Vmdk),
    (Target::VmdkStream, "vmdk-stream", Format::Vmdk),
    (Target::Vhd, "vhd", Format::Vhd),
];

impl Target {
    /// What the ending of a file's name asks for.
    #[must_use]
    pub fn of_name(path: &Path) -> Option<Self> {
        let format = Format::of_name(path)?;
        NAMES.iter().find(|(.., of)| *of == format).map(|(target, ..)| *target)
    }

    /// The format of what is made.
    #[must_use]
    pub fn format(self) -> Format {
        NAMES.iter().find(|(target, ..)| *target == self).map_or(Format::Raw, |(.., format)| *format)
    }

    /// The names of all kinds, for messages.
    #[must_use]
    pub fn names() -> String {
        NAMES.map(|(_, name, _)| name).join(", ")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|(target, ..)| target == self).map_or("", |(_, name, _)| name))
    }
}

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = NAMES.iter().find(|(_, name, _)| *name == text);
        found.map(|(target, ..)| *target).ok_or_else(|| UnknownTarget(text.to_owned()))
    }
}

/// A kind of image that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("images of format {0:?} are not made; {names} are", names = Target::names())]
pub struct UnknownTarget(String);

/// Begins a new image of `size` bytes in `storage`, which is empty. `seed` goes into what tells it from other images.
///
/// # Errors
/// When the format has no such size (all sizes are multiples of 512 bytes), or the storage cannot be written.
pub fn create(target: Target, storage: Arc<dyn Storage>, size: u64, seed: u32) -> Result<Box<dyn Writer>, LayoutError> {
    if !size.is_multiple_of(SECTOR) {
        return Err(LayoutError::Unsupported {
            what: format!("a disk of {size} bytes cannot be made"),
            remedy: "give a size that is a multiple of 512 bytes",
        });
    }
    match target {
        Target::Raw => {
            storage.set_size(size)?;
            Ok(Box::new(InPlace::new(Image::changeable(Arc::new(Raw::new(storage)), None))))
        }
        Target::Qcow2 => {
            let layer = qcow2::create(storage, size, &qcow2::Options::default())?;
            Ok(Box::new(InPlace::new(Image::changeable(layer, None))))
        }
        Target::Vmdk => Ok(Box::new(vmdk::create_sparse(storage, size, seed)?)),
        Target::VmdkStream => Ok(Box::new(vmdk::create_stream(storage, size, seed)?)),
        other => Err(LayoutError::Unsupported { what: format!("{other} {seed}"), remedy: "wait" }),
    }
}
