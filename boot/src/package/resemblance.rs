//! What a file may be that is no package.

use std::fmt;
use std::io;
use std::path::Path;

use ovum_disk::Format;
use ovum_disk::storage::{Storage, read_array, read_bytes};

/// Something that people have in their hands instead of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resemblance {
    /// A file packed by a program.
    Packed(Packer),
    /// A disk image.
    Disk(Format),
    /// The bytes of a disk with partitions or a boot loader.
    RawDisk,
    /// A file system of CDs and DVDs.
    Iso,
    /// A web page.
    WebPage,
    /// A VMware configuration file.
    Vmx,
    /// A Linux kernel or another program.
    Elf,
}

/// A program that packs: the first bytes of what it makes, its name, the command that unpacks an archive, and that for a
/// single file, where there is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packer {
    magic: &'static [u8],
    name: &'static str,
    archive: &'static str,
    single: &'static str,
}

const fn packer(magic: &'static [u8], name: &'static str, archive: &'static str, single: &'static str) -> Packer {
    Packer { magic, name, archive, single }
}

const PACKERS: [Packer; 7] = [
    packer(b"\x1f\x8b", "gzip", "tar -xzf", "gunzip"),
    packer(b"PK\x03\x04", "zip", "unzip", "unzip"),
    packer(b"7z\xbc\xaf\x27\x1c", "7-Zip", "7z x", "7z x"),
    packer(b"\xfd7zXZ\0", "xz", "tar -xJf", "unxz"),
    packer(b"BZh", "bzip2", "tar -xjf", "bunzip2"),
    packer(b"\x28\xb5\x2f\xfd", "zstd", "tar --zstd -xf", "unzstd"),
    packer(b"Rar!\x1a\x07", "RAR", "unrar x", "unrar x"),
];

/// Endings of names of single files that were packed: what is left of the name says what it was.
const SINGLE: [&str; 4] = ["gz", "xz", "bz2", "zst"];

impl Packer {
    /// The command that unpacks the file at `path`, by its name: an archive, unless only the packing was added to another
    /// ending than tar's.
    fn command(self, path: &Path) -> &'static str {
        let ending = |path: &Path| path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        let is_packed = ending(path).is_some_and(|ending| SINGLE.contains(&ending.as_str()));
        match path.file_stem().and_then(|stem| ending(Path::new(stem))) {
            Some(inner) if is_packed && !matches!(inner.as_str(), "tar" | "ova") => self.single,
            _ => self.archive,
        }
    }
}

/// How much of a file's front is looked at, in bytes.
const HEAD: usize = 512;
/// ECMA-119, 8.1.1: where the first volume descriptor and its identifier are.
const ISO_IDENTIFIER: u64 = 16 * 2048 + 1;

/// What a file is by its front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// XML, or a text that may be meant to be.
    Xml,
    /// Something else.
    Other(Option<Resemblance>),
}

/// Looks at a file that is no tar archive.
pub(super) fn kind(storage: &dyn Storage) -> io::Result<Kind> {
    let mut head = vec![0; HEAD.min(usize::try_from(storage.size()).unwrap_or(HEAD))];
    read_bytes(storage, 0, &mut head)?;
    if let Some(kind) = text(&head) {
        return Ok(kind);
    }
    if let Some(packer) = PACKERS.iter().find(|packer| head.starts_with(packer.magic)) {
        return Ok(Kind::Other(Some(Resemblance::Packed(*packer))));
    }
    if head.starts_with(b"\x7fELF") {
        return Ok(Kind::Other(Some(Resemblance::Elf)));
    }
    if let Some(format) = Format::of_bytes(storage)? {
        return Ok(Kind::Other(Some(Resemblance::Disk(format))));
    }
    if storage.size() >= ISO_IDENTIFIER + 5 && read_array(storage, ISO_IDENTIFIER)? == *b"CD001" {
        return Ok(Kind::Other(Some(Resemblance::Iso)));
    }
    let is_boot_sector = head.get(510..512) == Some(b"\x55\xaa");
    Ok(Kind::Other(is_boot_sector.then_some(Resemblance::RawDisk)))
}

fn text(head: &[u8]) -> Option<Kind> {
    let is_utf16 = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") || head.starts_with(b"<\0");
    if is_utf16 || head.starts_with(b"\0<") {
        return Some(Kind::Xml);
    }
    let start = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start().to_ascii_lowercase();
    if start.starts_with(b"<!doctype html") || start.starts_with(b"<html") {
        return Some(Kind::Other(Some(Resemblance::WebPage)));
    }
    if start.starts_with(b"<") {
        return Some(Kind::Xml);
    }
    let is_vmx = [&b".encoding"[..], b"config.version", b"#!/usr/bin/vmware"].iter().any(|key| start.starts_with(key));
    is_vmx.then_some(Kind::Other(Some(Resemblance::Vmx)))
}

impl Resemblance {
    /// One line that says what to do with it.
    pub(super) fn remedy(self, path: &Path) -> String {
        let file = path;
        let path = path.display();
        match self {
            Self::Packed(packer) => {
                let command = packer.command(file);
                format!("unpack it ({command} {path}), and give the .ova or .ovf that was in it")
            }
            Self::Disk(format) => {
                format!("a disk goes after --disk: ovum run --kernel ... --disk {path},format={format}")
            }
            Self::RawDisk => format!("a disk goes after --disk: ovum run --kernel ... --disk {path},format=raw"),
            Self::Iso => format!("mount it or look into it (7z x {path}), and give the .ova or .ovf that is in it"),
            Self::WebPage => "fetch it again: the server sent a page in its place, which a browser shows".into(),
            Self::Vmx => format!("turn it into a package with VMware's tool: ovftool {path} NAME.ova"),
            Self::Elf => format!("a kernel goes after --kernel: ovum run --kernel {path}"),
        }
    }
}

impl fmt::Display for Resemblance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packed(packer) => write!(f, "a file packed with {}", packer.name),
            Self::Disk(format) => write!(f, "a disk image ({format})"),
            Self::RawDisk => f.write_str("the bytes of a disk, with a boot sector"),
            Self::Iso => f.write_str("an ISO image"),
            Self::WebPage => f.write_str("a web page"),
            Self::Vmx => f.write_str("a VMware configuration (.vmx)"),
            Self::Elf => f.write_str("an ELF program or kernel"),
        }
    }
}
