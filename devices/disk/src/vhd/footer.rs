//! The footer: what an image is, and how large its disk.

use crate::error::{Damage, LayoutError};
use crate::storage::{Storage, read_bytes};

use super::spec::{self, FOOTER_SIZE, OLD_FOOTER_SIZE, field, footer};

/// How the disk's bytes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One after the other.
    Fixed,
    /// In blocks.
    Dynamic,
    /// In blocks; what is missing is in another image.
    Differencing,
}

/// A footer whose checksum is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// Where it was found, in bytes.
    pub at: u64,
    /// How the disk is stored.
    pub kind: Kind,
    /// Where the header of a dynamic image is, in bytes.
    pub data_offset: u64,
    /// The program that made the image.
    pub creator: [u8; 4],
    /// Current Size, in bytes.
    pub current_size: u64,
    /// Cylinders, heads, sectors of a track.
    pub geometry: (u16, u8, u8),
    /// By what an image above this one knows it again.
    pub id: [u8; 16],
}

impl Footer {
    /// The footer of an image: the one at the end, or the copy at the front if that one is damaged. The end comes first
    /// because the front of a fixed image belongs to its guest, who may write anything there.
    pub fn find(storage: &dyn Storage) -> Result<Self, LayoutError> {
        let mut result = None;
        for len in [FOOTER_SIZE, OLD_FOOTER_SIZE] {
            if let Some(at) = storage.size().checked_sub(len as u64) {
                match Self::read(storage, at, len)? {
                    Some(Ok(footer)) => return Ok(footer),
                    Some(Err(error)) => result = result.or(Some(error)),
                    None => (),
                }
            }
        }
        if storage.size() >= FOOTER_SIZE as u64 {
            match Self::read(storage, 0, FOOTER_SIZE)? {
                Some(Ok(footer)) if footer.kind != Kind::Fixed => return Ok(footer),
                Some(Err(error)) => result = result.or(Some(error)),
                _ => (),
            }
        }
        let missing = || Damage::new(storage, storage.size(), "Cookie", "there is no footer at the end of the file");
        Err(result.unwrap_or_else(|| missing().into()))
    }

    /// The footer of `len` bytes at `at`, if there is one.
    pub fn read(storage: &dyn Storage, at: u64, len: usize) -> Result<Option<Result<Self, LayoutError>>, LayoutError> {
        let mut bytes = [0; FOOTER_SIZE];
        read_bytes(storage, at, bytes.get_mut(..len).unwrap_or_default())?;
        Ok(bytes.starts_with(&spec::FOOTER_COOKIE).then(|| Self::parse(storage, at, &bytes)))
    }

    fn parse(storage: &dyn Storage, at: u64, bytes: &[u8; FOOTER_SIZE]) -> Result<Self, LayoutError> {
        let damage = |offset: usize, field, problem: String| Damage::new(storage, at + offset as u64, field, problem);
        let stored = u32::from_be_bytes(field(bytes, footer::CHECKSUM));
        let computed = spec::checksum(bytes, footer::CHECKSUM);
        if stored != computed {
            let problem = format!("it is {stored:#x}, and the footer's bytes make {computed:#x}");
            return Err(damage(footer::CHECKSUM, "Checksum of the footer", problem).into());
        }
        let version = u32::from_be_bytes(field(bytes, footer::VERSION));
        if version >> 16 != spec::VERSION >> 16 {
            return Err(LayoutError::Unsupported {
                what: format!("it is of version {}.{} of the VHD format", version >> 16, version & 0xffff),
                remedy: "convert it to version 1.0 with the program that made it",
            });
        }
        let kind = match u32::from_be_bytes(field(bytes, footer::KIND)) {
            spec::FIXED => Kind::Fixed,
            spec::DYNAMIC => Kind::Dynamic,
            spec::DIFFERENCING => Kind::Differencing,
            other => {
                return Err(damage(footer::KIND, "Disk Type", format!("there is no type {other}")).into());
            }
        };
        let [heads, sectors] = field(bytes, footer::GEOMETRY + 2);
        let found = Self {
            at,
            kind,
            data_offset: u64::from_be_bytes(field(bytes, footer::DATA_OFFSET)),
            creator: field(bytes, footer::CREATOR),
            current_size: u64::from_be_bytes(field(bytes, footer::CURRENT_SIZE)),
            geometry: (u16::from_be_bytes(field(bytes, footer::GEOMETRY)), heads, sectors),
            id: field(bytes, footer::ID),
        };
        if found.size() > spec::LARGEST_DISK {
            let problem = format!("{} bytes are more than the format allows", found.size());
            return Err(damage(footer::CURRENT_SIZE, "Current Size", problem).into());
        }
        Ok(found)
    }

    /// The disk's size in bytes.
    ///
    /// Virtual PC, and QEMU unless told otherwise, round a disk to whole cylinders and show their guests the geometry's
    /// size. All others show Current Size, as these two do for disks too large for a geometry.
    pub fn size(&self) -> u64 {
        let (cylinders, heads, sectors) = self.geometry;
        if matches!(&self.creator, b"vpc " | b"qemu") && self.geometry != spec::LARGEST_GEOMETRY {
            u64::from(cylinders) * u64::from(heads) * u64::from(sectors) * crate::SECTOR
        } else {
            self.current_size
        }
    }

    /// What a user may want to know of it.
    pub fn details(&self) -> Vec<(&'static str, String)> {
        let variant = match self.kind {
            Kind::Fixed => "fixed",
            Kind::Dynamic => "dynamic",
            Kind::Differencing => "differencing",
        };
        let (cylinders, heads, sectors) = self.geometry;
        vec![
            ("variant", variant.into()),
            ("creator", self.creator.escape_ascii().to_string().trim_end().into()),
            ("id", text_of(self.id)),
            ("geometry", format!("{cylinders}/{heads}/{sectors}")),
        ]
    }
}

/// A UUID as it is written for people.
pub fn text_of(id: [u8; 16]) -> String {
    id.iter().enumerate().fold(String::new(), |text, (place, byte)| {
        let dash = if matches!(place, 4 | 6 | 8 | 10) { "-" } else { "" };
        format!("{text}{dash}{byte:02x}")
    })
}
