//! Everything beside KVM that a machine can use.

use std::fs::File;
use std::io;

use super::{Check, probe};

/// `CAP_NET_ADMIN`: makes tap interfaces.
const CAP_NET_ADMIN: u32 = 12;
/// `CAP_IPC_LOCK`: locks memory beyond the limit.
const CAP_IPC_LOCK: u32 = 14;
const TUN: &str = "/dev/net/tun";
/// A machine with 64 vCPUs and 18 disks stays below.
const ENOUGH_FILES: u64 = 512;

/// Looks at files, limits and permissions.
pub(super) fn examine() -> Vec<Check> {
    vec![tun(), io_uring(), memory_lock(), open_files(), memory()]
}

fn tun() -> Check {
    let may_create = probe::has_capability(CAP_NET_ADMIN);
    match File::options().read(true).write(true).open(TUN) {
        Ok(_) if may_create => Check::good(TUN, "tap interfaces can be made"),
        Ok(_) => Check::limited(
            TUN,
            "an existing tap interface can be used, a new one cannot be made (no CAP_NET_ADMIN)",
            "sudo ip tuntap add dev tap0 mode tap user $USER",
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Check::limited(TUN, "is not there: no tap interfaces", "sudo modprobe tun")
        }
        Err(error) => {
            Check::limited(TUN, format!("cannot be opened ({error}): no tap interfaces"), "sudo chmod 666 /dev/net/tun")
        }
    }
}

fn io_uring() -> Check {
    const NAME: &str = "io_uring";
    match probe::io_uring() {
        Ok(()) => Check::good(NAME, "available"),
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
            Check::limited(NAME, "this kernel has none: disks work without it", "use Linux 5.6 or newer")
        }
        Err(error) => Check::limited(
            NAME,
            format!("not for this process ({error}): disks work without it"),
            "sudo sysctl kernel.io_uring_disabled=0; in a container, allow it in the seccomp profile",
        ),
    }
}

fn memory_lock() -> Check {
    const NAME: &str = "locked memory";
    match probe::limit(libc::RLIMIT_MEMLOCK) {
        None => Check::good(NAME, "unlimited"),
        Some(_) if probe::has_capability(CAP_IPC_LOCK) => Check::good(NAME, "unlimited (CAP_IPC_LOCK)"),
        Some(bytes) if bytes >= 8 << 20 => Check::good(NAME, format!("up to {} MiB", bytes >> 20)),
        Some(bytes) => Check::limited(
            NAME,
            format!("up to {} KiB: io_uring on old kernels and huge pages want more", bytes >> 10),
            "raise memlock in /etc/security/limits.conf (ulimit -l)",
        ),
    }
}

fn open_files() -> Check {
    const NAME: &str = "open files";
    match probe::limit(libc::RLIMIT_NOFILE) {
        Some(files) if files < ENOUGH_FILES => Check::limited(
            NAME,
            format!("up to {files}: a machine with many vCPUs and disks wants {ENOUGH_FILES}"),
            "ulimit -n 1024",
        ),
        Some(files) => Check::good(NAME, format!("up to {files}")),
        None => Check::good(NAME, "unlimited"),
    }
}

fn memory() -> Check {
    const NAME: &str = "memory";
    let info = probe::read("/proc/meminfo");
    let available = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = available.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
    match kib {
        Some(kib) if kib < 256 << 10 => Check::limited(
            NAME,
            format!("{} MiB available: less than a machine's default of 256 MiB", kib >> 10),
            "end other programs, or give the guest less with --memory",
        ),
        Some(kib) => Check::good(NAME, format!("{} MiB available", kib >> 10)),
        None => Check::limited(NAME, "not known (/proc/meminfo does not say)", "mount /proc"),
    }
}
