//! What a guest writes to a disk is in the file; what it flushed is there whatever happens to the VMM.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where its expectation does not hold")]

use ovum_tests::failure::Result;
use ovum_tests::harness::{Folder, Guest, setting};
use ovum_tests::sys;

#[test]
fn a_guest_reads_what_the_host_wrote() -> Result<()> {
    let folder = Folder::new()?;
    let disk = folder.file("disk.raw", &b"sixteen bytes ok".repeat(65_536))?;
    let mut guest = Guest::stock().disk(&disk).runs("echo sum: $(sha256sum /dev/vda)").boot()?;
    guest.ends_with(0)?;
    assert_eq!(guest.value("sum: ")?.split(' ').next(), folder.shell("sha256sum disk.raw")?.split(' ').next());
    Ok(())
}

#[test]
fn the_host_finds_what_a_guest_wrote() -> Result<()> {
    let folder = Folder::new()?;
    let disk = folder.sparse("disk.raw", "32M")?;
    let writes = "dd if=/dev/urandom of=/dev/vda bs=1M count=32 && sync && echo sum: $(sha256sum /dev/vda)";
    let mut guest = Guest::stock().disk(&disk).runs(writes).boot()?;
    guest.ends_with(0)?;
    assert_eq!(guest.value("sum: ")?.split(' ').next(), folder.shell("sha256sum disk.raw")?.split(' ').next());
    Ok(())
}

/// Random bytes for all of it would take the lab an hour; blocks that each differ in their first line do as well.
#[test]
fn two_gibibytes_are_written_and_read_back() -> Result<()> {
    let folder = Folder::big()?;
    let disk = folder.sparse("disk.raw", "2G")?;
    let writes = "
        dd if=/dev/urandom of=/tmp/block bs=1M count=16 2>/dev/null
        for i in $(seq 0 127); do
            echo block $i | dd of=/tmp/block conv=notrunc 2>/dev/null
            dd if=/tmp/block of=/dev/vda bs=16M seek=$i oflag=direct 2>/dev/null
        done
        echo all written
        sync
        echo all synced
        echo sum: $(crc32 /dev/vda)";
    let mut guest = Guest::stock().disk(&disk).runs(writes).boot()?;
    // One by one, as each takes the lab minutes and has a time limit of its own.
    guest.expect("all written")?.expect("all synced")?.expect("sum: ")?;
    guest.ends_with(0)?;
    let confirmed = folder.shell(&format!("{} crc32 disk.raw", setting()?.busybox))?;
    assert_eq!(guest.value("sum: ")?.split(' ').next(), confirmed.split(' ').next());
    Ok(())
}

/// The guest says a block's number only when the block was flushed; so many must be in the file after the kill.
#[test]
fn a_killed_vmm_loses_nothing_that_was_flushed() -> Result<()> {
    let folder = Folder::new()?;
    let disk = folder.sparse("disk.raw", "64M")?;
    let writes = "
        i=0
        while true; do
            printf 'block %08d\\n' $i | dd of=/dev/vda bs=4096 seek=$i conv=fsync,notrunc 2>/dev/null
            echo flushed $i
            i=$((i + 1))
        done";
    let mut guest = Guest::stock().disk(&disk).runs(writes).boot()?;
    guest.expect("flushed 20\r")?.signal(sys::SIGKILL)?;
    assert_eq!(guest.end()?.signal, Some(sys::SIGKILL));
    let console = guest.console();
    let said = console.lines().filter(|line| line.starts_with("flushed ")).count();
    // The last line may have been cut off in the middle of its number.
    let last = said.saturating_sub(2);
    for block in [0, last / 2, last] {
        let text = folder.shell(&format!("dd if=disk.raw bs=4096 skip={block} count=1 2>/dev/null | head -c 14"))?;
        assert_eq!(text, format!("block {block:08}"));
    }
    Ok(())
}

