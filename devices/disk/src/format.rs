//! Which formats there are, and how one is told: by declaration, which the bytes must confirm.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

use crate::storage::{Storage, read_bytes};
use crate::{qcow2, vdi, vhd, vhdx, vmdk};

/// How much of a file's front and back is looked at, in bytes.
pub const HEAD: usize = 1024;

/// How the bytes of an image file are to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The file's bytes are the disk's bytes.
    Raw,
    /// VMware's virtual disk, in all its kinds.
    Vmdk,
    /// QEMU's copy-on-write image, versions 2 and 3.
    Qcow2,
    /// Connectix's and Microsoft's virtual hard disk.
    Vhd,
    /// Microsoft's virtual hard disk, version 2.
    Vhdx,
    /// VirtualBox's virtual disk image.
    Vdi,
}

/// Name in messages and on the command line, endings of file names.
const NAMES: [(Format, &str, &[&str]); 6] = [
    (Format::Raw, "raw", &["raw", "img", "iso"]),
    (Format::Vmdk, "vmdk", &["vmdk"]),
    (Format::Qcow2, "qcow2", &["qcow2", "qcow"]),
    (Format::Vhd, "vhd", &["vhd", "vpc"]),
    (Format::Vhdx, "vhdx", &["vhdx"]),
    (Format::Vdi, "vdi", &["vdi"]),
];

impl Format {
    /// The names of all formats, for messages.
    #[must_use]
    pub fn names() -> String {
        NAMES.map(|(_, name, _)| name).join(", ")
    }

    /// What the name of a file declares, if anything.
    #[must_use]
    pub fn of_name(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        NAMES.iter().find(|(_, _, endings)| endings.contains(&ending.as_str())).map(|(format, ..)| *format)
    }

    /// What the bytes say. Never [`Format::Raw`]: any bytes may be those of a disk.
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub fn of_bytes(storage: &dyn Storage) -> io::Result<Option<Self>> {
        let len = HEAD.min(usize::try_from(storage.size()).unwrap_or(HEAD));
        let mut head = vec![0; len];
        read_bytes(storage, 0, &mut head)?;
        let mut tail = vec![0; len];
        read_bytes(storage, storage.size() - len as u64, &mut tail)?;
        let magics = [
            (Self::Vmdk, vmdk::is_magic(&head)),
            (Self::Qcow2, qcow2::is_magic(&head)),
            (Self::Vhdx, vhdx::is_magic(&head)),
            (Self::Vdi, vdi::is_magic(&head)),
            (Self::Vhd, vhd::is_magic(&head, &tail)),
        ];
        Ok(magics.into_iter().find(|(_, is)| *is).map(|(format, _)| format))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(format, ..)| format == self).map_or("", |(_, name, _)| name);
        f.write_str(name)
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = |(_, name, _): &&(Self, &str, &[&str])| *name == text;
        // QEMU calls it by the first program that wrote it.
        let text_is_vpc = text == "vpc";
        NAMES
            .iter()
            .find(|entry| named(entry) || (text_is_vpc && entry.0 == Self::Vhd))
            .map(|(format, ..)| *format)
            .ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

/// A format that Ovum does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no disk format {0:?}; there are {names}", names = Format::names())]
pub struct UnknownFormat(String);
