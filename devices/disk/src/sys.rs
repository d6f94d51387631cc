//! The system calls that the standard library does not offer.
#![allow(unsafe_code)] // vectored I/O on guest memory, fallocate, locks and one ioctl: each block says why it is sound

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use vm_memory::VolatileSlice;

use crate::Topology;

/// Linux takes at most this many buffers in one call (IOV_MAX in limits.h).
pub const MAX_BUFFERS: usize = 1024;

/// Which way the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the file to the buffers.
    Read,
    /// From the buffers to the file.
    Write,
}

/// One `preadv` or `pwritev` of up to [`MAX_BUFFERS`] buffers; skips the first `skip` bytes of the first one. Returns
/// the number of bytes moved, which may be fewer than asked for.
pub fn transfer(
    file: &File,
    direction: Direction,
    offset: u64,
    buffers: &[VolatileSlice<'_>],
    skip: usize,
) -> io::Result<usize> {
    let offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    // Guards keep the memory mapped, and so valid, until the call is over.
    let guards: Vec<_> = buffers.iter().take(MAX_BUFFERS).map(|buffer| buffer.ptr_guard_mut()).collect();
    let mut vectors: Vec<libc::iovec> =
        guards.iter().map(|g| libc::iovec { iov_base: g.as_ptr().cast(), iov_len: g.len() }).collect();
    if let Some(first) = vectors.first_mut() {
        let skip = skip.min(first.iov_len);
        // SAFETY: `skip` is at most the buffer's length, so the result is inside the buffer or one past its end.
        first.iov_base = unsafe { first.iov_base.cast::<u8>().add(skip) }.cast();
        first.iov_len -= skip;
    }
    let count = libc::c_int::try_from(vectors.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let moved = match direction {
        // SAFETY: each vector is a mapped range of guest memory held by a guard above; nothing assumes that its bytes
        // stay as they are, because all access to guest memory is volatile.
        Direction::Read => unsafe { libc::preadv(file.as_raw_fd(), vectors.as_ptr(), count, offset) },
        // SAFETY: as above; the kernel only reads from the vectors.
        Direction::Write => unsafe { libc::pwritev(file.as_raw_fd(), vectors.as_ptr(), count, offset) },
    };
    usize::try_from(moved).map_err(|_| io::Error::last_os_error())
}

/// `fallocate` with KEEP_SIZE and `mode` on `len` bytes at `offset`.
pub fn fallocate(file: &File, mode: libc::c_int, offset: u64, len: u64) -> io::Result<()> {
    let offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    let len = libc::off_t::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
    loop {
        // SAFETY: the call takes no pointers, and the descriptor is open as long as `file` is borrowed.
        let result = unsafe { libc::fallocate(file.as_raw_fd(), mode | libc::FALLOC_FL_KEEP_SIZE, offset, len) };
        if result == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// A range of bytes for an open file description lock; a `len` of 0 reaches to the end of the file, however it grows.
fn lock_range(kind: libc::c_int, start: i64, len: i64) -> libc::flock {
    // The kind and whence constants fit in the short that the structure has for them.
    #[allow(clippy::cast_possible_truncation)]
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: len,
        // The kernel refuses open file description locks with anything else here.
        l_pid: 0,
    }
}

/// Takes an open file description lock of `kind` (`F_RDLCK`, `F_WRLCK`) on a range, or fails at once; `F_UNLCK` gives it up.
pub fn lock(file: &File, kind: libc::c_int, start: i64, len: i64) -> io::Result<()> {
    let range = lock_range(kind, start, len);
    // SAFETY: F_OFD_SETLK reads one flock structure, which outlives the call.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const range) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether somebody else holds any lock on a range.
pub fn is_locked(file: &File, start: i64, len: i64) -> io::Result<bool> {
    let mut range = lock_range(libc::F_WRLCK, start, len);
    // SAFETY: F_OFD_GETLK reads and writes one flock structure, which outlives the call.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut range) };
    if result == 0 { Ok(libc::c_int::from(range.l_type) != libc::F_UNLCK) } else { Err(io::Error::last_os_error()) }
}

/// Where data (`SEEK_DATA`) or a hole (`SEEK_HOLE`) begins at or after `offset`; `None` past the last one. Moves the
/// descriptor's own position, which nothing here uses.
pub fn seek(file: &File, offset: u64, whence: libc::c_int) -> io::Result<Option<u64>> {
    let offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the call takes no pointers, and the descriptor is open as long as `file` is borrowed.
    let found = unsafe { libc::lseek(file.as_raw_fd(), offset, whence) };
    match u64::try_from(found) {
        Ok(found) => Ok(Some(found)),
        Err(_) => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            error => Err(error),
        },
    }
}

/// Opens `name`, a single component, in `folder` with `flags`; never follows a link in that place.
pub fn open_in(folder: &File, name: &CStr, flags: libc::c_int) -> io::Result<File> {
    let flags = flags | libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
    // SAFETY: `name` is a C string that outlives the call, and the descriptor is open as long as `folder` is borrowed.
    let fd = unsafe { libc::openat(folder.as_raw_fd(), name.as_ptr(), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made, and nobody else has it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Gives `file`, which has no name yet, the name `path`; fails if something has it.
pub fn link(file: &File, path: &Path) -> io::Result<()> {
    // By its entry in /proc, which needs no privilege (open(2), O_TMPFILE).
    let from = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let to = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: both names are C strings that outlive the call.
    let result =
        unsafe { libc::linkat(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), libc::AT_SYMLINK_FOLLOW) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The units in which the block device `file` likes to be used.
pub fn topology(file: &File) -> io::Result<Topology> {
    let logical = device_size(file, libc::BLKSSZGET)?;
    // What a device does not say is not known.
    let physical = device_size(file, libc::BLKPBSZGET).unwrap_or(logical).max(logical);
    let optimal = device_size(file, libc::BLKIOOPT).unwrap_or(0);
    Ok(Topology { physical, discard: physical, ..Topology::uniform(logical) }.with_optimal(optimal.into()))
}

/// A size in bytes that the ioctl `request` of a block device tells.
fn device_size(file: &File, request: libc::Ioctl) -> io::Result<u32> {
    let mut size: libc::c_int = 0;
    // SAFETY: these ioctls write one int, which outlives the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), request, &raw mut size) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    u32::try_from(size).map_err(|_| io::ErrorKind::InvalidData.into())
}