#[test]
fn a_read_only_disk_refuses_writes() -> Result<()> {
    let folder = Folder::new()?;
    let disk = folder.file("disk.raw", &[7; 8192])?;
    let before = folder.shell("sha256sum disk.raw")?;
    let tries = "echo ro: $(cat /sys/block/vda/ro); echo x > /dev/vda || echo refused";
    let mut guest = Guest::stock().disk(&format!("{disk},ro")).runs(tries).boot()?;
    guest.expect("ro: 1")?.expect("refused")?;
    guest.ends_with(0)?;
    assert_eq!(folder.shell("sha256sum disk.raw")?, before);
    Ok(())
}

#[test]
fn a_disk_without_write_permission_can_be_attached_read_only() -> Result<()> {
    let folder = Folder::new()?;
    let disk = folder.file("disk.raw", &[7; 8192])?;
    folder.shell("chmod 444 disk.raw")?;
    let mut guest = Guest::stock().disk(&format!("{disk},ro")).runs("echo size: $(cat /sys/block/vda/size)").boot()?;
    guest.expect("size: 16")?;
    guest.ends_with(0)
}

#[test]
fn a_disk_has_a_serial_number() -> Result<()> {
    let folder = Folder::new()?;
    let disk = folder.sparse("disk.raw", "1M")?;
    let mut guest = Guest::stock().disk(&disk).runs("echo serial: $(cat /sys/block/vda/serial).").boot()?;
    guest.ends_with(0)?;
    assert!(guest.value("serial: ")?.len() > 1, "{}", guest.console());
    Ok(())
}

#[test]
fn discarded_blocks_give_their_space_back() -> Result<()> {
    let folder = Folder::new()?;
    let disk = folder.sparse("disk.raw", "16M")?;
    folder.shell("dd if=/dev/urandom of=disk.raw bs=1M count=16 2>/dev/null")?;
    let mut guest = Guest::stock().disk(&disk).runs("blkdiscard /dev/vda && sync && echo discarded").boot()?;
    guest.expect("discarded")?;
    guest.ends_with(0)?;
    let kib: u64 = folder.shell("du -k disk.raw | cut -f1")?.trim().parse().unwrap();
    assert!(kib < 1024, "{kib} KiB are still taken");
    assert_eq!(folder.shell("wc -c < disk.raw")?.trim(), "16777216");
    Ok(())
}

#[test]
fn two_disks_keep_their_order() -> Result<()> {
    let folder = Folder::new()?;
    let first = folder.file("first.raw", &b"first...".repeat(64))?;
    let second = folder.file("second.raw", &b"second..".repeat(64))?;
    let reads = "echo $(head -c 5 /dev/vda) before $(head -c 6 /dev/vdb)";
    let mut guest = Guest::stock().disk(&first).disk(&second).runs(reads).boot()?;
    guest.expect("first before second")?;
    guest.ends_with(0)
}

/// A file system in a tmpfs of 8 MiB holds a sparse disk of 64 MiB: the guest gets errors, the machine goes on.
#[test]
fn a_full_host_disk_is_the_guests_error() -> Result<()> {
    let folder = Folder::new()?;
    folder.shell("mkdir small && mount -t tmpfs -o size=8m tmpfs small && truncate -s 64M small/disk.raw")?;
    let writes = "dd if=/dev/zero of=/dev/vda bs=1M conv=fsync && echo all written || echo failed as it should";
    let mut guest = Guest::stock().disk(&folder.path("small/disk.raw")).runs(writes).boot()?;
    let said = guest.expect("failed as it should").map(drop);
    let ended = guest.ends_with(0);
    folder.shell("umount small")?;
    said.and(ended)
}

#[test]
fn random_numbers_come_from_the_host() -> Result<()> {
    let reads = "echo bytes: $(dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c)
        echo source: $(cat /sys/class/misc/hw_random/rng_current)";
    let mut guest = Guest::stock().runs(reads).boot()?;
    guest.expect("bytes: 64")?.expect("source: virtio_rng")?;
    guest.ends_with(0)
}
