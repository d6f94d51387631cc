//! What a differencing image says of the one below it ([MS-VHDX] 2.6.2.6).

use crate::error::{Damage, LayoutError};
use crate::image::layout::{Parent, Stamp};
use crate::storage::{Storage, read_array, read_bytes};
use crate::vhd::{add_windows, utf16};

use super::header::{Region, guid_of};
use super::spec::{self, LOCATOR_ENTRY_SIZE, LOCATOR_HEADER_SIZE, field, u16_at, u32_at};

/// The keys that are known: the parent's DataWriteGuid, and paths, best first (2.6.2.6.3).
const KEYS: [&str; 4] = ["parent_linkage", "relative_path", "volume_path", "absolute_win32_path"];
/// The longest of them, in bytes of UTF-16.
const LONGEST_KEY: u16 = 38;

/// The parent that the locator in `region` names.
pub fn read(storage: &dyn Storage, region: Region) -> Result<Parent, LayoutError> {
    let damage = |problem: String| Damage::new(storage, region.offset, "Parent Locator", problem);
    if (region.length as usize) < LOCATOR_HEADER_SIZE {
        return Err(damage(format!("{} bytes are too few", region.length)).into());
    }
    let header: [u8; LOCATOR_HEADER_SIZE] = read_array(storage, region.offset)?;
    if field(&header, 0) != spec::VHDX_LOCATOR {
        return Err(LayoutError::Unsupported {
            what: "its parent is not a VHDX image".into(),
            remedy: "merge it with its parent by the program that made it",
        });
    }
    let count = usize::from(u16_at(&header, spec::LOCATOR_COUNT));
    if LOCATOR_HEADER_SIZE + count * LOCATOR_ENTRY_SIZE > region.length as usize {
        return Err(damage(format!("{count} entries do not fit into {} bytes", region.length)).into());
    }
    let mut values = [const { None }; KEYS.len()];
    for number in 0..count {
        let at = region.offset + (LOCATOR_HEADER_SIZE + number * LOCATOR_ENTRY_SIZE) as u64;
        let entry: [u8; LOCATOR_ENTRY_SIZE] = read_array(storage, at)?;
        let (key_length, value_length) = (u16_at(&entry, 8), u16_at(&entry, 10));
        if key_length > LONGEST_KEY {
            continue;
        }
        let key = text(storage, region, at, u32_at(&entry, 0), key_length)?;
        let place = KEYS.iter().position(|known| Some(*known) == key.as_deref());
        if let Some(value) = place.and_then(|place| values.get_mut(place))
            && value.replace(text(storage, region, at, u32_at(&entry, 4), value_length)?).is_some()
        {
            return Err(Damage::new(storage, at, "Parent Locator Entry", "there is this key already").into());
        }
    }
    let [linkage, paths @ ..] = values;
    let linkage = linkage.flatten().and_then(|text| guid_of(&text));
    let linkage = linkage.ok_or_else(|| damage("it has no parent_linkage that is a GUID".into()))?;
    let mut names = Vec::new();
    paths.into_iter().flatten().flatten().for_each(|path| add_windows(&mut names, &path));
    if names.is_empty() {
        return Err(damage("it has no path".into()).into());
    }
    Ok(Parent { names, format: Some(crate::Format::Vhdx), stamp: Some(Stamp::Uuid(linkage)) })
}

/// The text of `length` bytes at `offset` in the locator; `None` if it is none.
fn text(
    storage: &dyn Storage,
    region: Region,
    at: u64,
    offset: u32,
    length: u16,
) -> Result<Option<String>, LayoutError> {
    if offset.checked_add(length.into()).is_none_or(|end| end > region.length) {
        let problem = format!("{length} bytes at {offset} are not in the locator of {} bytes", region.length);
        return Err(Damage::new(storage, at, "Parent Locator Entry", problem).into());
    }
    let mut bytes = vec![0; length.into()];
    read_bytes(storage, region.offset + u64::from(offset), &mut bytes)?;
    Ok(utf16(bytes.chunks_exact(2).map(|unit| u16_at(unit, 0))))
}
