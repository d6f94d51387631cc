//! Names what a file is that was taken for a kernel.

use std::fmt;

use crate::bytes::array;

/// How many bytes from the file's start [`Resemblance::of`] looks at.
pub(super) const LOOKED_AT: u64 = 1024;

/// What a file that is no kernel looks like, judged by its first bytes only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resemblance {
    name: &'static str,
    remedy: &'static str,
}

impl fmt::Display for Resemblance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const UNPACK: &str = "unpack it first and give the kernel that is in it; a bzImage stays packed as it is";
const INITRD: &str = "give it as the initramfs, and a bzImage or vmlinux as the kernel";
const DISK: &str = "give it as a disk, and a bzImage or vmlinux as the kernel";
const APPLIANCE: &str = "an appliance is not a kernel: give a bzImage or vmlinux";
const KERNEL: &str = "give a bzImage (a distribution's vmlinuz) or an ELF vmlinux";

/// Offset, the bytes that stand there, and what they tell.
const MARKS: &[(usize, &[u8], &str, &str)] = &[
    (0, b"\x1f\x8b", "gzip-compressed data", UNPACK),
    (0, b"\xfd7zXZ\0", "xz-compressed data", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "zstd-compressed data", UNPACK),
    (0, b"BZh", "bzip2-compressed data", UNPACK),
    (0, b"\x04\x22\x4d\x18", "lz4-compressed data", UNPACK),
    (0, b"\x02\x21\x4c\x18", "lz4-compressed data", UNPACK),
    (0, b"\x89LZO\0", "lzo-compressed data", UNPACK),
    (0, b"070701", "a cpio archive (an initramfs)", INITRD),
    (0, b"070702", "a cpio archive (an initramfs)", INITRD),
    (0, b"#!", "a script", KERNEL),
    (0, b"QFI\xfb", "a qcow2 disk image", DISK),
    (0, b"KDMV", "a VMDK disk image", DISK),
    (0, b"# Disk DescriptorFile", "a VMDK disk descriptor", DISK),
    (0, b"vhdxfile", "a VHDX disk image", DISK),
    (0, b"conectix", "a VHD disk image", DISK),
    (0, b"hsqs", "a squashfs file system", DISK),
    (0, b"PK\x03\x04", "a zip archive", UNPACK),
    (0, b"!<arch>\n", "a Debian package or a static library", UNPACK),
    (0, b"\xed\xab\xee\xdb", "an RPM package", UNPACK),
    (0, b"<?xml", "an XML document", APPLIANCE),
    (0, b"\x27\x05\x19\x56", "a U-Boot image", UNPACK),
    (257, b"ustar", "a tar archive", APPLIANCE),
    (512, b"EFI PART", "a disk image with a GPT partition table", DISK),
    (0, b"MZ", "a Windows or EFI program", KERNEL),
    (510, b"\x55\xaa", "a disk image with a boot sector", DISK),
];

impl Resemblance {
    /// Looks at the first [`LOOKED_AT`] bytes of a file, or all of a shorter one.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let marked = |offset: usize, mark: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(mark));
        let (_, _, name, remedy) =
            MARKS.iter().find(|(offset, mark, ..)| marked(*offset, mark)).copied().or_else(|| {
                let text = head.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~'));
                text.then_some((0, &[], "a text file", KERNEL))
            })?;
        Some(Self { name, remedy })
    }

    /// One line that says what to do with such a file.
    pub(super) fn remedy(self) -> &'static str {
        self.remedy
    }

    /// For files whose own headers say what they are.
    pub(super) const fn named(name: &'static str) -> Self {
        Self { name, remedy: KERNEL }
    }
}

/// The architecture of a kernel `Image` of the kind that ARM64 and RISC-V share, told by the mark at offset 56
/// (Documentation/arch/arm64/booting.rst, Documentation/arch/riscv/boot-image-header.rst).
pub(super) fn image_architecture(head: &[u8]) -> Option<super::Architecture> {
    match &array::<4>(head, 56)? {
        b"ARM\x64" => Some(super::Architecture::Aarch64),
        b"RSC\x05" => Some(super::Architecture::Riscv64),
        _ => None,
    }
}
