//! Random bytes from the host's kernel, straight into guest memory.
#![allow(unsafe_code)] // getrandom(2) on a buffer that only exists as a pointer

use std::io;

use crate::virtio::chain::Slice;

/// Fills `slice` by getrandom(2).
///
/// # Errors
/// When the kernel cannot: it is very old, or a filter forbids the call.
pub fn fill(slice: &Slice<'_>) -> io::Result<()> {
    let guard = slice.ptr_guard_mut();
    let mut filled = 0;
    while filled < guard.len() {
        // SAFETY: `filled` is less than the length of the slice, so the pointer and the rest of the length stay inside
        // of it; the guard keeps it mapped; all access to guest memory is volatile, so nobody relies on its contents.
        let count = unsafe { libc::getrandom(guard.as_ptr().add(filled).cast(), guard.len() - filled, 0) };
        match usize::try_from(count) {
            Ok(count) => filled += count,
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}
