//! True disks: partition tables by hand, file systems by mke2fs and mkfs.fat where they are installed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ovum_disk::storage::Storage;
use ovum_disk::storage::testing::Memory;
use vm_memory::VolatileSlice;

use crate::loader::{Options, find};
use crate::partition::testing::{TestPartition, gpt, guid, physical_volume};

const BOOT_UUID: &str = "11111111-2222-4333-8444-555555555555";

/// Runs a program; false if it is not there.
fn run(program: &str, arguments: &[&str]) -> bool {
    let path = ["/usr/sbin/", "/sbin/", "/usr/bin/"].iter().map(|folder| format!("{folder}{program}"));
    let Some(path) = path.into_iter().find(|path| Path::new(path).is_file()) else { return false };
    Command::new(path).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// An ext4 with those files; none if mke2fs is not installed.
fn ext4(files: &[(&str, &str)]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let (root, image) = (folder.path().join("root"), folder.path().join("image"));
    write(&root, files);
    let (root, image) = (root.to_str().unwrap(), image.to_str().unwrap());
    let made = run("mke2fs", &["-q", "-t", "ext4", "-U", BOOT_UUID, "-L", "boot", "-d", root, image, "4M"]);
    made.then(|| fs::read(image).unwrap())
}

fn partition(kind: &str, content: Vec<u8>) -> TestPartition {
    let guid_of = guid("aabbccdd-eeff-0011-2233-445566778899");
    TestPartition { kind: guid(kind), guid: guid_of, label: String::new(), content }
}

const LINUX: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";
const FILES: [(&str, &str); 3] = [
    (
        "boot/grub/grub.cfg",
        "search --no-floppy --fs-uuid --set=root 11111111-2222-4333-8444-555555555555\n\
         menuentry 'Debian' { linux /boot/vmlinuz-6.1 root=/dev/sda1 ro; initrd /boot/initrd.img-6.1; }\n",
    ),
    ("boot/vmlinuz-6.1", "KERNEL"),
    ("boot/initrd.img-6.1", "INITRD"),
];

/// Counts what is read.
#[derive(Debug)]
struct Counted(Arc<Memory>, AtomicU64);

impl Storage for Counted {
    fn name(&self) -> String {
        "counted".to_owned()
    }

    fn size(&self) -> u64 {
        self.0.size()
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> std::io::Result<()> {
        let len: u64 = into.iter().map(|buffer| buffer.len() as u64).sum();
        self.1.fetch_add(len, Ordering::Relaxed);
        self.0.read_at(offset, into)
    }
}

#[test]
fn a_gpt_with_ext4_and_grub_is_booted() {
    let Some(root) = ext4(&FILES) else {
        eprintln!("mke2fs is not there");
        return;
    };
    let disk = Arc::new(Counted(Memory::new(gpt(&[partition(LINUX, root)])), AtomicU64::new(0)));
    let disks: [Arc<dyn Storage>; 1] = [disk.clone()];
    let menu = find(&disks, &Options { serial_console: true, ..Options::default() }).unwrap();
    let entry = &menu.entries[menu.default];
    let expected = "BOOT_IMAGE=/boot/vmlinuz-6.1 root=PARTUUID=aabbccdd-eeff-0011-2233-445566778899 ro console=ttyS0";
    assert_eq!(entry.cmdline, expected);
    assert_eq!((super::text(&entry.kernel), super::text(&entry.initrds[0])), ("KERNEL".into(), "INITRD".into()));
    let read = disk.1.load(Ordering::Relaxed);
    assert!(read < 1 << 20, "{read} bytes were read");
}

#[test]
fn a_root_in_a_logical_volume_is_booted() {
    let Some(root) = ext4(&FILES) else { return };
    let extents = root.len() / 4096;
    let text = format!(
        "vg-0 {{ id = \"vgid\" seqno = 1 extent_size = 8 physical_volumes {{ pv0 {{\n\
         id = \"AAAAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GGGGGG\" pe_start = 128 }} }}\n logical_volumes {{ root {{ id = \"l\"\n\
         status = [\"VISIBLE\"] segment1 {{ start_extent = 0 extent_count = {extents} type = \"striped\" stripe_count = 1\n\
         stripes = [\"pv0\", 0] }} }} }} }}\n"
    );
    let mut pv = physical_volume(b"AAAAAABBBBCCCCDDDDEEEEFFFFGGGGGG", &text, 65_536 + root.len(), 5000);
    pv[65_536..].copy_from_slice(&root);
    let lvm = "e6d6d379-f507-44c2-a23c-238f2a3df928";
    let menu = find(&[Memory::new(gpt(&[partition(lvm, pv)]))], &Options::default()).unwrap();
    assert_eq!(menu.entries[0].kernel.name, "vg-0/root: /boot/vmlinuz-6.1");
    assert_eq!(super::text(&menu.entries[0].kernel), "KERNEL");
}

#[test]
fn an_efi_system_partition_with_systemd_boot_is_booted() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("esp");
    fs::write(&image, vec![0; 4 << 20]).unwrap();
    let files = [
        ("EFI/systemd/systemd-bootx64.efi", "x"),
        ("loader/loader.conf", "default deb*\n"),
        (
            "loader/entries/debian.conf",
            "title Debian\nlinux /Debian/linux\ninitrd /debian/initrd\noptions root=LABEL=r\n",
        ),
        ("loader/entries/other.conf", "title Other\nlinux /debian/linux\n"),
        ("debian/linux", "KERNEL"),
        ("debian/initrd", "INITRD"),
    ];
    write(&folder.path().join("root"), &files);
    let esp = image.to_str().unwrap();
    let root = folder.path().join("root");
    let top: Vec<_> =
        ["EFI", "loader", "debian"].iter().map(|name| root.join(name).to_str().unwrap().to_owned()).collect();
    let copy = ["-s", "-i", esp, &top[0], &top[1], &top[2], "::/"];
    if !run("mkfs.vfat", &[esp]) || !run("mcopy", &copy) {
        eprintln!("mkfs.vfat or mcopy is not there");
        return;
    }
    let disk = gpt(&[partition(crate::partition::ESP, fs::read(&image).unwrap())]);
    let menu = find(&[Memory::new(disk)], &Options::default()).unwrap();
    assert_eq!((menu.default, menu.entries.len(), menu.why.as_str()), (1, 2, "loader.conf chooses deb*"));
    assert_eq!(super::text(&menu.entries[1].initrds[0]), "INITRD");
}

/// A kernel that starts more than once: links that lead in circles, a menu of them.
#[test]
fn links_that_lead_in_circles_are_no_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    write(&root, &FILES);
    for (name, target) in [
        ("boot/vmlinuz-9", "vmlinuz-8"),
        ("boot/vmlinuz-8", "vmlinuz-9"),
        ("boot/initrd.img-9", "../boot/initrd.img-9"),
    ] {
        std::os::unix::fs::symlink(target, root.join(name)).unwrap();
    }
    fs::remove_file(root.join("boot/grub/grub.cfg")).unwrap();
    let image = folder.path().join("image");
    if !run("mke2fs", &["-q", "-t", "ext4", "-d", root.to_str().unwrap(), image.to_str().unwrap(), "4M"]) {
        return;
    }
    let menu = find(&[Memory::new(fs::read(&image).unwrap())], &Options::default()).unwrap();
    let ids: Vec<_> = menu.entries.iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(ids, ["vmlinuz-6.1"]);
}
