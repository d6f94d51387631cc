//! The descriptor: lines of text that say what a disk is made of.

use super::spec;
use crate::error::{Damage, LayoutError};
use crate::storage::{Storage, read_bytes};

/// The most that is read of a descriptor, in bytes.
pub const MAX_LEN: u64 = 1 << 20;
/// The most extents of a disk: 2 TiB in files of 2 GiB.
pub const MAX_EXTENTS: usize = 1024;

/// What a descriptor says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// `createType`, or nothing.
    pub create_type: String,
    /// `CID`: changes with the content.
    pub cid: Option<u32>,
    /// `parentCID`, where there is a parent.
    pub parent_cid: Option<u32>,
    /// `parentFileNameHint`.
    pub parent_hint: Option<String>,
    /// `ddb.adapterType`.
    pub adapter_type: Option<String>,
    /// `ddb.virtualHWVersion`.
    pub hardware_version: Option<String>,
    /// The extents, in the disk's order.
    pub extents: Vec<ExtentLine>,
}

/// "The Extent Description": a line such as `RW 4192256 SPARSE "disk-s001.vmdk"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtentLine {
    /// Where the line begins in its file, in bytes.
    pub at: u64,
    /// How long the extent is, in sectors.
    pub sectors: u64,
    /// How it is stored.
    pub kind: ExtentKind,
    /// The name of its file.
    pub name: String,
    /// Where it begins there, in sectors; only for [`ExtentKind::Flat`].
    pub offset: u64,
}

/// How an extent is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtentKind {
    /// Nowhere: it reads as zero (`ZERO`).
    Zero,
    /// The file's bytes are the disk's bytes (`FLAT`, `VMFS`).
    Flat,
    /// In grains (`SPARSE`, `VMFSSPARSE`): the file's header says more.
    Sparse,
}

