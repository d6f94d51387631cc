//! Several initramfs archives as one: how a boot loader hands them over.

use std::io;
use std::sync::Arc;

use ovum_disk::storage::Storage;
use vm_memory::VolatileSlice;

use super::Part;

/// Each archive begins at a multiple of this, in bytes, with zeroes before it (Linux, initramfs buffer format).
const ALIGNMENT: u64 = 4;

/// All of `parts`, one behind the other; nothing where there are none.
#[must_use]
pub fn joined(parts: &[Part]) -> Option<Arc<dyn Storage>> {
    match parts {
        [] => None,
        [only] => Some(Arc::clone(&only.storage)),
        many => Some(Arc::new(Joined { parts: many.to_vec() })),
    }
}

#[derive(Debug)]
struct Joined {
    parts: Vec<Part>,
}

impl Joined {
    /// Where each part begins.
    fn places(&self) -> impl Iterator<Item = (u64, &Part)> {
        self.parts.iter().scan(0u64, |next, part| {
            let start = *next;
            *next = start.saturating_add(padded(part.storage.size()));
            Some((start, part))
        })
    }
}

fn padded(size: u64) -> u64 {
    size.checked_next_multiple_of(ALIGNMENT).unwrap_or(u64::MAX)
}

impl Storage for Joined {
    fn name(&self) -> String {
        self.parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join(" + ")
    }

    fn size(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(padded(part.storage.size())))
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        let mut at = offset;
        for slice in into {
            let mut done = 0;
            while done < slice.len() {
                let left = slice.subslice(done, slice.len() - done).map_err(io::Error::other)?;
                let len = self.read_one(at, &left)?;
                done += len;
                at = at.saturating_add(len as u64);
            }
        }
        Ok(())
    }
}

impl Joined {
    /// Reads from one part, or from the zeroes behind it, and says how many bytes.
    fn read_one(&self, at: u64, into: &VolatileSlice<'_>) -> io::Result<usize> {
        let inside = |(start, part): &(u64, &Part)| at >= *start && at - start < padded(part.storage.size());
        let (start, part) = self.places().find(inside).ok_or(io::ErrorKind::UnexpectedEof)?;
        let (within, size) = (at - start, part.storage.size());
        let room = if within < size { size - within } else { padded(size) - within };
        let len = usize::try_from(room).unwrap_or(usize::MAX).min(into.len());
        let piece = into.subslice(0, len).map_err(io::Error::other)?;
        if within < size {
            part.storage.read_at(within, &[piece])?;
        } else {
            piece.copy_from(&vec![0u8; len]);
        }
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use ovum_disk::storage::read_bytes;
    use ovum_disk::storage::testing::Memory;

    use super::*;

    #[test]
    fn archives_begin_at_multiples_of_four() {
        let part = |bytes: &[u8]| Part { name: "initrd".into(), storage: Memory::new(bytes.to_vec()) };
        assert!(joined(&[]).is_none());
        let all = joined(&[part(b"early"), part(b"main!"), part(b"")]).unwrap();
        let mut bytes = [9; 16];
        read_bytes(all.as_ref(), 0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"early\0\0\0main!\0\0\0");
        read_bytes(all.as_ref(), 4, &mut bytes[..6]).unwrap();
        assert_eq!(&bytes[..6], b"y\0\0\0ma");
        assert!(read_bytes(all.as_ref(), 10, &mut bytes).is_err());
    }
}
