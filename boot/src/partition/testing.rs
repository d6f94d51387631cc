//! Disks with partition tables, made by hand: for tests and seeds.

/// The unit of all that is made here, in bytes.
const SECTOR: usize = 512;
/// Sectors that the GPT takes at either end: header and 128 entries of 128 bytes.
const TABLE: usize = 33;

/// A partition to be made.
#[derive(Debug, Clone)]
pub struct TestPartition {
    /// Its type: the GUID's bytes as they stand on the disk.
    pub kind: [u8; 16],
    /// Its own GUID's bytes.
    pub guid: [u8; 16],
    /// The name that GPT gives it.
    pub label: String,
    /// What is in it; filled up to whole sectors.
    pub content: Vec<u8>,
}

/// The bytes of a GUID on a disk, from its text.
#[must_use]
pub fn guid(text: &str) -> [u8; 16] {
    let digits: Vec<u32> = text.chars().filter_map(|character| character.to_digit(16)).collect();
    let bytes: Vec<u8> = digits
        .chunks(2)
        .filter_map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + digit).try_into().ok())
        .collect();
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    order.map(|index: usize| bytes.get(index).copied().unwrap_or(0))
}

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + what.len()) {
        place.copy_from_slice(what);
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A disk with a GPT at both ends, the partitions one after the other.
#[must_use]
pub fn gpt(partitions: &[TestPartition]) -> Vec<u8> {
    let mut entries = vec![0; 128 * 128];
    let mut data = Vec::new();
    let mut lba = 1 + TABLE;
    for (index, partition) in partitions.iter().enumerate() {
        let sectors = partition.content.len().div_ceil(SECTOR).max(1);
        let at = index * 128;
        put(&mut entries, at, &partition.kind);
        put(&mut entries, at + 16, &partition.guid);
        put(&mut entries, at + 32, &(lba as u64).to_le_bytes());
        put(&mut entries, at + 40, &((lba + sectors - 1) as u64).to_le_bytes());
        let label: Vec<u8> = partition.label.encode_utf16().take(36).flat_map(u16::to_le_bytes).collect();
        put(&mut entries, at + 56, &label);
        data.extend_from_slice(&partition.content);
        lba += sectors;
        data.resize((lba - 1 - TABLE) * SECTOR, 0);
    }
    let last = lba + TABLE - 1;
    let mut disk = protective(last);
    disk.extend(header(1, last, 2, lba - 1, &entries));
    disk.extend_from_slice(&entries);
    disk.extend(data);
    disk.extend_from_slice(&entries);
    disk.extend(header(last, 1, lba, lba - 1, &entries));
    disk
}

fn protective(last: usize) -> Vec<u8> {
    let mut sector = vec![0; SECTOR];
    put(&mut sector, 446 + 4, &[0xee]);
    put(&mut sector, 446 + 8, &1_u32.to_le_bytes());
    put(&mut sector, 446 + 12, &small(last).to_le_bytes());
    put(&mut sector, 510, &[0x55, 0xaa]);
    sector
}

fn header(lba: usize, other: usize, entries_at: usize, last_usable: usize, entries: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; SECTOR];
    put(&mut bytes, 0, b"EFI PART\0\0\x01\0");
    put(&mut bytes, 12, &92_u32.to_le_bytes());
    for (at, number) in [(24, lba), (32, other), (40, 1 + TABLE), (48, last_usable), (72, entries_at)] {
        put(&mut bytes, at, &(number as u64).to_le_bytes());
    }
    put(&mut bytes, 80, &128_u32.to_le_bytes());
    put(&mut bytes, 84, &128_u32.to_le_bytes());
    put(&mut bytes, 88, &crc32fast::hash(entries).to_le_bytes());
    let sum = crc32fast::hash(bytes.get(..92).unwrap_or_default());
    put(&mut bytes, 16, &sum.to_le_bytes());
    bytes
}

/// Writes an entry of an MBR, or of a record in an extended partition, into the sector at `sector`.
pub fn mbr_entry(disk: &mut [u8], sector: usize, index: usize, kind: u8, start: u32, sectors: u32) {
    let at = sector * SECTOR + 446 + 16 * index;
    put(disk, at + 4, &[kind]);
    put(disk, at + 8, &start.to_le_bytes());
    put(disk, at + 12, &sectors.to_le_bytes());
    put(disk, sector * SECTOR + 510, &[0x55, 0xaa]);
}

/// Writes the signature of an MBR.
pub fn mbr_signature(disk: &mut [u8], signature: u32) {
    put(disk, 440, &signature.to_le_bytes());
}

/// An LVM2 physical volume of `size` bytes with the UUID `uuid` (32 letters) and the text of its group. Its first extent
/// begins at 64 KiB, and `split` bytes before the ring's end the text begins.
#[must_use]
pub fn physical_volume(uuid: &[u8; 32], text: &str, size: usize, split: usize) -> Vec<u8> {
    const AREA: usize = 4096;
    const AREA_SIZE: usize = 61_440;
    let mut volume = vec![0; size];
    let mut label = vec![0; SECTOR];
    put(&mut label, 0, b"LABELONE");
    put(&mut label, 8, &1_u64.to_le_bytes());
    put(&mut label, 20, &32_u32.to_le_bytes());
    put(&mut label, 24, b"LVM2 001");
    put(&mut label, 32, uuid);
    let fields = [size, 65_536, 0, 0, 0, AREA, AREA_SIZE, 0, 0];
    for (index, field) in fields.iter().enumerate() {
        put(&mut label, 64 + 8 * index, &(*field as u64).to_le_bytes());
    }
    let sum = super::lvm::checksum(label.get(20..).unwrap_or_default());
    put(&mut label, 16, &sum.to_le_bytes());
    put(&mut volume, SECTOR, &label);

    let at = AREA_SIZE - split;
    let mut head = vec![0; SECTOR];
    put(&mut head, 4, b" LVM2 x[5A%r0N*>\x01\0\0\0");
    for (place, field) in [(24, AREA), (32, AREA_SIZE), (40, at), (48, text.len())] {
        put(&mut head, place, &(field as u64).to_le_bytes());
    }
    put(&mut head, 56, &super::lvm::checksum(text.as_bytes()).to_le_bytes());
    let sum = super::lvm::checksum(head.get(4..).unwrap_or_default());
    put(&mut head, 0, &sum.to_le_bytes());
    put(&mut volume, AREA, &head);
    let (front, rest) = text.as_bytes().split_at(split.min(text.len()));
    put(&mut volume, AREA + at, front);
    put(&mut volume, AREA + SECTOR, rest);
    volume
}
