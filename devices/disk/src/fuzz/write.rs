//! An image that is changed in place, beside a model of it.

use std::sync::Arc;

use vm_memory::VolatileSlice;

use crate::storage::testing::Memory;
use crate::storage::{Alone, Neighbours, Storage};
use crate::{Access, Disk, Format, Image, open_storage};

/// How many changes an input begins with, and how many bytes each has.
const CHANGES: usize = 8;
const CHANGE: usize = 8;
/// Larger disks are changed without a model, in bytes.
const MODELLED: u64 = 1 << 20;

/// Takes the first 64 bytes of `bytes` as eight changes (kind, place, length) and makes them to the rest, a qcow2 image. What
/// was written must be what is read, at once, in the end, and when the image is opened again.
pub fn qcow2_write(bytes: &[u8]) {
    let Some((changes, image)) = bytes.split_at_checked(CHANGES * CHANGE) else { return };
    let storage = Memory::new(image.to_vec());
    let Some(image) = open(&storage, Access::ReadWrite) else { return };
    let mut model = if image.size() <= MODELLED { read(&image, 0, image.size()) } else { None };
    for (number, change) in changes.chunks_exact(CHANGE).enumerate() {
        let &[kind, a, b, c, d, e, f, shift] = change else { return };
        let place = u64::from(u32::from_le_bytes([a, b, c, d])) << if image.size() > 1 << 32 { 16 } else { 0 };
        let start = place.checked_rem(image.size()).unwrap_or_default();
        let len = (u64::from(u16::from_le_bytes([e, f])) << (shift % 6)).min(image.size() - start).min(MODELLED);
        let mark = 0x80 + u8::try_from(number).unwrap_or_default();
        let mut new = vec![if kind % 5 < 2 { mark } else { 0 }; usize::try_from(len).unwrap_or_default()];
        let result = match kind % 5 {
            0 | 1 => image.write_at(start, &[VolatileSlice::from(new.as_mut_slice())]),
            2 => image.write_zeroes(start..start + len, kind & 8 != 0),
            3 => image.discard(start..start + len),
            _ => {
                let _ = image.flush();
                continue;
            }
        };
        match (&mut model, result) {
            // A discard is a hint: of each byte, what was there or a zero.
            (Some(model), Ok(())) if kind % 5 == 3 => {
                let now = read(&image, 0, image.size()).unwrap_or_default();
                let range = start..start + len;
                let allowed = |(at, (was, is)): (u64, (&u8, &u8))| was == is || (*is == 0 && range.contains(&at));
                assert!(now.len() == model.len() && (0..).zip(model.iter().zip(&now)).all(allowed), "a discard");
                *model = now;
            }
            (Some(model), Ok(())) => {
                let start = usize::try_from(start).unwrap_or_default();
                model.iter_mut().skip(start).zip(&new).for_each(|(to, from)| *to = *from);
                assert!(read(&image, 0, image.size()).as_ref() == Some(model), "change {number} reads otherwise");
            }
            // Part of it may be done.
            _ => model = None,
        }
    }
    let closed = image.close().is_ok();
    drop(image);
    if let (Some(model), true) = (model, closed) {
        let again = open(&storage, Access::ReadOnly).and_then(|image| read(&image, 0, image.size()));
        assert!(again == Some(model), "it reads otherwise when it is opened again");
    }
}

fn open(storage: &Arc<Memory>, access: Access) -> Option<Arc<Image>> {
    let neighbours: Arc<dyn Neighbours> = Arc::new(Alone);
    let storage: Arc<dyn Storage> = Arc::<Memory>::clone(storage);
    open_storage(storage, &neighbours, Format::Qcow2, access).ok()
}

fn read(image: &Image, offset: u64, len: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0xee; usize::try_from(len).ok()?];
    image.read_at(offset, &[VolatileSlice::from(bytes.as_mut_slice())]).ok()?;
    Some(bytes)
}
