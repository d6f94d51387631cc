//! The boot sector, which says where everything is (Microsoft's FAT specification 1.03, "Boot Sector and BPB").

use super::super::volume::{Block, Volume};
use super::super::{FsError, label_text};

/// How wide the entries of the table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// 12 bits.
    Twelve,
    /// 16 bits.
    Sixteen,
    /// 32 bits, of which 28 count.
    ThirtyTwo,
}

/// Where things are; offsets and lengths in bytes.
#[derive(Debug)]
pub struct Geometry {
    /// How wide the entries of the table are.
    pub width: Width,
    /// Where the table is.
    pub table: u64,
    /// Where the root directory is that has a place of its own (FAT12 and FAT16).
    pub root: u64,
    /// How long that one is.
    pub root_len: u64,
    /// The root directory's first cluster (FAT32).
    pub root_cluster: u32,
    /// Where cluster 2 is, the first one.
    pub data: u64,
    /// The length of a cluster.
    pub cluster: u32,
    /// How many clusters there are; the last one has this number plus one.
    pub clusters: u32,
    /// The serial number, as blkid shows it.
    pub serial: Option<String>,
    /// The label that is not in the root directory.
    pub label: Option<String>,
}

impl Geometry {
    /// Reads the boot sector. FAT has no magic worth the name: `None` as soon as anything cannot be.
    pub fn read(volume: &Volume) -> Result<Option<Self>, FsError> {
        if volume.size() < 512 {
            return Ok(None);
        }
        let raw = volume.read(0, 512)?;
        let jumps = matches!(raw.array(0)?, [0xeb, _, 0x90] | [0xe9, ..]);
        let sector = u32::from(raw.le16(11)?);
        let per_cluster = u32::from(raw.u8(13)?);
        let (reserved, copies) = (u32::from(raw.le16(14)?), u32::from(raw.u8(16)?));
        let media = raw.u8(21)?;
        let sane = jumps
            && raw.le16(510)? == 0xaa55
            && (512..=4096).contains(&sector)
            && sector.is_power_of_two()
            && per_cluster.is_power_of_two()
            && reserved > 0
            && (1..=4).contains(&copies)
            && (media == 0xf0 || media >= 0xf8);
        if sane { Self::parse(&raw, sector, per_cluster) } else { Ok(None) }
    }

    fn parse(raw: &Block, sector: u32, per_cluster: u32) -> Result<Option<Self>, FsError> {
        let small = u32::from(raw.le16(22)?);
        let wide = small == 0;
        let table_sectors = if wide { raw.le32(36)? } else { small };
        let total = if raw.le16(19)? != 0 { u32::from(raw.le16(19)?) } else { raw.le32(32)? };
        let copies = u64::from(raw.u8(16)?);
        let root_len = u64::from(raw.le16(17)?) * 32;
        let sector = u64::from(sector);
        let table = u64::from(raw.le16(14)?) * sector;
        let table_len = u64::from(table_sectors) * sector;
        let root = table + copies * table_len;
        let data = root + root_len.next_multiple_of(sector);
        let room = (u64::from(total) * sector).checked_sub(data);
        let cluster = sector * u64::from(per_cluster);
        let Some(room) = room.filter(|_| table_sectors > 0 && wide == (root_len == 0)) else { return Ok(None) };
        let clusters = room / cluster;
        let width = match clusters {
            _ if wide => Width::ThirtyTwo,
            0..4085 => Width::Twelve,
            _ => Width::Sixteen,
        };
        // The table cannot speak of more clusters than it has entries.
        let entries = match width {
            Width::Twelve => table_len * 2 / 3,
            Width::Sixteen => table_len / 2,
            Width::ThirtyTwo => (table_len / 4).min(0x0fff_fff7),
        };
        let clusters = u32::try_from(clusters.min(entries.saturating_sub(2))).unwrap_or_default();
        // Of several tables one may be the only one that is kept up to date.
        let active = if wide && raw.le16(40)? & 0x80 != 0 { u64::from(raw.le16(40)? & 0xf) } else { 0 };
        let extension = if wide { 66 } else { 38 };
        let signed = raw.u8(extension)? == 0x29;
        let serial = raw.le32(extension + 1)?;
        let label = label_text(raw.slice(extension + 5..extension + 16)?).filter(|label| signed && label != "NO NAME");
        Ok(Some(Self {
            width,
            table: table + active.min(copies - 1) * table_len,
            root,
            root_len,
            root_cluster: if wide { raw.le32(44)? } else { 0 },
            data,
            cluster: u32::try_from(cluster).unwrap_or_default(),
            clusters,
            serial: signed.then(|| format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff)),
            label,
        }))
    }
}
