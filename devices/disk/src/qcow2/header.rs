//! The header and its extensions: what an image says of itself.

use std::io;

use super::extensions::{self, Extensions};
use super::spec::{self, at};
use crate::error::{Damage, LayoutError};
use crate::image::layout::Parent;
use crate::image::tables::Tables;
use crate::storage::Storage;
use crate::{Format, qcow2::packed::Compression};

/// A header that was read and makes sense.
#[derive(Debug, Clone)]
pub struct Header {
    pub version: u32,
    pub cluster_bits: u32,
    /// The disk's length in bytes.
    pub size: u64,
    pub l1: L1,
    pub refcounts: RefcountTable,
    pub snapshots: u32,
    pub snapshots_offset: u64,
    pub incompatible: u64,
    pub compatible: u64,
    pub refcount_order: u32,
    pub compression: Compression,
    pub backing: Option<String>,
    pub backing_format: Option<Format>,
    /// Whether there are persistent bitmaps, whose clusters Ovum does not look for.
    pub has_bitmaps: bool,
}

/// Where the L1 table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct L1 {
    /// In the file, in bytes.
    pub offset: u64,
    /// How many entries it has.
    pub entries: u32,
}

/// Where the refcount table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefcountTable {
    /// In the file, in bytes.
    pub offset: u64,
    /// How many clusters it has.
    pub clusters: u32,
}

impl Header {
    pub fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }

    pub fn is_extended(&self) -> bool {
        self.incompatible & spec::EXTENDED_L2 != 0
    }

    /// The length of an L2 entry in bytes.
    pub fn l2_entry(&self) -> u64 {
        if self.is_extended() { 2 * spec::ENTRY } else { spec::ENTRY }
    }

    /// How many entries an L2 table has.
    pub fn l2_entries(&self) -> u64 {
        self.cluster() / self.l2_entry()
    }

    /// How many bytes of the disk an L2 table describes: at most 2^39.
    pub fn l2_span(&self) -> u64 {
        self.l2_entries() << self.cluster_bits
    }

    /// How many L1 entries a disk of `size` bytes needs.
    pub fn l1_needed(&self, size: u64) -> u64 {
        size.div_ceil(self.l2_span())
    }

    /// What the image says of the one below it.
    pub fn parent(&self) -> Option<Parent> {
        let name = self.backing.clone()?;
        Some(Parent { names: vec![name], format: self.backing_format, stamp: None })
    }

    /// Names and values for the user.
    pub fn details(&self) -> Vec<(&'static str, String)> {
        let yes = |name, is: bool| is.then(|| (name, "yes".to_owned()));
        let mut details = vec![
            ("version", self.version.to_string()),
            ("cluster size", self.cluster().to_string()),
            ("compression type", self.compression.to_string()),
            ("refcount bits", (1 << self.refcount_order).to_string()),
        ];
        details.extend(yes("extended L2", self.is_extended()));
        details.extend(yes("lazy refcounts", self.compatible & spec::LAZY_REFCOUNTS != 0));
        details.extend(yes("dirty", self.incompatible & spec::DIRTY != 0));
        details.extend(yes("corrupt", self.incompatible & spec::CORRUPT != 0));
        details.extend(yes("bitmaps", self.has_bitmaps));
        details.extend((self.snapshots > 0).then(|| ("snapshots", self.snapshots.to_string())));
        details.extend(self.backing.clone().map(|name| ("backing file", name)));
        details.extend(self.backing_format.map(|format| ("backing format", format.to_string())));
        details
    }

    /// Reads the header of the image in `storage`.
    pub fn read(storage: &dyn Storage, tables: &Tables) -> Result<Self, LayoutError> {
        let raw = Raw::read(storage, tables)?;
        let mut header = raw.fixed()?;
        header.check_encryption(&raw)?;
        let end = raw.extensions_end(&header);
        let extensions = extensions::read(storage, tables, raw.length()..end)?;
        header.check_features(&extensions)?;
        header.compression = raw.compression(header.incompatible)?;
        header.check_tables(&raw)?;
        header.has_bitmaps = extensions.has_bitmaps;
        if let Some(name) = raw.backing_name(tables, header.cluster())? {
            header.backing = Some(extensions::plain_name(&name)?);
            header.backing_format = extensions.backing_format()?;
        }
        Ok(header)
    }

    fn check_encryption(&self, raw: &Raw<'_>) -> Result<(), LayoutError> {
        let what = match raw.u32(at::CRYPT_METHOD) {
            0 => return Ok(()),
            1 => "it is encrypted with AES",
            2 => "it is encrypted with LUKS",
            other => return Err(raw.damage(at::CRYPT_METHOD, "crypt_method", format!("{other} is no method")).into()),
        };
        Err(LayoutError::Unsupported {
            what: what.into(),
            remedy: "make a copy that is not encrypted, with: qemu-img convert (it asks for --object secret)",
        })
    }

    fn check_features(&self, extensions: &Extensions) -> Result<(), LayoutError> {
        if self.incompatible & spec::EXTERNAL_DATA != 0 {
            return Err(LayoutError::Unsupported {
                what: "its data is in another file, which nobody asked for".into(),
                remedy: "put it into one file, with: qemu-img convert -O qcow2",
            });
        }
        let known = spec::DIRTY | spec::CORRUPT | spec::COMPRESSION_TYPE | spec::EXTENDED_L2;
        let unknown = self.incompatible & !known;
        if unknown == 0 {
            return Ok(());
        }
        let names: Vec<_> = (0..64).filter(|bit| unknown >> bit & 1 != 0).map(|bit| extensions.feature(bit)).collect();
        Err(LayoutError::Unsupported {
            what: format!("it uses features that Ovum does not know: {}", names.join(", ")),
            remedy: "write it anew without them, with: qemu-img convert -O qcow2",
        })
    }

    fn check_tables(&self, raw: &Raw<'_>) -> Result<(), Damage> {
        if self.is_extended() && self.cluster_bits < spec::CLUSTER_BITS_EXTENDED {
            let problem = format!("{} is too small for extended L2 entries", self.cluster_bits);
            return Err(raw.damage(at::CLUSTER_BITS, "cluster_bits", problem));
        }
        let needed = self.l1_needed(self.size);
        if needed > spec::MAX_L1 / spec::ENTRY {
            let problem = format!("a disk of {} bytes is too large for clusters of {}", self.size, self.cluster());
            return Err(raw.damage(at::SIZE, "size", problem));
        }
        if u64::from(self.l1.entries) < needed || u64::from(self.l1.entries) > spec::MAX_L1 / spec::ENTRY {
            let problem = format!("there are {} entries, and the disk needs {needed}", self.l1.entries);
            return Err(raw.damage(at::L1_SIZE, "l1_size", problem));
        }
        let end = self.l1.offset.checked_add(needed * spec::ENTRY);
        if !self.l1.offset.is_multiple_of(self.cluster()) || end.is_none_or(|end| end > raw.storage.size()) {
            let problem = format!("a table at {} is not on a cluster of the file", self.l1.offset);
            return Err(raw.damage(at::L1_TABLE_OFFSET, "l1_table_offset", problem));
        }
        Ok(())
    }
}

