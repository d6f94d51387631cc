//! Metadata: sizes, and what is below ([MS-VHDX] 2.6).

use crate::error::{Damage, LayoutError};
use crate::storage::{Storage, read_array, read_bytes};

use super::header::{Region, unknown};
use super::spec::{self, Guid, field, item, u16_at, u32_at};

/// What the metadata say, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// A payload block in bytes, a power of two.
    pub block_size: u32,
    /// Whether blocks stay where they are: so fixed images are told.
    pub is_fixed: bool,
    /// The disk's size in bytes, whole logical sectors.
    pub disk_size: u64,
    /// The unit of the sector bitmaps and of the disk, in bytes: 512 or 4096.
    pub sector_size: u32,
    /// The disk's own identifier, the same for all images of a chain.
    pub disk_id: Option<Guid>,
    /// Where the parent locator is, of an image that has a parent.
    pub parent: Option<Region>,
}

/// The items that are known, each with the place of its entry.
#[derive(Debug, Default)]
struct Items {
    parameters: Option<(u64, Region)>,
    disk_size: Option<(u64, Region)>,
    disk_id: Option<(u64, Region)>,
    logical_sector: Option<(u64, Region)>,
    physical_sector: Option<(u64, Region)>,
    parent: Option<(u64, Region)>,
}

impl Metadata {
    /// The metadata in `region`.
    pub fn read(storage: &dyn Storage, region: Region) -> Result<Self, LayoutError> {
        let items = Items::read(storage, region)?;
        let parameters: [u8; 8] = value(storage, region, "File Parameters", items.parameters)?;
        let disk_size = u64::from_le_bytes(value(storage, region, "Virtual Disk Size", items.disk_size)?);
        let sector = value(storage, region, "Logical Sector Size", items.logical_sector)?;
        let disk_id = match items.disk_id {
            Some(_) => Some(value(storage, region, "Virtual Disk ID", items.disk_id)?),
            None => None,
        };
        let flags = u32_at(&parameters, 4);
        let parent = match items.parent {
            _ if flags & spec::HAS_PARENT == 0 => None,
            Some((_, locator)) => Some(locator),
            None => return Err(missing(storage, region, "Parent Locator").into()),
        };
        let found = Self {
            block_size: u32_at(&parameters, 0),
            is_fixed: flags & spec::LEAVE_ALLOCATED != 0 && parent.is_none(),
            disk_size,
            sector_size: u32::from_le_bytes(sector),
            disk_id,
            parent,
        };
        found.check(storage, &items)?;
        Ok(found)
    }

    fn check(&self, storage: &dyn Storage, items: &Items) -> Result<(), Damage> {
        let damage = |item: Option<(u64, Region)>, field, problem: String| {
            Err(Damage::new(storage, item.map_or(0, |(_, region)| region.offset), field, problem))
        };
        let sizes = spec::SMALLEST_BLOCK..=spec::LARGEST_BLOCK;
        if !self.block_size.is_power_of_two() || !sizes.contains(&self.block_size) {
            let problem =
                format!("{} bytes are no power of two from {} to {}", self.block_size, sizes.start(), sizes.end());
            return damage(items.parameters, "BlockSize", problem);
        }
        if !matches!(self.sector_size, 512 | 4096) {
            let problem = format!("{} bytes are neither 512 nor 4096", self.sector_size);
            return damage(items.logical_sector, "LogicalSectorSize", problem);
        }
        if self.disk_size > spec::LARGEST_DISK || !self.disk_size.is_multiple_of(self.sector_size.into()) {
            let problem = format!("{} bytes are more than 64 TiB, or no whole sectors", self.disk_size);
            return damage(items.disk_size, "VirtualDiskSize", problem);
        }
        Ok(())
    }
}

impl Items {
    fn read(storage: &dyn Storage, region: Region) -> Result<Self, LayoutError> {
        let mut bytes = vec![0; spec::METADATA_TABLE_SIZE];
        let at = region.offset;
        if (region.length as usize) < bytes.len() {
            return Err(Damage::new(storage, at, "Metadata Table", "its region is too short for it").into());
        }
        read_bytes(storage, at, &mut bytes)?;
        if !bytes.starts_with(&spec::METADATA_MAGIC) {
            return Err(Damage::new(storage, at, "Signature of the metadata", "it is not \"metadata\"").into());
        }
        let count = u16_at(&bytes, spec::METADATA_COUNT);
        if u32::from(count) > spec::MOST_ENTRIES {
            let place = at + spec::METADATA_COUNT as u64;
            return Err(Damage::new(storage, place, "EntryCount", format!("{count} entries are too many")).into());
        }
        let mut items = Self::default();
        let entries = bytes.get(spec::METADATA_ENTRIES..).unwrap_or_default().chunks_exact(spec::ENTRY_SIZE);
        for (number, entry) in entries.take(count.into()).enumerate() {
            let place = at + (spec::METADATA_ENTRIES + number * spec::ENTRY_SIZE) as u64;
            let flags = u32_at(entry, item::FLAGS);
            let id = field(entry, 0);
            let known = items.known(id).filter(|_| flags & item::IS_USER == 0);
            let Some(known) = known else {
                if flags & item::IS_REQUIRED != 0 {
                    return Err(unknown("metadata item", id));
                }
                continue;
            };
            let inside = inside(storage, region, place, entry)?;
            if known.replace((place, inside)).is_some() {
                return Err(Damage::new(storage, place, "ItemId", "there is such an item already").into());
            }
        }
        Ok(items)
    }

    fn known(&mut self, id: Guid) -> Option<&mut Option<(u64, Region)>> {
        Some(match id {
            spec::FILE_PARAMETERS => &mut self.parameters,
            spec::DISK_SIZE => &mut self.disk_size,
            spec::DISK_ID => &mut self.disk_id,
            spec::LOGICAL_SECTOR => &mut self.logical_sector,
            spec::PHYSICAL_SECTOR => &mut self.physical_sector,
            spec::PARENT_LOCATOR => &mut self.parent,
            _ => return None,
        })
    }
}

/// The value of an item that has one size only.
fn value<const N: usize>(
    storage: &dyn Storage,
    region: Region,
    name: &'static str,
    item: Option<(u64, Region)>,
) -> Result<[u8; N], LayoutError> {
    let (place, found) = item.ok_or_else(|| missing(storage, region, name))?;
    if (found.length as usize) < N {
        let problem = format!("{} bytes are too few", found.length);
        return Err(Damage::new(storage, place + item::LENGTH as u64, name, problem).into());
    }
    Ok(read_array(storage, found.offset)?)
}

fn missing(storage: &dyn Storage, region: Region, name: &'static str) -> Damage {
    Damage::new(storage, region.offset, "Metadata Table", format!("it has no {name}"))
}

/// Where the item of an entry is in the file.
fn inside(storage: &dyn Storage, region: Region, place: u64, entry: &[u8]) -> Result<Region, Damage> {
    let (offset, length) = (u32_at(entry, item::OFFSET), u32_at(entry, item::LENGTH));
    let end = offset.checked_add(length).filter(|end| *end <= region.length);
    if end.is_none() || length > spec::LONGEST_ITEM || (offset as usize) < spec::METADATA_TABLE_SIZE {
        let problem = format!("{length} bytes at {offset} are no item of a region of {} bytes", region.length);
        return Err(Damage::new(storage, place + item::OFFSET as u64, "Offset of a metadata item", problem));
    }
    Ok(Region { offset: region.offset + u64::from(offset), length })
}
