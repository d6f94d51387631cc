//! What a differencing image says of the one below it ("Dynamic Disk Header Format", Parent Locator Entries).

use crate::error::{Damage, LayoutError};
use crate::image::layout::{Parent, Stamp};
use crate::storage::{Storage, read_bytes};

use super::header::{Header, Locator};
use super::names::{add_windows, utf16};
use super::spec;

/// The parent that `header` names: relative names come first, as the other ones are from another machine.
pub fn read(storage: &dyn Storage, header: &Header) -> Result<Parent, LayoutError> {
    let mut names = Vec::new();
    for platform in [b"W2ru", b"W2ku", b"MacX"] {
        for locator in header.locators.iter().filter(|locator| locator.platform == *platform) {
            let bytes = data_of(storage, locator)?;
            let name = if platform == b"MacX" { from_url(&bytes) } else { utf16(units(&bytes, u16::from_le_bytes)) };
            name.into_iter().for_each(|name| add_windows(&mut names, &name));
        }
    }
    // Written in either order of bytes: big-endian by Microsoft's programs.
    if let Some(name) = utf16(units(&header.parent_name, u16::from_be_bytes)) {
        add_windows(&mut names, &name);
    }
    if names.is_empty() {
        let place = header.at + spec::header::LOCATORS as u64;
        return Err(Damage::new(storage, place, "Parent Locator Entry", "none of them has a name in it").into());
    }
    Ok(Parent { names, format: Some(crate::Format::Vhd), stamp: Some(Stamp::Uuid(header.parent_id)) })
}

fn data_of(storage: &dyn Storage, locator: &Locator) -> Result<Vec<u8>, LayoutError> {
    let inside = locator.offset.checked_add(locator.length.into()).is_some_and(|end| end <= storage.size());
    if locator.length > spec::LONGEST_LOCATOR || !inside {
        let problem = format!("{} bytes at {} are no name in this file", locator.length, locator.offset);
        return Err(Damage::new(storage, locator.at, "Parent Locator Entry", problem).into());
    }
    let mut bytes = vec![0; locator.length as usize];
    read_bytes(storage, locator.offset, &mut bytes)?;
    Ok(bytes)
}

fn units(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> impl Iterator<Item = u16> {
    bytes.chunks_exact(2).filter_map(move |pair| pair.try_into().ok().map(unit))
}

/// The path in a file URL ("Mac OS X ... a file URL in UTF-8 conforming to RFC 2396").
fn from_url(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\0');
    let text = match text.strip_prefix("file://") {
        Some(rest) => rest.get(rest.find('/')?..)?,
        None => text,
    };
    let mut path = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escaped = behind.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        path.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { behind.get(2..)? } else { behind };
    }
    utf16(String::from_utf8(path).ok()?.encode_utf16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_become_paths() {
        assert_eq!(from_url(b"file://localhost/Disks/my%20base.vhd").unwrap(), "/Disks/my base.vhd");
        assert_eq!(from_url(b"file:///a%zz%4").unwrap(), "/a%zz%4");
        assert_eq!(from_url(b"base.vhd\0\0").unwrap(), "base.vhd");
        assert_eq!(from_url(b"file://localhost"), None);
        assert_eq!(from_url(b"\xff"), None);
        assert_eq!(from_url(b"a%1b"), None, "control characters");
    }
}
