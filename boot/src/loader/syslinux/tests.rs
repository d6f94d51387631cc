#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::loader::testing::{MemoryFs, system};

fn found(fs: MemoryFs) -> (Option<Found>, Vec<String>) {
    let fs = fs.with("/boot/vmlinuz", "k").with("/boot/initrd.img", "i").with("/boot/extlinux/ucode", "u");
    let system = system(false, vec![fs]);
    let limits = Limits::default();
    let found = find(&system, 0, &limits);
    (found, limits.notes())
}

fn paths(files: &[File]) -> Vec<&str> {
    let paths = files.iter().map(|file| match file {
        File::At(_, path) => path.as_str(),
        File::Bytes(_) => panic!(),
    });
    paths.collect()
}

#[test]
fn labels_are_read_with_their_files_and_arguments() {
    let text = "DEFAULT l2 more\nPROMPT 0\nTIMEOUT 50\nAPPEND common\n# comment\nlabel l1\n\tmenu label ^First one\n\tkernel ../vmlinuz\n\
        LABEL l2\n\tLINUX /boot/vmlinuz\n\tINITRD ucode,../initrd.img\n\tAPPEND root=/dev/sda1 ro  x\n\tFDT /dtb\n\
        TEXT HELP\nDEFAULT l1\nENDTEXT\nlabel local\n\tlocalboot 0\nlabel chain\n\tkernel chain.c32\n\
        label l3\n linux ../vmlinuz\n append initrd=/boot/initrd.img -\nlabel l4\n linux ../vmlinuz\n append -\n";
    let (found, notes) = found(MemoryFs::new("u").with("/boot/extlinux/extlinux.conf", text));
    let found = found.unwrap();
    assert_eq!(notes, [""; 0]);
    let ids: Vec<_> = found.entries.iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(ids, ["l1", "l2", "l3", "l4"]);
    assert_eq!((found.default, found.why.as_str()), (1, "DEFAULT says so in /boot/extlinux/extlinux.conf"));
    assert_eq!(found.entries[0].title, "First one");
    assert_eq!(found.entries[0].cmdline, "BOOT_IMAGE=/boot/vmlinuz common");
    assert_eq!(found.entries[1].cmdline, "BOOT_IMAGE=/boot/vmlinuz root=/dev/sda1 ro  x");
    assert_eq!(paths(&found.entries[1].initrds), ["/boot/extlinux/ucode", "/boot/initrd.img"]);
    assert_eq!(paths(&found.entries[2].initrds), ["/boot/initrd.img"]);
    assert_eq!(found.entries[3].cmdline, "BOOT_IMAGE=/boot/vmlinuz");
}

#[test]
fn the_default_is_the_one_that_a_timeout_leads_to() {
    let label = |name: &str| format!("label {name}\n linux /boot/vmlinuz\n");
    for (text, default) in [
        (label("a") + &label("b"), 0),
        (format!("default b\n{}{}", label("a"), label("b")), 1),
        (format!("default a\nontimeout b\n{}{}", label("a"), label("b")), 1),
        (format!("default menu.c32\n{}{} menu default\n", label("a"), label("b")), 1),
        (format!("default gone\n{}{}", label("a"), label("b")), 0),
        (format!("default vesamenu.c32\nlabel x\n kernel x.c32\n{}{}menu default\n", label("a"), label("b")), 1),
    ] {
        let (found, _) = found(MemoryFs::new("u").with("/syslinux.cfg", &text));
        assert_eq!(found.unwrap().default, default, "{text}");
    }
}

#[test]
fn other_files_are_included_up_to_a_limit() {
    let fs = MemoryFs::new("u")
        .with("/isolinux/isolinux.cfg", "include menu.cfg\ninclude gone.cfg\n")
        .with("/isolinux/menu.cfg", "menu include txt.cfg title\n")
        .with("/isolinux/txt.cfg", "default live\nlabel live\n kernel /boot/vmlinuz\n");
    let (menu, notes) = found(fs);
    assert_eq!(menu.unwrap().entries[0].id, "live");
    assert!(notes[0].contains("gone.cfg"), "{notes:?}");
    let (circle, notes) =
        found(MemoryFs::new("u").with("/syslinux.cfg", "include syslinux.cfg\ninclude syslinux.cfg\n"));
    assert!(circle.is_none() && notes[0].contains("without end"), "{notes:?}");
}