/// The bytes of a header.
struct Raw<'s> {
    storage: &'s dyn Storage,
    bytes: [u8; spec::HEADER],
    version: u32,
}

impl<'s> Raw<'s> {
    fn read(storage: &'s dyn Storage, tables: &Tables) -> Result<Self, LayoutError> {
        let mut raw = Self { storage, bytes: [0; spec::HEADER], version: 0 };
        // The file may be smaller than what is never there in version 2.
        let len = spec::HEADER.min(usize::try_from(storage.size()).unwrap_or(spec::HEADER));
        tables.read(0, raw.bytes.get_mut(..len).unwrap_or_default())?;
        if !super::is_magic(&raw.bytes) {
            return Err(raw.damage(0, "magic", "it is not that of qcow2").into());
        }
        raw.version = raw.u32(at::VERSION);
        let needed = match raw.version {
            2 => spec::HEADER_V2 as usize,
            3 => spec::HEADER_V3,
            1 => {
                return Err(LayoutError::Unsupported {
                    what: "it is of the first version of the format, qcow".into(),
                    remedy: "convert it, with: qemu-img convert -f qcow -O qcow2",
                });
            }
            other => return Err(raw.damage(at::VERSION, "version", format!("{other} is no version")).into()),
        };
        if len < needed {
            return Err(raw.damage(len as u64, "header", "the file ends in it").into());
        }
        Ok(raw)
    }

    fn damage(&self, at: u64, field: &'static str, problem: impl Into<String>) -> Damage {
        Damage::new(self.storage, at, field, problem)
    }

    fn array<const N: usize>(&self, at: u64) -> [u8; N] {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        // Every field is inside of what is read.
        self.bytes.get(at..).and_then(|bytes| bytes.first_chunk()).copied().unwrap_or([0; N])
    }

    fn u32(&self, at: u64) -> u32 {
        u32::from_be_bytes(self.array(at))
    }

    fn u64(&self, at: u64) -> u64 {
        u64::from_be_bytes(self.array(at))
    }

