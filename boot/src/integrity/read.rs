//! Reading a file once, from its beginning to its end.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use ovum_disk::storage::{Storage, read_bytes};

/// How much is read at a time, in bytes.
const PIECE: usize = 1 << 20;
/// What the host's file systems and devices want reads that pass by the page cache to begin and end at, in bytes.
const ALIGNMENT: usize = 4096;

/// Memory to read into, used again for every file.
pub(super) struct Buffer(Vec<u8>);

impl Buffer {
    pub(super) fn new() -> Self {
        Self(vec![0; PIECE + ALIGNMENT])
    }

    /// As much of it as is read at a time, from an address on that the host accepts for every read.
    fn aligned(&mut self) -> &mut [u8] {
        let skip = self.0.as_ptr().align_offset(ALIGNMENT);
        self.0.get_mut(skip..).and_then(|buffer| buffer.get_mut(..PIECE)).unwrap_or_default()
    }
}

/// Bytes that are read in order.
pub(super) struct Source<'s> {
    storage: &'s dyn Storage,
    /// Of what is read next, in the storage.
    offset: u64,
    /// The file below and where the storage begins in it, for reads that pass by the page cache.
    direct: Option<(File, u64)>,
}

impl<'s> Source<'s> {
    /// Reads through the page cache, which is fast for what was just fetched.
    pub(super) fn cached(storage: &'s dyn Storage) -> Self {
        Self { storage, offset: 0, direct: None }
    }

    /// Leaves the page cache to others, where the file system can do that.
    pub(super) fn direct(storage: &'s dyn Storage) -> Self {
        let direct = storage.plain().and_then(|plain| {
            // A description of its own, because flags belong to it; by the entry in /proc, because the name may stand for
            // something else by now.
            let own = format!("/proc/self/fd/{}", plain.file.as_raw_fd());
            let file = File::options().read(true).custom_flags(libc::O_DIRECT | libc::O_CLOEXEC).open(own).ok()?;
            Some((file, plain.start))
        });
        Self { storage, offset: 0, direct }
    }

    /// The bytes that come next; none at the end.
    pub(super) fn next<'b>(&mut self, buffer: &'b mut Buffer) -> io::Result<&'b [u8]> {
        let left = self.storage.size().saturating_sub(self.offset);
        if left == 0 {
            return Ok(&[]);
        }
        let buffer = buffer.aligned();
        if let Some((file, start)) = &self.direct {
            match direct_read(file, start + self.offset, left, buffer) {
                Ok((skip, len)) => {
                    self.offset += len as u64;
                    return Ok(buffer.get(skip..skip + len).unwrap_or_default());
                }
                // Some file systems say so only now.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.direct = None,
                Err(error) => return Err(error),
            }
        }
        let len = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let piece = buffer.get_mut(..len).unwrap_or_default();
        read_bytes(self.storage, self.offset, piece)?;
        self.offset += len as u64;
        Ok(piece)
    }
}

/// Reads from `offset` on, at most `left` bytes; gives where in `buffer` they begin and how many they are, which is at least
/// one.
fn direct_read(file: &File, offset: u64, left: u64, buffer: &mut [u8]) -> io::Result<(usize, usize)> {
    let from = offset - offset % ALIGNMENT as u64;
    let skip = usize::try_from(offset - from).unwrap_or_default();
    loop {
        match file.read_at(buffer, from) {
            Ok(read) if read > skip => {
                return Ok((skip, (read - skip).min(usize::try_from(left).unwrap_or(usize::MAX))));
            }
            Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ovum_disk::Access;
    use ovum_disk::storage::{FileStorage, Part};

    use super::*;

    #[test]
    fn both_ways_give_the_same_bytes_from_any_place() {
        // In the build's own folder: others may be in memory, where direct reads are not possible.
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = dir.path().join("file");
        let bytes: Vec<u8> = (0..3_000_001_u32).map(|n| n.to_le_bytes()[usize::from(n % 3 == 0)]).collect();
        std::fs::write(&path, &bytes).unwrap();
        let whole: Arc<dyn Storage> = Arc::new(FileStorage::open(&path, Access::ReadOnly).unwrap());
        let mut buffer = Buffer::new();
        for range in [0..3_000_001, 512..3_000_000, 4096..4097, 1_048_575..2_097_153, 7..7] {
            let part = Part::new("part", Arc::clone(&whole), range.start..range.end).unwrap();
            for mut source in [Source::cached(&part), Source::direct(&part)] {
                let mut found = vec![];
                loop {
                    match source.next(&mut buffer).unwrap() {
                        [] => break,
                        piece => found.extend_from_slice(piece),
                    }
                }
                let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
                assert!(found == bytes[range.clone()], "{range:?}");
            }
        }
        let part = Part::new("part", Arc::clone(&whole), 0..3_000_001).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(4096).unwrap();
        for mut source in [Source::cached(&part), Source::direct(&part)] {
            let mut result = Ok(());
            for _ in 0..3 {
                result = result.and(source.next(&mut buffer).map(drop));
            }
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
