//! Guests on disk images of every format, read in place; and overlays above them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where its expectation does not hold")]

use std::fs;
use std::process::Command;

use ovum_tests::failure::Result;
use ovum_tests::harness::{Folder, Guest};

/// A disk that packs a little, and says in each sector which one it is.
fn content() -> Vec<u8> {
    (0..6_u32 << 20 >> 9)
        .flat_map(|sector| {
            let mut bytes = vec![0; 512];
            bytes[..4].copy_from_slice(&sector.to_le_bytes());
            bytes[256..260].copy_from_slice(&sector.wrapping_mul(2_654_435_761).to_le_bytes());
            // Holes, too.
            if sector >> 8 & 3 == 1 { vec![0; 512] } else { bytes }
        })
        .collect()
}

/// The content as an image, made by `qemu-img` with these arguments.
fn image(arguments: &[&str]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("disk.raw"), content()).unwrap();
    let mut command = Command::new("qemu-img");
    command.current_dir(dir.path()).args(["convert", "-f", "raw"]).args(arguments).args(["disk.raw", "image"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "qemu-img {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    fs::read(dir.path().join("image")).unwrap()
}

#[test]
fn a_guest_reads_every_format_in_place() -> Result<()> {
    let folder = Folder::new()?;
    let images: [(&str, &[&str]); 7] = [
        ("stream.vmdk", &["-O", "vmdk", "-o", "subformat=streamOptimized"]),
        ("sparse.vmdk", &["-O", "vmdk"]),
        ("zlib.qcow2", &["-O", "qcow2", "-c"]),
        ("zstd.qcow2", &["-O", "qcow2", "-c", "-o", "compression_type=zstd"]),
        ("dynamic.vhd", &["-O", "vpc", "-o", "force_size=on"]),
        ("dynamic.vhdx", &["-O", "vhdx"]),
        ("dynamic.vdi", &["-O", "vdi"]),
    ];
    let mut guest = Guest::stock().cpus(2);
    for (name, arguments) in images {
        guest = guest.disk(&folder.file(name, &image(arguments))?);
    }
    let raw = folder.file("disk.raw", &content())?;
    let mut guest =
        guest.disk(&raw).runs("for i in a b c d e f g h; do echo sum $i: $(sha256sum < /dev/vd$i); done").boot()?;
    guest.ends_with(0)?;
    let expected = guest.value("sum h: ")?;
    for (letter, (name, _)) in "abcdefg".chars().zip(images) {
        assert_eq!(guest.value(&format!("sum {letter}: "))?, expected, "{name}");
    }
    Ok(())
}

/// Writes, and reads back what it wrote; the second guest finds it where it is kept, and only there.
#[test]
fn what_a_guest_writes_is_kept_in_an_overlay_or_discarded() -> Result<()> {
    let folder = Folder::new()?;
    let kept = folder.file("kept.vmdk", &image(&["-O", "vmdk", "-o", "subformat=streamOptimized"]))?;
    let discarded = folder.file("discarded.vhdx", &image(&["-O", "vhdx"]))?;
    let before = folder.shell("cat kept.vmdk discarded.vhdx | sha256sum")?;
    let disks = [format!("{kept},overlay={}", folder.path("mine.qcow2")), discarded];
    let writes = "
        for disk in vda vdb; do
            echo written by the guest | dd of=/dev/$disk bs=512 seek=4001 conv=notrunc 2>/dev/null
            dd if=/dev/urandom of=/dev/$disk bs=64k seek=8 count=20 conv=notrunc 2>/dev/null
        done
        sync
        echo sums $(cat /dev/vda | sha256sum | cut -c1-16) $(cat /dev/vdb | sha256sum | cut -c1-16).";
    let mut guest = Guest::stock().disk(&disks[0]).disk(&disks[1]).runs(writes).boot()?;
    guest.ends_with(0)?;
    let first = guest.value("sums ")?;
    // Its place in the lab is the next one's.
    drop(guest);
    let reads = "
        for disk in vda vdb; do
            echo $disk holds: $(dd if=/dev/$disk bs=512 skip=4001 count=1 2>/dev/null | grep -c guest)
        done
        echo sums $(cat /dev/vda | sha256sum | cut -c1-16) end";
    let mut guest = Guest::stock().disk(&disks[0]).disk(&disks[1]).runs(reads).boot()?;
    guest.ends_with(0)?;
    assert_eq!(guest.value("vda holds: ")?, "1", "kept");
    assert_eq!(guest.value("vdb holds: ")?, "0", "discarded");
    assert_eq!(guest.value("sums ")?.split(' ').next(), first.split(' ').next());
    assert_eq!(folder.shell("cat kept.vmdk discarded.vhdx | sha256sum")?, before, "the images are not changed");
    Ok(())
}
