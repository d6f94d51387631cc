//! Regular files and block devices, open and locked.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vm_memory::VolatileSlice;

use super::{Plain, Storage, read_only};
use crate::buffers::total;
use crate::lock::{self, LockError};
use crate::sys::{self, Direction, MAX_BUFFERS};
use crate::{Access, OpenError, OpenErrorKind, Topology};

/// How much is written at a time where a range has to be zeroed by hand, in bytes.
const ZERO_BUFFER: usize = 64 * 1024;

/// A file or block device, open and locked for as long as this lives.
#[derive(Debug)]
pub struct FileStorage {
    path: PathBuf,
    file: Arc<File>,
    size: AtomicU64,
    topology: Topology,
    /// Block devices cannot grow.
    growable: bool,
    read_only: bool,
}

impl FileStorage {
    /// Opens and locks the file or block device at `path`, without ever waiting for anybody.
    ///
    /// # Errors
    /// [`OpenError`], see [`OpenErrorKind`] for the cases.
    pub fn open(path: &Path, access: Access) -> Result<Self, OpenError> {
        let io_error = |error| OpenError::from_io(path, error);
        // Looked at before it is opened, because opening a pipe or a tape is noticed by others; and again afterwards,
        // because the name may have come to stand for something else.
        let metadata = std::fs::metadata(path).map_err(io_error)?;
        check_type(path, &metadata)?;
        // For a block device, and for nothing else, this claims it as a mount does, or fails if somebody else did
        // (open(2)); what only reads it beside a mount does no harm.
        let claim =
            if metadata.file_type().is_block_device() && access == Access::ReadWrite { libc::O_EXCL } else { 0 };
        let file = OpenOptions::new()
            .read(true)
            .write(access == Access::ReadWrite)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | claim)
            .open(path)
            .map_err(io_error)?;
        Self::from_file(file, path, access)
    }

    /// Creates an empty file at `path`, where nothing may be yet, and locks it for writing.
    ///
    /// # Errors
    /// [`OpenErrorKind::Exists`] and whatever the host says.
    pub fn create(path: &Path) -> Result<Self, OpenError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .custom_flags(libc::O_NOCTTY)
            .open(path)
            .map_err(|error| OpenError::from_io(path, error))?;
        Self::from_file(file, path, Access::ReadWrite)
    }

    /// A file that has no name and is gone with this value, in the folder for temporary files.
    ///
    /// # Errors
    /// Whatever the host says.
    pub fn unnamed(folder: &Path) -> Result<Self, OpenError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_TMPFILE)
            .open(folder)
            .map_err(|error| OpenError::from_io(folder, error))?;
        Self::from_file(file, folder, Access::ReadWrite)
    }

    /// Locks `file`, which is open for `access` and is called `path` in messages.
    pub(crate) fn from_file(mut file: File, path: &Path, access: Access) -> Result<Self, OpenError> {
        let io_error = |error| OpenError::from_io(path, error);
        let refuse = |kind| Err(OpenError::new(path, kind));
        let metadata = file.metadata().map_err(io_error)?;
        check_type(path, &metadata)?;
        match lock::acquire(&file, access) {
            Ok(()) => (),
            Err(LockError::Held) => return refuse(OpenErrorKind::Locked),
            Err(LockError::Unsupported(error)) => return refuse(OpenErrorKind::NoLocks(error)),
        }
        // The size in a block device's metadata is 0; its end is where a seek to the end arrives.
        let size = file.seek(SeekFrom::End(0)).map_err(io_error)?;
        let is_device = metadata.file_type().is_block_device();
        let topology = if is_device { sys::topology(&file).map_err(io_error)? } else { Topology::uniform(512) };
        Ok(Self {
            path: path.to_owned(),
            file: Arc::new(file),
            size: AtomicU64::new(size),
            topology,
            growable: !is_device,
            read_only: access == Access::ReadOnly,
        })
    }

    /// The file itself.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The units in which the medium below likes to be used: those of a block device, or of any file.
    #[must_use]
    pub fn topology(&self) -> Topology {
        self.topology
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.read_only { Err(read_only()) } else { Ok(()) }
    }

    /// Checks that a range can be changed, and returns its length.
    fn check_change(&self, range: &Range<u64>) -> io::Result<u64> {
        self.check_writable()?;
        if range.end > self.size() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(range.end.saturating_sub(range.start))
    }

    /// Moves all of `buffers`.
    fn transfer(&self, direction: Direction, offset: u64, buffers: &[VolatileSlice<'_>]) -> io::Result<()> {
        transfer_all(direction, offset, buffers, |offset, buffers, skip| {
            sys::transfer(&self.file, direction, offset, buffers, skip)
        })
    }

    /// Writes zeroes the slow way, for file systems that cannot be asked to.
    fn zero_by_hand(&self, range: Range<u64>) -> io::Result<()> {
        let mut zeroes = vec![0; ZERO_BUFFER];
        let zeroes = VolatileSlice::from(zeroes.as_mut_slice());
        let mut offset = range.start;
        while offset < range.end {
            let len = usize::try_from(range.end - offset).unwrap_or(usize::MAX);
            // One and the same buffer, many times over, makes one call of up to 64 MiB.
            let mut buffers = vec![zeroes; (len / ZERO_BUFFER).min(MAX_BUFFERS - 1)];
            if buffers.len() < MAX_BUFFERS - 1 {
                buffers.extend(zeroes.subslice(0, len % ZERO_BUFFER));
            }
            self.transfer(Direction::Write, offset, &buffers)?;
            offset += total(&buffers);
        }
        Ok(())
    }
}

