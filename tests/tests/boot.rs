//! A stock kernel reaches user space, sees what it was given, and ends in each of the ways a machine can end.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where its expectation does not hold")]

use ovum_tests::failure::Result;
use ovum_tests::harness::{Folder, Guest};

#[test]
fn a_stock_kernel_reaches_user_space_and_powers_off() -> Result<()> {
    let mut guest = Guest::stock().runs("uname -r; echo user $((6 * 7))").boot()?;
    guest.expect("guest: init")?.expect("user 42")?.expect("guest: scenario ended with status 0")?;
    guest.ends_with(0)
}

fn sees_cpus(cpus: u32) -> Result<()> {
    let mut guest = Guest::stock().cpus(cpus).runs("echo cpus: $(grep -c ^processor /proc/cpuinfo)").boot()?;
    guest.ends_with(0)?;
    assert_eq!(guest.value("cpus: ")?, cpus.to_string());
    Ok(())
}

#[test]
fn one_vcpu_is_seen() -> Result<()> {
    sees_cpus(1)
}

#[test]
fn two_vcpus_are_seen() -> Result<()> {
    sees_cpus(2)
}

#[test]
fn eight_vcpus_are_seen() -> Result<()> {
    sees_cpus(8)
}

#[test]
fn thirty_two_vcpus_are_seen() -> Result<()> {
    sees_cpus(32)
}

/// The guest's own total lies below what it was given by the kernel's own share: image, page tables, page structures.
fn sees_memory(size: &str, kib: u64) -> Result<()> {
    let mut guest = Guest::stock().memory(size).runs("grep MemTotal /proc/meminfo").boot()?;
    guest.ends_with(0)?;
    let total: u64 = guest.value("MemTotal:")?.trim_end_matches(" kB").trim().parse().unwrap();
    assert!(total < kib && total > kib - kib / 16 - 40_960, "{total} KiB of {kib}");
    Ok(())
}

#[test]
fn memory_of_128_mib_is_seen() -> Result<()> {
    sees_memory("128M", 128 << 10)
}

#[test]
fn memory_of_4_gib_is_seen_around_the_hole() -> Result<()> {
    sees_memory("4G", 4 << 20)
}

#[test]
fn memory_of_8_gib_is_seen() -> Result<()> {
    sees_memory("8G", 8 << 20)
}

#[test]
fn a_reboot_ends_the_machine() -> Result<()> {
    Guest::stock().runs("reboot -f").boot()?.ends_with(0)
}

#[test]
fn a_panic_is_told_from_a_shutdown() -> Result<()> {
    let mut guest = Guest::stock().runs("echo c > /proc/sysrq-trigger").boot()?;
    guest.expect("Kernel panic")?;
    guest.ends_with(4)
}

#[test]
fn an_init_that_exits_is_a_panic() -> Result<()> {
    let mut guest = Guest::stock().append("rdinit=/bin/false").boot()?;
    guest.ends_with(4)
}

#[test]
fn the_time_limit_ends_a_machine_that_does_not_end_by_itself() -> Result<()> {
    let mut guest = Guest::stock().argument("--timeout", "20s").runs("sleep 1000").boot()?;
    guest.ends_with(124)
}

#[test]
fn the_timeline_names_the_steps_of_a_boot() -> Result<()> {
    let mut guest = Guest::stock().switch("--timing").switch("--json").boot()?;
    guest.ends_with(0)?;
    assert!(guest.errors().contains("\"timeline\""), "{}", guest.errors());
    Ok(())
}

/// The first boot keeps what is in the bzImage, the others start from that, each at an address of its own (KASLR).
#[test]
fn a_kernel_from_the_cache_is_moved_by_chance_as_it_would_do_itself() -> Result<()> {
    let address = |options: &str| -> Result<String> {
        let where_it_is = "echo text: $(grep ' _stext$' /proc/kallsyms | cut -c1-16)";
        let mut guest = Guest::stock().append(options).runs(where_it_is).boot()?;
        guest.ends_with(0)?;
        guest.value("text: ")
    };
    let addresses = [address("quiet")?, address("quiet")?, address("quiet")?];
    let kept = Folder::new()?.shell("ls ${XDG_CACHE_HOME:-$HOME/.cache}/ovum/kernels | grep -c .")?;
    assert_ne!(kept.trim(), "0");
    // One in 240,000 kernels is at the same address three times.
    assert!(addresses.iter().any(|address| *address != addresses[0]), "{addresses:?}");
    assert_eq!(address("nokaslr")?, "ffffffff81000000");
    Ok(())
}
