//! Keeps a disk image from being written by two VMs.
//!
//! Open file description locks (Linux, `fcntl(2)`) go away with the process that holds them, however it ends. The bytes
//! that are locked are those that QEMU uses, so that the two respect each other: QEMU holds a shared lock on byte
//! 100 + n while it uses permission n of an image, and on byte 200 + n while it does not share that permission; it then
//! tests the other row of bytes for holders that disagree. The permissions here are: 0 consistent read, 1 write, 3
//! resize.
//!
//! * A writer locks the whole file exclusively: this conflicts with every other holder.
//! * A reader uses "read" and does not share "write" and "resize".

use std::fs::File;
use std::io;

use crate::Access;
use crate::sys;

const USED: i64 = 100;
const NOT_SHARED: i64 = 200;
const READ: i64 = 0;
const WRITE: i64 = 1;
const RESIZE: i64 = 3;

/// Why a lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Somebody else holds one that conflicts.
    Held,
    /// The file system cannot lock.
    Unsupported(io::Error),
}

/// Locks `file` for `access` until [`release`] or the end of the process; never waits, and holds nothing if it fails.
pub fn acquire(file: &File, access: Access) -> Result<(), LockError> {
    let result = try_acquire(file, access);
    if result.is_err() {
        release(file);
    }
    result
}

fn try_acquire(file: &File, access: Access) -> Result<(), LockError> {
    match access {
        Access::ReadWrite => sys::lock(file, libc::F_WRLCK, 0, 0).map_err(sort),
        Access::ReadOnly => {
            // First tell the others, then look at them: of two that come at once, at least one sees the other.
            for byte in [USED + READ, NOT_SHARED + WRITE, NOT_SHARED + RESIZE] {
                sys::lock(file, libc::F_RDLCK, byte, 1).map_err(sort)?;
            }
            for byte in [NOT_SHARED + READ, USED + WRITE, USED + RESIZE] {
                if sys::is_locked(file, byte, 1).map_err(sort)? {
                    return Err(LockError::Held);
                }
            }
            Ok(())
        }
    }
}

/// Gives up what [`acquire`] took, at once: closing alone does it only when no child of the process, between its `fork`
/// and its `exec`, holds a copy of the descriptor.
pub fn release(file: &File) {
    // It cannot fail on an open file that could be locked; if it could not be locked, nothing is there to give up.
    let _ = sys::lock(file, libc::F_UNLCK, 0, 0);
}

fn sort(error: io::Error) -> LockError {
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EACCES) => LockError::Held,
        _ => LockError::Unsupported(error),
    }
}