impl Drop for FileStorage {
    fn drop(&mut self) {
        lock::release(&self.file);
    }
}

impl Storage for FileStorage {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        self.transfer(Direction::Read, offset, into)
    }

    fn write_at(&self, offset: u64, from: &[VolatileSlice<'_>]) -> io::Result<()> {
        self.check_writable()?;
        let end = offset.checked_add(total(from)).ok_or(io::ErrorKind::InvalidInput)?;
        if end > self.size() && !self.growable {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.transfer(Direction::Write, offset, from)?;
        self.size.fetch_max(end, Ordering::AcqRel);
        Ok(())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.check_writable()?;
        self.file.set_len(size)?;
        self.size.store(size, Ordering::Release);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        // The data, and what is needed to find it: a size that has changed, among others.
        self.file.sync_data()
    }

    fn discard(&self, range: Range<u64>) -> io::Result<()> {
        let len = self.check_change(&range)?;
        if len == 0 {
            return Ok(());
        }
        match sys::fallocate(&self.file, libc::FALLOC_FL_PUNCH_HOLE, range.start, len) {
            // A hint to a medium that takes none.
            Err(error) if is_refusal(&error) => Ok(()),
            result => result,
        }
    }

    fn write_zeroes(&self, range: Range<u64>, may_unmap: bool) -> io::Result<()> {
        let len = self.check_change(&range)?;
        if len == 0 {
            return Ok(());
        }
        let modes = [libc::FALLOC_FL_PUNCH_HOLE, libc::FALLOC_FL_ZERO_RANGE];
        for mode in modes.into_iter().skip(usize::from(!may_unmap)) {
            match sys::fallocate(&self.file, mode, range.start, len) {
                Err(error) if is_refusal(&error) => (),
                result => return result,
            }
        }
        self.zero_by_hand(range)
    }

    fn data_after(&self, offset: u64) -> io::Result<Range<u64>> {
        let size = self.size();
        let Some(start) = sys::seek(&self.file, offset, libc::SEEK_DATA)? else { return Ok(size..size) };
        let end = sys::seek(&self.file, start, libc::SEEK_HOLE)?.unwrap_or(size);
        Ok(start.min(size)..end.min(size))
    }

    fn plain(&self) -> Option<Plain<'_>> {
        Some(Plain { file: &self.file, start: 0 })
    }
}

/// Moves all of `buffers`, in as many calls of `transfer` as it takes: each is given an offset on the disk, the buffers
/// that are left and how many bytes of the first one to skip, and returns how many bytes it moved.
fn transfer_all(
    direction: Direction,
    mut offset: u64,
    mut buffers: &[VolatileSlice<'_>],
    mut transfer: impl FnMut(u64, &[VolatileSlice<'_>], usize) -> io::Result<usize>,
) -> io::Result<()> {
    // Bytes of the first buffer that are moved already.
    let mut done = 0;
    loop {
        while let Some((first, rest)) = buffers.split_first() {
            if done < first.len() {
                break;
            }
            done -= first.len();
            buffers = rest;
        }
        if buffers.is_empty() {
            return Ok(());
        }
        match transfer(offset, buffers, done) {
            // The file was cut while it was in use, or the device is full.
            Ok(0) if direction == Direction::Read => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(moved) => {
                done += moved;
                offset += moved as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
}

/// Whether a file system or device said that it does not know the operation, or not at this alignment.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::ENODEV | libc::EINVAL))
}

/// Refuses everything but regular files and block devices.
fn check_type(path: &Path, metadata: &Metadata) -> Result<(), OpenError> {
    match other_type(metadata.file_type()) {
        None => Ok(()),
        Some(what) => Err(OpenError::new(path, OpenErrorKind::NotADisk(what))),
    }
}

/// What a file is if it cannot be a disk.
fn other_type(file_type: FileType) -> Option<&'static str> {
    if file_type.is_file() || file_type.is_block_device() {
        None
    } else if file_type.is_dir() {
        Some("a directory")
    } else if file_type.is_fifo() {
        Some("a pipe")
    } else if file_type.is_socket() {
        Some("a socket")
    } else {
        Some("a character device")
    }
}

#[cfg(test)]
mod tests;
