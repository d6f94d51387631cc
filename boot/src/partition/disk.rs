//! A disk as a storage that is only read, and reads that are cut into pieces.

use std::fmt;
use std::io;
use std::sync::Arc;

use ovum_disk::Disk;
use ovum_disk::storage::Storage;
use vm_memory::VolatileSlice;

/// The bytes of a [`Disk`], whatever its image's format; only read.
pub struct DiskBytes {
    name: String,
    disk: Arc<dyn Disk>,
}

impl DiskBytes {
    /// The bytes of `disk`, called `name` in messages.
    #[must_use]
    pub fn new(name: &str, disk: Arc<dyn Disk>) -> Self {
        Self { name: name.to_owned(), disk }
    }
}

impl fmt::Debug for DiskBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskBytes").field("name", &self.name).field("size", &self.disk.size()).finish()
    }
}

impl Storage for DiskBytes {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        let len = total(into);
        match offset.checked_add(len) {
            Some(end) if end <= self.disk.size() => self.disk.read_at(offset, into),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// How many bytes `buffers` have together.
pub(super) fn total(buffers: &[VolatileSlice<'_>]) -> u64 {
    buffers.iter().map(|buffer| buffer.len() as u64).sum()
}

/// Calls `read` with piece after piece of `into`, none longer than `longest` says for the offset where it begins.
pub(super) fn in_pieces(
    mut offset: u64,
    into: &[VolatileSlice<'_>],
    longest: impl Fn(u64) -> u64,
    read: impl Fn(u64, VolatileSlice<'_>) -> io::Result<()>,
) -> io::Result<()> {
    for buffer in into {
        let mut done = 0;
        while done < buffer.len() {
            let room = usize::try_from(longest(offset)).unwrap_or(usize::MAX);
            let len = room.min(buffer.len() - done);
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            read(offset, buffer.subslice(done, len).map_err(io::Error::other)?)?;
            done += len;
            offset = offset.checked_add(len as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        }
    }
    Ok(())
}
