//! What kernels and initramfs are read from: a file of their own, or a storage, such as the member of a package where it
//! lies in its archive.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use ovum_disk::storage::{Plain, Storage, read_bytes};
use vm_memory::bitmap::BitmapSlice;
use vm_memory::{ReadVolatile, VolatileMemoryError, VolatileSlice};

/// How much of a storage is read at a time on its way to guest memory, in bytes.
const PIECE: usize = 64 << 10;

/// Bytes that can be read at any place.
#[derive(Debug)]
pub struct Input(Kind);

#[derive(Debug)]
enum Kind {
    File(File),
    Storage { storage: Arc<dyn Storage>, at: u64 },
}

impl Input {
    pub(crate) fn of_file(file: File) -> Self {
        Self(Kind::File(file))
    }

    pub(crate) fn of_storage(storage: Arc<dyn Storage>) -> Self {
        Self(Kind::Storage { storage, at: 0 })
    }

    /// The file that holds these bytes as they are, and where in it they lie if they are not all of it.
    pub(crate) fn plain(&self) -> Option<(&File, Option<Range<u64>>)> {
        match &self.0 {
            Kind::File(file) => Some((file, None)),
            Kind::Storage { storage, .. } => {
                let Plain { file, start } = storage.plain()?;
                Some((file, Some(start..start.checked_add(storage.size())?)))
            }
        }
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::File(file) => file.read(into),
            Kind::Storage { storage, at } => {
                let left = usize::try_from(storage.size().saturating_sub(*at)).unwrap_or(usize::MAX);
                let len = into.len().min(left);
                read_bytes(storage.as_ref(), *at, into.get_mut(..len).unwrap_or_default())?;
                *at += len as u64;
                Ok(len)
            }
        }
    }
}

impl Seek for Input {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.0 {
            Kind::File(file) => file.seek(to),
            Kind::Storage { storage, at } => {
                let target = match to {
                    SeekFrom::Start(offset) => Some(offset),
                    SeekFrom::End(distance) => storage.size().checked_add_signed(distance),
                    SeekFrom::Current(distance) => at.checked_add_signed(distance),
                };
                *at = target.ok_or(io::ErrorKind::InvalidInput)?;
                Ok(*at)
            }
        }
    }
}

impl ReadVolatile for Input {
    fn read_volatile<B: BitmapSlice>(&mut self, into: &mut VolatileSlice<'_, B>) -> Result<usize, VolatileMemoryError> {
        if let Kind::File(file) = &mut self.0 {
            return file.read_volatile(into);
        }
        // As much as there is: who reads into guest memory takes less than was asked for as the end.
        let mut piece = vec![0; into.len().min(PIECE)];
        let mut done = 0;
        while done < into.len() {
            let wanted = piece.len().min(into.len() - done);
            let len = self.read(piece.get_mut(..wanted).unwrap_or_default()).map_err(VolatileMemoryError::IOError)?;
            if len == 0 {
                break;
            }
            into.subslice(done, len)?.copy_from(piece.get(..len).unwrap_or_default());
            done += len;
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ovum_disk::Access;
    use ovum_disk::storage::{FileStorage, Part};

    use super::*;

    #[test]
    fn a_part_of_a_file_is_read_from_its_own_beginning_to_its_own_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        file.write_all(&bytes).unwrap();
        let whole = FileStorage::open(file.path(), Access::ReadOnly).unwrap();
        let part: Arc<dyn Storage> = Arc::new(Part::new("part", Arc::new(whole), 1000..300_000).unwrap());
        let mut input = Input::of_storage(part);
        assert_eq!(input.plain().and_then(|(_, range)| range), Some(1000..300_000));

        let mut read = Vec::new();
        input.read_to_end(&mut read).unwrap();
        assert!(read == bytes[1000..300_000]);
        assert_eq!(input.read(&mut [0]).unwrap(), 0);

        assert_eq!(input.seek(SeekFrom::End(-8)).unwrap(), 298_992);
        let mut rest = [1; 20];
        assert_eq!(input.read_volatile(&mut VolatileSlice::from(&mut rest[..])).unwrap(), 8, "up to the end");
        input.seek(SeekFrom::End(-8)).unwrap();
        let mut tail = [0; 8];
        input.read_exact_volatile(&mut VolatileSlice::from(&mut tail[..])).unwrap();
        assert_eq!(tail, bytes[299_992..300_000]);
        assert!(input.seek(SeekFrom::Current(-300_000)).is_err());
        input.seek(SeekFrom::Start(100)).unwrap();
        let mut long = vec![0; 200_000];
        let len = input.read_volatile(&mut VolatileSlice::from(&mut long[..])).unwrap();
        assert_eq!(len, 200_000, "all of it at once, as from a file");
        assert!(long == bytes[1100..201_100], "longer than a piece");
    }
}
