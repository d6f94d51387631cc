//! How a vCPU is brought back from guest code: by a signal that only KVM lets through.
//!
//! A vCPU's thread is born with the signal blocked; KVM unblocks it for as long as guest code runs (KVM_SET_SIGNAL_MASK).
//! So it ends KVM_RUN with EINTR, at once or the next time, and is never delivered: no signal handler is needed, and none
//! that the embedding program has is disturbed.
#![allow(unsafe_code)]

use std::io;
use std::mem::size_of;
use std::os::fd::AsRawFd;

use kvm_ioctls::VcpuFd;
use libc::{c_int, sigset_t};
use vmm_sys_util::ioctl::ioctl_with_ref;
use vmm_sys_util::ioctl_iow_nr;
use vmm_sys_util::signal::SIGRTMIN;

/// `struct kvm_signal_mask` as the ioctl's number knows it: a length, and a set of that length behind it.
#[repr(C)]
struct MaskHeader {
    len: u32,
}

#[repr(C)]
struct Mask {
    header: MaskHeader,
    /// A kernel's signal set: 64 bits, in bytes because no padding may stand in front of it.
    set: [u8; SIGNAL_SET],
}

const SIGNAL_SET: usize = 8;
const SIGNAL_SET_LEN: u32 = 8;
const KVMIO: u32 = 0xae;
ioctl_iow_nr!(KVM_SET_SIGNAL_MASK, KVMIO, 0x8b, MaskHeader);

/// The signal that kicks.
pub(super) fn signal() -> c_int {
    SIGRTMIN()
}

/// Blocks the kick signal for the calling thread, and so for every thread that it starts, until dropped. A thread that
/// could be kicked before it blocks the signal itself would take the process with it.
pub(super) struct Blocked(sigset_t);

impl Blocked {
    pub(super) fn new() -> io::Result<Self> {
        let before = blocked_now()?;
        let mut with_kick = before;
        // SAFETY: `with_kick` is a valid signal set, and the signal number is one of the kernel's real-time signals.
        unsafe { libc::sigaddset(&raw mut with_kick, signal()) };
        set_blocked(&with_kick)?;
        Ok(Self(before))
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // Cannot fail with a set that was in force before.
        let _ = set_blocked(&self.0);
    }
}

/// Lets the kick signal end KVM_RUN of `vcpu`, and do nothing else. The calling thread must have it blocked.
pub(super) fn prepare(vcpu: &VcpuFd) -> io::Result<()> {
    let mut set = blocked_now()?;
    // SAFETY: `set` is a valid signal set, and the signal number is one of the kernel's real-time signals.
    unsafe { libc::sigdelset(&raw mut set, signal()) };
    // SAFETY: a C library's signal set begins with the kernel's, and it is at least as long (128 bytes on Linux).
    let kernel_set: [u8; SIGNAL_SET] = unsafe { std::ptr::from_ref(&set).cast::<[u8; SIGNAL_SET]>().read() };
    let mask = Mask { header: MaskHeader { len: SIGNAL_SET_LEN }, set: kernel_set };
    debug_assert_eq!(size_of::<Mask>(), 4 + SIGNAL_SET);
    // SAFETY: the descriptor is a vCPU's, and `mask` has the layout that the call reads: a length and that many bytes.
    let result = unsafe { ioctl_with_ref(&vcpu.as_raw_fd(), KVM_SET_SIGNAL_MASK(), &mask) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The signals that the calling thread blocks.
fn blocked_now() -> io::Result<sigset_t> {
    let mut set = std::mem::MaybeUninit::<sigset_t>::zeroed();
    // SAFETY: a null new set asks only for the old one, which is written to `set`.
    check(unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), set.as_mut_ptr()) })?;
    // SAFETY: the call has filled it.
    Ok(unsafe { set.assume_init() })
}

fn set_blocked(set: &sigset_t) -> io::Result<()> {
    // SAFETY: `set` is a valid signal set, and a null old set is not written.
    check(unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, set, std::ptr::null_mut()) })
}

/// Turns the error number that thread functions return into an error.
fn check(error: c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_born_with_the_kick_blocked_and_the_caller_gets_its_mask_back() {
        // SAFETY: the set is valid.
        let blocks = |set: &sigset_t| unsafe { libc::sigismember(set, signal()) == 1 };
        let blocked = Blocked::new().unwrap();
        let child = std::thread::spawn(move || blocks(&blocked_now().unwrap()));
        assert!(child.join().unwrap());
        drop(blocked);
        assert!(!blocks(&blocked_now().unwrap()));
    }
}
