//! Small questions to the system, each with an answer even where the system has none.
#![allow(unsafe_code)]

use std::io;

/// A text file of the system; empty where it cannot be read.
pub(super) fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The name of a group, or its number where it has none.
pub(super) fn group_name(gid: u32) -> String {
    let groups = read("/etc/group");
    let named = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(gid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| gid.to_string())
}

/// A limit of this process in its own unit, `None` for unlimited.
pub(super) fn limit(resource: libc::__rlimit_resource_t) -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer; a resource that does not exist leaves it as it is.
    unsafe { libc::getrlimit(resource, &raw mut limit) };
    (limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

/// Whether this process may set up an io_uring.
pub(super) fn io_uring() -> io::Result<()> {
    // The parameters are larger than any kernel's; all zero asks for nothing special.
    let mut parameters = [0u64; 32];
    // SAFETY: the kernel writes `struct io_uring_params` (120 bytes), for which there is room.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made, and nobody else knows it.
    unsafe { libc::close(i32::try_from(fd).unwrap_or(-1)) };
    Ok(())
}

/// Whether this process has a capability (its number in `linux/capability.h`) in force.
pub(super) fn has_capability(number: u32) -> bool {
    let status = read("/proc/self/status");
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    set >> number & 1 == 1
}
