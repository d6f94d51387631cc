//! Seeds of the fuzz targets: replayed, spoilt, and written anew.

use std::fs;
use std::path::{Path, PathBuf};

use ovum_disk::storage::testing::Memory;

use crate::fuzz;
use crate::loader::bls;
use crate::partition::testing::{TestPartition, gpt, guid, mbr_entry, mbr_signature, physical_volume};

type Body = fn(&[u8]);

const TARGETS: [(&str, Body); 6] = [
    ("grub", fuzz::grub),
    ("bls", fuzz::bls),
    ("syslinux", fuzz::syslinux),
    ("pe", fuzz::pe),
    ("partition", fuzz::partition),
    ("lvm", fuzz::lvm),
];

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/seeds").join(target)
}

/// Runs the bodies with the seeds, and with each seed so many times with some of its bytes changed.
fn spoil(rounds: usize, begin: u64) {
    let mut state = begin | 1;
    let mut random = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).unwrap() % end
    };
    for (target, body) in TARGETS {
        let mut seeds: Vec<_> = fs::read_dir(folder(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "{target} has no seeds");
        for seed in seeds {
            let bytes = fs::read(&seed).unwrap();
            body(&bytes);
            for _ in 0..rounds {
                let mut spoilt = bytes.clone();
                for _ in 0..=random(3) {
                    let at = random(spoilt.len());
                    match random(5) {
                        0 => spoilt[at] ^= 1 << random(8),
                        1 => spoilt[at] = u8::try_from(random(256)).unwrap(),
                        2 => spoilt.truncate(at.max(1)),
                        // Words in other places make other scripts.
                        _ => {
                            let from = random(bytes.len());
                            let part = bytes[from..bytes.len().min(from + 1 + random(24))].to_vec();
                            spoilt.splice(at..at, part);
                        }
                    }
                }
                body(&spoilt);
            }
        }
    }
}

#[test]
fn seeds_are_harmless_and_stay_so_when_they_are_spoilt() {
    spoil(20, 0x1234_5678_9abc_def1);
}

/// `cargo test -p ovum-boot -- --ignored many_spoilt`, after a change of what is read.
#[test]
#[ignore = "takes a minute"]
fn many_spoilt_seeds_are_harmless() {
    spoil(2_000, 7);
}

/// `cargo test -p ovum-boot -- --ignored write_the_loaders_seeds`
#[test]
#[ignore = "writes into the source tree"]
fn write_the_loaders_seeds() {
    for (target, name, bytes) in made() {
        fs::create_dir_all(folder(target)).unwrap();
        fs::write(folder(target).join(name), bytes).unwrap();
    }
}

fn made() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let block = "\u{c}# GRUB Environment Block\nsaved_entry=b\nkernelopts=root=UUID=x ro\n#####";
    let group = "vg { id = \"a-b\" seqno = 3 extent_size = 8 physical_volumes { pv0 { id = \"x\" pe_start = 8 } }\n\
        logical_volumes { root { id = \"r\" status = [\"VISIBLE\"] segment1 { start_extent = 0 extent_count = 2\n\
        type = \"striped\" stripe_count = 1 stripes = [\"pv0\", 0] } } } } # end\n";
    let mut mbr = vec![0; 64 * 512];
    mbr_signature(&mut mbr, 0x1234_5678);
    mbr_entry(&mut mbr, 0, 0, 0x83, 1, 4);
    mbr_entry(&mut mbr, 0, 1, 0x05, 8, 56);
    mbr_entry(&mut mbr, 8, 0, 0x83, 1, 4);
    mbr_entry(&mut mbr, 8, 1, 0x05, 16, 8);
    mbr_entry(&mut mbr, 24, 0, 0x8e, 1, 4);
    let part = |kind: &str, content: &[u8]| TestPartition {
        kind: guid(kind),
        guid: guid("aabbccdd-eeff-0011-2233-445566778899"),
        label: "label".to_owned(),
        content: content.to_vec(),
    };
    let gpt = gpt(&[part(crate::partition::ESP, b"esp"), part("0fc63daf-8483-4772-8e79-3d69d8477de4", b"root")]);
    let lvm = physical_volume(b"AAAAAABBBBCCCCDDDDEEEEFFFFGGGGGG", group, 128 << 10, 100);
    let folded = |disk: Vec<u8>| fuzz::fold(&*Memory::new(disk)).unwrap();
    vec![
        (
            "grub",
            "menu",
            text(&format!(
                "if [ -s $prefix/grubenv ]; then\n load_env\nfi\nset default=\"${{saved_entry}}\"\n\
            function f {{ set x=$1; }}\nmenuentry 'A' --id a {{ f 1; linux /boot/vmlinuz root=$x; initrd /boot/initrd; }}\n\
            submenu 'B' --id b {{ menuentry 'C' {{ search --fs-uuid --set=root 3333-4444; linux /boot/vmlinuz $kernelopts; }} }}\n{block}"
            )),
        ),
        (
            "grub",
            "loops",
            text(
                "for i in 1 2 \"3 4\"; do if [ $i = 2 -o ! -n x ]; then break; elif test -d /boot; then y=${y}$i; fi; done\n\
            while [ x$y != xx ]; do y=x; done\neval 'menuentry A { linux (hd0,gpt1)/vmlinuz \\$@ '$y'; }'\nblscfg\n",
            ),
        ),
        ("grub", "wrong", text("menuentry A { linux | \nif then fi\n} }\n'x\n\"")),
        (
            "bls",
            "entries",
            text(
                "title A\nlinux /vmlinuz\ninitrd /initrd\noptions a\nversion 1.2~rc\u{c}linux /boot/vmlinuz\nsort-key x\n\u{c}default b*\n",
            ),
        ),
        (
            "syslinux",
            "labels",
            text(
                "default b\nlabel a\n kernel /vmlinuz\n append initrd=/initrd x\nmenu include boot/syslinux.cfg\n\
            \u{c}label b\n linux vmlinuz\n initrd initrd\n menu default\ntext help\nx\nendtext\n",
            ),
        ),
        ("pe", "uki", bls::tests::uki("quiet")),
        ("partition", "gpt", folded(gpt)),
        ("partition", "mbr", folded(mbr)),
        ("partition", "lvm", folded(lvm)),
        ("lvm", "group", text(group)),
    ]
}