/// Reads the `len` bytes at `start` that hold a descriptor.
///
/// # Errors
/// [`Damage`] when they are not in the file or too many, or a line that must be understood is not.
pub fn read(storage: &dyn Storage, start: u64, len: u64) -> Result<Descriptor, LayoutError> {
    let damage = |problem: String| Damage::new(storage, start, "descriptor", problem);
    if len > MAX_LEN {
        return Err(damage(format!("it has {len} bytes, and more than {MAX_LEN} are not read")).into());
    }
    if start.checked_add(len).is_none_or(|end| end > storage.size()) {
        return Err(damage(format!("it ends past the end of the file ({} bytes)", storage.size())).into());
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
    read_bytes(storage, start, &mut bytes)?;
    parse(storage, start, &bytes)
}

fn parse(storage: &dyn Storage, start: u64, bytes: &[u8]) -> Result<Descriptor, LayoutError> {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut descriptor = Descriptor::default();
    let mut at = start;
    for bytes in bytes.split(|byte| matches!(byte, b'\n' | b'\r')) {
        let line = text(bytes);
        let line = line.trim_start_matches('\u{feff}').trim();
        let damage = |problem: String| LayoutError::from(Damage::new(storage, at, "descriptor", problem));
        if let Some(extent) = extent_line(line, at, &storage.name(), &damage)? {
            if descriptor.extents.len() == MAX_EXTENTS {
                return Err(damage(format!("it has more than {MAX_EXTENTS} extents")));
            }
            descriptor.extents.push(extent);
        } else if let Some((key, value)) = line.split_once('=')
            && !line.starts_with('#')
        {
            let value = value.trim();
            let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
            descriptor.set(key.trim(), value, &storage.name(), &damage)?;
        }
        at += bytes.len() as u64 + 1;
    }
    Ok(descriptor)
}

/// UTF-8, or else the first 256 characters of Unicode: file names in old descriptors are in the code page of their host.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

impl Descriptor {
    /// "The Header" and "The Disk Database".
    fn set(
        &mut self,
        key: &str,
        value: &str,
        file: &str,
        damage: &impl Fn(String) -> LayoutError,
    ) -> Result<(), LayoutError> {
        let content_id = || {
            u32::from_str_radix(value, 16).map_err(|_| damage(format!("{key} {value:?} is not a hexadecimal number")))
        };
        match key.to_ascii_lowercase().as_str() {
            "cid" => self.cid = Some(content_id()?),
            "parentcid" => self.parent_cid = Some(content_id()?).filter(|cid| *cid != spec::NO_PARENT),
            "createtype" => value.clone_into(&mut self.create_type),
            "parentfilenamehint" => self.parent_hint = Some(value.to_owned()).filter(|hint| !hint.is_empty()),
            "ddb.adaptertype" => self.adapter_type = Some(value.to_owned()),
            "ddb.virtualhwversion" => self.hardware_version = Some(value.to_owned()),
            key if key.contains("encryption") || key.contains("keysafe") => {
                return Err(LayoutError::Unsupported {
                    what: format!("{file} is encrypted"),
                    remedy: "decrypt it with the product that made it",
                });
            }
            _ => (),
        }
        Ok(())
    }
}

/// What a line says of an extent, if it is such a line.
fn extent_line(
    line: &str,
    at: u64,
    file: &str,
    damage: &impl Fn(String) -> LayoutError,
) -> Result<Option<ExtentLine>, LayoutError> {
    let (access, rest) = word(line);
    if !["RW", "RDONLY", "NOACCESS"].iter().any(|known| access.eq_ignore_ascii_case(known)) {
        return Ok(None);
    }
    let (sectors, rest) = word(rest);
    let sectors = sectors.parse().map_err(|_| damage(format!("{sectors:?} is not an extent's number of sectors")))?;
    let (kind, rest) = word(rest);
    let refuse = |what: &str, remedy| Err(LayoutError::Unsupported { what: format!("{file} {what}"), remedy });
    let kind = match kind.to_ascii_uppercase().as_str() {
        "ZERO" => ExtentKind::Zero,
        "FLAT" | "VMFS" => ExtentKind::Flat,
        "SPARSE" | "VMFSSPARSE" => ExtentKind::Sparse,
        "SESPARSE" => return refuse(SE_SPARSE.0, SE_SPARSE.1),
        "VMFSRAW" | "VMFSRDM" | "VMFSPASSTHROUGHRAWDEVICEMAP" => {
            return refuse("stands for a whole device of its host", "copy the device itself to an image");
        }
        other => return Err(damage(format!("extents of type {other:?} are not known"))),
    };
    if access.eq_ignore_ascii_case("NOACCESS") && kind != ExtentKind::Zero {
        return refuse("has a part that nobody may read", "make the disk anew with all its parts");
    }
    let (name, offset) = match (kind, rest.strip_prefix('"').and_then(|rest| rest.split_once('"'))) {
        (ExtentKind::Zero, _) => ("", 0),
        (_, Some((name, rest))) => {
            let (offset, _) = word(rest);
            let number = if offset.is_empty() || kind != ExtentKind::Flat { "0" } else { offset };
            (name, number.parse().map_err(|_| damage(format!("{offset:?} is not an offset in sectors")))?)
        }
        (_, None) => return Err(damage("an extent has no file name".into())),
    };
    Ok(Some(ExtentLine { at, sectors, kind, name: name.to_owned(), offset }))
}

/// What is said of a space-efficient sparse disk, and what can be done about it.
pub const SE_SPARSE: (&str, &str) = (
    "is a seSparse disk of ESXi, which is not read",
    "copy it on its ESXi host: vmkfstools -i disk.vmdk -d thin copy.vmdk",
);

/// The first word of a line, and what follows it.
fn word(line: &str) -> (&str, &str) {
    let line = line.trim_start();
    let end = line.find(char::is_whitespace).unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    (word, rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::testing::Memory;

    fn parse(bytes: &[u8]) -> Result<Descriptor, LayoutError> {
        read(Memory::new(bytes.to_vec()).as_ref(), 0, bytes.len() as u64)
    }

    #[test]
    fn case_blanks_and_foreign_line_ends_are_no_matter() {
        let text = "\u{feff}# Disk DescriptorFile\r\n\r\n  Version = 1\r\ncid=0123abCD\r\nPARENTCID = ffffffff\r\n\
            createType=\"custom\"\r\n# RW 1 FLAT \"no\" 0\r\nrw  100\tflat \"a b.vmdk\" 7\r\nRDONLY 5 ZERO\r\n\
            RW 6 VMFS \"c\"\r\nRW 7 VmfsSparse \"d\"\r\nddb.adapterType = \"ide\"\r\n\0RW x";
        let descriptor = parse(text.as_bytes()).unwrap();
        assert_eq!((descriptor.cid, descriptor.parent_cid), (Some(0x0123_abcd), None));
        assert_eq!((descriptor.create_type.as_str(), descriptor.adapter_type.as_deref()), ("custom", Some("ide")));
        let lines: Vec<_> = descriptor.extents.iter().map(|e| (e.sectors, e.kind, e.name.as_str(), e.offset)).collect();
        let expected = [
            (100, ExtentKind::Flat, "a b.vmdk", 7),
            (5, ExtentKind::Zero, "", 0),
            (6, ExtentKind::Flat, "c", 0),
            (7, ExtentKind::Sparse, "d", 0),
        ];
        assert_eq!(lines, expected);
        assert_eq!(&text.as_bytes()[usize::try_from(descriptor.extents[0].at).unwrap()..][..2], b"rw");
    }

    #[test]
    fn names_of_old_hosts_are_read() {
        assert_eq!(parse(b"RW 1 FLAT \"gr\xfcn.vmdk\" 0").unwrap().extents[0].name, "gr\u{fc}n.vmdk");
    }

    #[test]
    fn what_must_be_understood_is() {
        for line in [
            "RW",
            "RW x FLAT \"a\" 0",
            "RW -1 ZERO",
            "RW 99999999999999999999 ZERO",
            "RW 1 FLAT a 0",
            "RW 1 FLAT \"a",
            "RW 1 FLAT \"a\" -2",
            "RW 1 ODD \"a\"",
            "CID=xyz",
            "parentCID=123456789",
        ] {
            assert!(matches!(parse(line.as_bytes()), Err(LayoutError::Damaged(_))), "{line}");
        }
        for line in ["RW 1 SESPARSE \"a\"", "RW 1 VMFSRDM \"a\"", "NOACCESS 1 FLAT \"a\" 0", "encryptionKeys=\"x\""] {
            assert!(matches!(parse(line.as_bytes()), Err(LayoutError::Unsupported { .. })), "{line}");
        }
        let many = "RW 1 ZERO\n".repeat(MAX_EXTENTS);
        assert_eq!(parse(many.as_bytes()).unwrap().extents.len(), MAX_EXTENTS);
        assert!(parse(format!("{many}RW 1 ZERO").as_bytes()).is_err());
        let long = vec![b' '; usize::try_from(MAX_LEN).unwrap() + 1];
        assert!(parse(&long).is_err());
    }
}
