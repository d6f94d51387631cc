//! What is on a volume that has no file system that can be read: for the message, never to decide anything.

use ovum_disk::storage::{self, Storage};

/// Where, what stands there, and what that means. The strongest first.
const SIGNATURES: [(u64, &[u8], &str); 15] = [
    (0, b"LUKS\xba\xbe", "LUKS (encrypted)"),
    (3, b"-FVE-FS-", "BitLocker (encrypted)"),
    (3, b"NTFS    ", "NTFS (Windows)"),
    (3, b"EXFAT   ", "exFAT"),
    (512, b"LABELONE", "a physical volume of LVM"),
    (4096 - 10, b"SWAPSPACE2", "swap space"),
    (4096, b"\xfc\x4e\x2b\xa9", "a part of a software RAID"),
    (0, b"\xfc\x4e\x2b\xa9", "a part of a software RAID"),
    (0, b"XFSB", "XFS"),
    (65_536 + 64, b"_BHRfS_M", "btrfs"),
    (0, b"hsqs", "squashfs"),
    (1024, b"\x10\x20\xf5\xf2", "F2FS"),
    (65_536 + 52, b"ReIsEr", "ReiserFS"),
    (32_768, b"JFS1", "JFS"),
    (0x8001, b"CD001", "ISO 9660"),
];

/// The name of what is on `volume`; `None` if nothing is known of it.
pub(super) fn of(volume: &dyn Storage) -> Option<&'static str> {
    let is_there = |at: u64, magic: &[u8]| {
        let mut bytes = vec![0; magic.len()];
        at + magic.len() as u64 <= volume.size()
            && storage::read_bytes(volume, at, &mut bytes).is_ok()
            && bytes == magic
    };
    let found = SIGNATURES.iter().find(|(at, magic, _)| is_there(*at, magic));
    found.map(|(_, _, name)| *name).or_else(|| is_empty(volume).then_some("nothing (zeroes)"))
}

/// Whether the first bytes are all zero, which is as far as anyone looks.
fn is_empty(volume: &dyn Storage) -> bool {
    let mut bytes = vec![0; usize::try_from(volume.size().min(4096)).unwrap_or(0)];
    storage::read_bytes(volume, 0, &mut bytes).is_ok() && bytes.iter().all(|byte| *byte == 0)
}