    /// A field that only version 3 has.
    fn features(&self, at: u64) -> u64 {
        if self.version < 3 { 0 } else { self.u64(at) }
    }

    fn length(&self) -> u64 {
        u64::from(if self.version < 3 { spec::HEADER_V2 } else { self.u32(at::HEADER_LENGTH) })
    }

    /// The header as it is, before anything is said about what lies elsewhere.
    fn fixed(&self) -> Result<Header, Damage> {
        let cluster_bits = self.u32(at::CLUSTER_BITS);
        if !spec::CLUSTER_BITS.contains(&cluster_bits) {
            return Err(self.damage(at::CLUSTER_BITS, "cluster_bits", format!("{cluster_bits} is not from 9 to 21")));
        }
        let refcount_order = if self.version < 3 { 4 } else { self.u32(at::REFCOUNT_ORDER) };
        if refcount_order > spec::MAX_REFCOUNT_ORDER {
            return Err(self.damage(at::REFCOUNT_ORDER, "refcount_order", format!("{refcount_order} is more than 6")));
        }
        let cluster = 1_u64 << cluster_bits;
        let length = self.length();
        if self.version >= 3 && (length < spec::HEADER_V3 as u64 || length > cluster || !length.is_multiple_of(8)) {
            return Err(self.damage(at::HEADER_LENGTH, "header_length", format!("{length} is no length of a header")));
        }
        Ok(Header {
            version: self.version,
            cluster_bits,
            size: self.u64(at::SIZE),
            l1: L1 { offset: self.u64(at::L1_TABLE_OFFSET), entries: self.u32(at::L1_SIZE) },
            refcounts: RefcountTable {
                offset: self.u64(at::REFCOUNT_TABLE_OFFSET),
                clusters: self.u32(at::REFCOUNT_TABLE_CLUSTERS),
            },
            snapshots: self.u32(at::NB_SNAPSHOTS),
            snapshots_offset: self.u64(at::SNAPSHOTS_OFFSET),
            incompatible: self.features(at::INCOMPATIBLE_FEATURES),
            compatible: self.features(at::COMPATIBLE_FEATURES),
            refcount_order,
            compression: Compression::Zlib,
            backing: None,
            backing_format: None,
            has_bitmaps: false,
        })
    }

    /// Extensions end where the name of the backing file begins, or with the first cluster, or the file.
    fn extensions_end(&self, header: &Header) -> u64 {
        let end = header.cluster().min(self.storage.size());
        match self.u64(at::BACKING_FILE_OFFSET) {
            0 => end,
            name => end.min(name),
        }
    }

    fn compression(&self, incompatible: u64) -> Result<Compression, LayoutError> {
        let is_there = self.length() > at::COMPRESSION_TYPE;
        let kind = if is_there { self.array::<1>(at::COMPRESSION_TYPE) } else { [0] };
        match (incompatible & spec::COMPRESSION_TYPE != 0, kind) {
            (false, [0]) => Ok(Compression::Zlib),
            (true, [1]) => Ok(Compression::Zstd),
            (true, [other]) if other > 1 => Err(LayoutError::Unsupported {
                what: format!("its clusters are compressed in a way that Ovum does not know ({other})"),
                remedy: "write it anew, with: qemu-img convert -O qcow2",
            }),
            (_, [other]) => {
                let problem = format!("{other} is not what the features say");
                Err(self.damage(at::COMPRESSION_TYPE, "compression_type", problem).into())
            }
        }
    }

    fn backing_name(&self, tables: &Tables, cluster: u64) -> Result<Option<Vec<u8>>, LayoutError> {
        let (offset, len) = (self.u64(at::BACKING_FILE_OFFSET), self.u32(at::BACKING_FILE_SIZE));
        if offset == 0 {
            return Ok(None);
        }
        if len > spec::MAX_BACKING_NAME {
            let problem = format!("a name of {len} bytes is longer than 1023");
            return Err(self.damage(at::BACKING_FILE_SIZE, "backing_file_size", problem).into());
        }
        // Anywhere else, whoever writes to the disk could write the name.
        if offset.checked_add(u64::from(len)).is_none_or(|end| end > cluster) {
            let problem = format!("a name at {offset} is not in the first cluster");
            return Err(self.damage(at::BACKING_FILE_OFFSET, "backing_file_offset", problem).into());
        }
        let mut name = vec![0; len as usize];
        match tables.read(offset, &mut name) {
            Ok(()) => Ok(Some(name)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let problem = "it is past the end of the file";
                Err(self.damage(at::BACKING_FILE_OFFSET, "backing_file_offset", problem).into())
            }
            Err(error) => Err(error.into()),
        }
    }
}
