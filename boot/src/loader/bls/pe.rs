//! The sections of a PE image (Microsoft's PE format, "COFF File Header" and "Section Table"), as far as unified kernel
//! images need them.

use std::ops::Range;

use ovum_disk::storage::{self, Storage};

use crate::bytes::{array, u16_at, u32_at};

/// The most sections of an image.
const MAX_SECTIONS: u16 = 96;
/// A section's header, in bytes.
const SECTION: usize = 40;

/// A section: its name and where its bytes are in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub name: String,
    pub range: Range<u64>,
}

/// The sections of an image; `None` if it is none, or is cut off.
pub(crate) fn sections(image: &dyn Storage) -> Option<Vec<Section>> {
    let dos: [u8; 64] = storage::read_array(image, 0).ok()?;
    let start = u64::from(u32_at(&dos, 60).filter(|_| dos.starts_with(b"MZ"))?);
    let head: [u8; 24] = storage::read_array(image, start).ok()?;
    let count = u16_at(&head, 6).filter(|count| head.starts_with(b"PE\0\0") && *count <= MAX_SECTIONS)?;
    let optional = u64::from(u16_at(&head, 20)?);
    let mut table = vec![0; usize::from(count) * SECTION];
    storage::read_bytes(image, start + 24 + optional, &mut table).ok()?;
    table.chunks_exact(SECTION).map(|header| section(header, image.size())).collect()
}

fn section(header: &[u8], size: u64) -> Option<Section> {
    let name = array::<8>(header, 0)?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let [in_memory, in_file, start] = [u32_at(header, 8)?, u32_at(header, 16)?, u32_at(header, 20)?].map(u64::from);
    // What is in the file is rounded up; what is meant is as long as it is in memory.
    let len = if in_memory == 0 { in_file } else { in_file.min(in_memory) };
    let end = start.checked_add(len).filter(|end| *end <= size)?;
    Some(Section { name: String::from_utf8_lossy(name).into_owned(), range: start..end })
}
