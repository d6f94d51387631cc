//! The few system calls that std does not offer. All of this crate's unsafe code is in this file.
#![allow(unsafe_code, reason = "system calls without a safe wrapper; each block says why it is sound")]

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// SIGTERM, SIGHUP, SIGKILL, SIGSTOP and SIGCONT by the names that every reader knows.
pub use libc::{SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGSTOP, SIGTERM};

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Has the child killed when the thread that spawns it ends, however it ends. Spawn from a thread that lives as long
/// as the child should.
pub fn die_with_parent(command: &mut Command) {
    // SAFETY: prctl(PR_SET_PDEATHSIG) is async-signal-safe and touches no memory of ours.
    unsafe {
        command.pre_exec(|| check(libc::prctl(libc::PR_SET_PDEATHSIG, SIGKILL)).map(drop));
    }
}

/// Leaves `fd` open in the child, under the same number, which is returned. Here it is closed with `command`.
pub fn inherit(command: &mut Command, fd: OwnedFd) -> RawFd {
    let number = fd.as_raw_fd();
    // SAFETY: fcntl(F_SETFD) is async-signal-safe and touches no memory of ours.
    unsafe {
        command.pre_exec(move || check(libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0)).map(drop));
    }
    number
}

/// Gives the child a session of its own with its standard input as the controlling terminal.
pub fn own_terminal(command: &mut Command) {
    // SAFETY: setsid and ioctl(TIOCSCTTY) are async-signal-safe and touch no memory of ours.
    unsafe {
        command.pre_exec(|| {
            check(libc::setsid())?;
            check(libc::ioctl(0, libc::TIOCSCTTY, 0)).map(drop)
        });
    }
}

/// A new pseudo terminal of 24 rows and 80 columns: its master side and its slave side.
///
/// # Errors
/// What the system calls say.
pub fn pseudo_terminal() -> io::Result<(File, File)> {
    // SAFETY: posix_openpt returns a new descriptor, which nobody else owns.
    let master =
        unsafe { OwnedFd::from_raw_fd(check(libc::posix_openpt(libc::O_RDWR | libc::O_CLOEXEC | libc::O_NOCTTY))?) };
    let fd = master.as_raw_fd();
    let mut name = [0_u8; 64];
    // SAFETY: `fd` is a pseudo terminal's master; ptsname_r writes at most the given length of `name`.
    unsafe {
        check(libc::grantpt(fd))?;
        check(libc::unlockpt(fd))?;
        if libc::ptsname_r(fd, name.as_mut_ptr().cast(), name.len()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    let size = libc::winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads one winsize.
    check(unsafe { libc::ioctl(fd, libc::TIOCSWINSZ, &raw const size) })?;
    let name = CStr::from_bytes_until_nul(&name).map_err(io::Error::other)?.to_str().map_err(io::Error::other)?;
    let slave = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(name)?;
    Ok((File::from(master), slave))
}

/// Sends `signal` to process `pid`.
///
/// # Errors
/// What kill(2) says.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill touches no memory of ours.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Waits until `pid` has ended and leaves it as a zombie, so that its number stays taken.
///
/// # Errors
/// What waitid(2) says.
pub fn wait_without_reaping(pid: i32) -> io::Result<()> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let id = libc::id_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: waitid writes one siginfo_t.
    check(unsafe { libc::waitid(libc::P_PID, id, info.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT) }).map(drop)
}

/// How a process ended and what it used.
#[derive(Debug, Clone, Copy)]
pub struct Reaped {
    /// The exit status, or `None` when a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Microseconds in user mode, its guests' time included.
    pub user_us: u64,
    /// Microseconds in the kernel.
    pub system_us: u64,
    /// The largest resident set, KiB.
    pub max_rss_kib: u64,
}

/// Takes the status of a child that has ended.
///
/// # Errors
/// What wait4(2) says.
pub fn reap(pid: i32) -> io::Result<Reaped> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: wait4 writes one int and one rusage, for which zero is a valid value.
    let usage = unsafe {
        check(libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()))?;
        usage.assume_init()
    };
    let micros = |time: libc::timeval| {
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_usec).unwrap_or(0)
    };
    Ok(Reaped {
        status: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
        user_us: micros(usage.ru_utime),
        system_us: micros(usage.ru_stime),
        max_rss_kib: u64::try_from(usage.ru_maxrss).unwrap_or(0),
    })
}

/// CLOCK_MONOTONIC, nanoseconds.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime writes one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Whether this process runs as root.
#[must_use]
pub fn is_root() -> bool {
    // SAFETY: geteuid always succeeds and touches no memory.
    unsafe { libc::geteuid() == 0 }
}

/// Whether descriptor `fd` is a terminal.
#[must_use]
pub fn is_terminal(fd: RawFd) -> bool {
    // SAFETY: isatty touches no memory of ours.
    unsafe { libc::isatty(fd) == 1 }
}
