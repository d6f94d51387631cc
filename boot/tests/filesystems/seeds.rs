//! Small images for the fuzz targets, in short.

use std::fs::{self, File};
use std::path::Path;

use ovum_boot::fuzz;

use crate::compare::{image, run};
use crate::sample::Sample;

/// `cargo test -p ovum-boot --features test-support --test filesystems -- --ignored seeds`
#[test]
#[ignore = "writes into the source tree"]
fn write_the_fuzzers_seeds() {
    let sample = Sample::tiny();
    let mut proto = "none\n0 0\nd--755 0 0\n".to_owned();
    crate::xfs::describe(&sample.tree(), &mut proto);
    fs::write(sample.path("proto"), proto + "$\n").unwrap();
    let ext = ["-q", "-F", "-d", "tree", "-b", "1024", "-N", "64"];
    let made: [(&str, &str, &str, Vec<&str>, u64); 11] = [
        ("fs_ext", "ext4", "mke2fs", [&ext[..], &["-t", "ext4", "-O", "^has_journal", "image"]].concat(), 1 << 20),
        (
            "fs_ext",
            "inline",
            "mke2fs",
            [&ext[..], &["-t", "ext4", "-O", "inline_data,^has_journal,meta_bg,^resize_inode", "-I", "256", "image"]]
                .concat(),
            1 << 20,
        ),
        ("fs_ext", "ext2", "mke2fs", [&ext[..], &["-t", "ext2", "image"]].concat(), 1 << 20),
        ("fs_xfs", "v5", "mkfs.xfs", vec!["-q", "-f", "-d", "agcount=2", "-p", "proto", "image"], 300 << 20),
        (
            "fs_xfs",
            "v4",
            "mkfs.xfs",
            vec!["-q", "-f", "-d", "agcount=2", "-m", "crc=0", "-p", "proto", "image"],
            300 << 20,
        ),
        ("fs_btrfs", "single", "mkfs.btrfs", vec!["-q", "-m", "single", "--rootdir", "tree", "image"], 120 << 20),
        (
            "fs_btrfs",
            "mixed",
            "mkfs.btrfs",
            vec!["-q", "--mixed", "-n", "4096", "--rootdir", "tree", "image"],
            16 << 20,
        ),
        (
            "fs_iso9660",
            "rock",
            "xorriso",
            vec!["-as", "mkisofs", "-quiet", "-R", "-J", "-no-pad", "-o", "image", "tree"],
            0,
        ),
        (
            "fs_iso9660",
            "joliet",
            "xorriso",
            vec!["-as", "mkisofs", "-quiet", "--norock", "-J", "-no-pad", "-o", "image", "tree"],
            0,
        ),
        ("fs_fat", "fat12", "mkfs.fat", vec!["-F", "12", "image"], 1 << 20),
        ("fs_fat", "fat32", "mkfs.fat", vec!["-F", "32", "-s", "1", "image"], 34 << 20),
    ];
    for (target, name, program, arguments, size) in made {
        let path = sample.path("image");
        let _ = fs::remove_file(&path);
        if size > 0 {
            File::create(&path).unwrap().set_len(size).unwrap();
        }
        assert!(run(program, &arguments, sample.dir.path()));
        if target == "fs_fat" {
            run("mcopy", &["-Q", "-s", "-i", "image", "tree/a", "tree/many", "tree/file", "::"], sample.dir.path());
        }
        let folded = fuzz::fold(image(&path).as_ref()).unwrap();
        println!("{target}/{name}: {} bytes", folded.len());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/seeds").join(target);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), folded).unwrap();
    }
}
