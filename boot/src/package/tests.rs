use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use ovum_disk::OpenErrorKind;
use ovum_disk::storage::{Storage, read_bytes};

use super::tar::testing::{archive, file, header, sum};
use super::*;
use crate::ovf::appliance::Compression;

const OVF: &str = "<?xml version=\"1.0\"?>\n<Envelope/>\n";

/// A folder in which packages are made.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn open(&self, name: &str) -> Package {
        Package::open(&self.path(name)).unwrap()
    }

    fn refused(&self, name: &str) -> PackageError {
        checked(Package::open(&self.path(name)).unwrap_err())
    }
}

/// An error that says where and what to do.
fn checked(error: PackageError) -> PackageError {
    assert!(!error.remedy().is_empty() && !error.remedy().contains('\n'), "{error}");
    assert!(error.to_string().starts_with("package /") && !error.to_string().contains('\n'), "{error}");
    error
}

fn bytes(storage: &dyn Storage) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(storage.size()).unwrap()];
    read_bytes(storage, 0, &mut bytes).unwrap();
    bytes
}

fn reference(href: &str, size: Option<u64>, chunk_size: Option<u64>) -> FileReference {
    let compression = Compression::Identity;
    FileReference { id: "f".into(), href: href.into(), size, compression, chunk_size, line: 1 }
}

/// The same files as an archive and as a folder.
fn both(place: &Place, files: &[(&str, &[u8])]) -> [Package; 2] {
    let mut members = vec![];
    for (name, bytes) in files {
        members.push(file(name, bytes));
        place.write(&format!("folder/{name}"), bytes);
    }
    // Nothing may be first that has to be.
    members.reverse();
    place.write("x.ova", archive(&members));
    [place.open("x.ova"), place.open("folder")]
}

#[test]
fn an_archive_and_a_folder_give_the_same_files() {
    let place = Place::new();
    let files: [(&str, &[u8]); 7] = [
        ("x.ovf", OVF.as_bytes()),
        ("x.mf", b"manifest"),
        ("x.cert", b"certificate"),
        ("disk 1.vmdk", b"one"),
        ("disk%202.vmdk", b"two"),
        ("sub/disk.vmdk", b"three"),
        ("d\u{e9}j\u{e0}.iso", b"four"),
    ];
    let packages = both(&place, &files);
    assert_eq!(packages.each_ref().map(Package::kind), [Kind::Archive, Kind::Folder]);
    for package in packages {
        assert_eq!((package.descriptor_name(), package.descriptor()), ("x.ovf", OVF.as_bytes()));
        assert_eq!(package.manifest().unwrap().unwrap(), ("x.mf".to_owned(), b"manifest".to_vec()));
        assert_eq!(package.certificate().unwrap().unwrap(), ("x.cert".to_owned(), b"certificate".to_vec()));
        for (href, expected) in [
            ("disk 1.vmdk", &b"one"[..]),
            ("disk%201.vmdk", b"one"),
            ("disk%202.vmdk", b"two"),
            ("disk 2.vmdk", b"two"),
            ("./sub/disk.vmdk", b"three"),
            ("d%c3%a9j%C3%A0.iso", b"four"),
        ] {
            assert_eq!(bytes(package.storage(href).unwrap().as_ref()), expected, "{href}");
        }
        let members = package.members().unwrap();
        let disk = members.iter().find(|member| member.name == "disk 1.vmdk").unwrap();
        assert_eq!(disk.size, 3);
        // An image in a folder of the package looks there first.
        let neighbours = package.neighbours_of("sub/disk.vmdk");
        assert_eq!(neighbours.open("disk.vmdk").unwrap().storage.size(), 5);
        assert_eq!(neighbours.open("../disk 1.vmdk").unwrap().storage.size(), 3);
        assert!(package.neighbours().open("disk.vmdk").is_err());
    }
}

#[test]
fn nothing_outside_of_a_package_is_reached() {
    let place = Place::new();
    place.write("outside", b"secret");
    let packages = both(&place, &[("x.ovf", OVF.as_bytes()), ("sub/a.vmdk", b"1")]);
    symlink("../outside", place.path("folder/link")).unwrap();
    for package in packages {
        let problem = |href: &str| checked(package.storage(href).unwrap_err()).problem;
        let absolute = place.path("folder/x.ovf").display().to_string();
        for href in ["../outside", "%2e%2e/outside", "sub/../../outside", "/etc/passwd", &absolute] {
            let problem = problem(href);
            assert!(matches!(*problem, PackageProblem::Outside(_)), "{href}: {problem}");
        }
        for href in ["http://host/a.vmdk", "HTTPS://host/a", "file:///etc/passwd"] {
            assert!(matches!(*problem(href), PackageProblem::Remote { .. }), "{href}");
        }
        assert!(matches!(*problem("nothing"), PackageProblem::NoSuchFile(_)));
        let neighbours = package.neighbours_of("sub/a.vmdk");
        for name in ["../../outside", "/etc/passwd"] {
            let error = neighbours.open(name).unwrap_err();
            assert!(matches!(error.kind(), OpenErrorKind::Outside), "{name}: {error}");
        }
    }
    let link = place.open("folder").storage("link").unwrap_err();
    assert!(matches!(link.problem(), PackageProblem::Link(_)), "{link}");
}

#[test]
fn chunks_are_put_together_and_sizes_are_enforced() {
    let place = Place::new();
    let files: [(&str, &[u8]); 5] = [
        ("x.ovf", OVF.as_bytes()),
        ("d k.000000000", b"aaaa"),
        ("d k.000000001", b"bbbb"),
        ("d k.000000002", b"c"),
        ("whole", b"123"),
    ];
    for package in both(&place, &files) {
        for (size, chunk_size) in [(Some(9), 4), (None, 4)] {
            let storage = package.file(&reference("d%20k", size, Some(chunk_size))).unwrap();
            assert_eq!(bytes(storage.as_ref()), b"aaaabbbbc");
        }
        package.file(&reference("whole", Some(3), Some(4))).unwrap();
        let problem = |file: &FileReference| checked(package.file(file).unwrap_err()).problem;
        assert!(matches!(
            *problem(&reference("whole", Some(4), None)),
            PackageProblem::OtherSize { declared: 4, found: 3, .. }
        ));
        assert!(matches!(*problem(&reference("gone", None, Some(4))), PackageProblem::NoSuchFile(_)));
        for (size, chunk_size) in [(Some(10), 4), (Some(9), 3), (None, 5), (Some(13), 4)] {
            problem(&reference("d k", size, Some(chunk_size)));
        }
        // Who does not say that a file is cut gets what is called so, and that is not there.
        assert!(matches!(*problem(&reference("d k", None, None)), PackageProblem::NoSuchFile(_)));
    }
}

#[test]
fn the_descriptor_is_the_one_that_is_nearest() {
    let place = Place::new();
    let ovf = OVF.as_bytes();
    place.write("deep.ova", archive(&[file("a/x.OVF", ovf), file("a/x.mf", b"m"), file("a/d", b"1"), file("e", b"")]));
    let package = place.open("deep.ova");
    assert_eq!((package.descriptor_name(), package.storage("d").unwrap().size()), ("x.OVF", 1));
    assert_eq!(package.manifest().unwrap().unwrap().0, "x.mf");
    assert!(matches!(package.storage("../e").unwrap_err().problem(), PackageProblem::Outside(_)));
    place.write("mac.ova", archive(&[file("._x.ovf", b"\0"), file("x.ovf", ovf), file("sub/y.ovf", ovf)]));
    assert_eq!(place.open("mac.ova").descriptor_name(), "x.ovf");

    place.write("two.ova", archive(&[file("a.ovf", ovf), file("b.ovf", ovf)]));
    let error = place.refused("two.ova");
    assert!(matches!(error.problem(), PackageProblem::ManyDescriptors(..)), "{error}");
    place.write("none.ova", archive(&[file("a.vmdk", b"")]));
    assert!(matches!(place.refused("none.ova").problem(), PackageProblem::NoDescriptor));

    fs::create_dir(place.path("empty")).unwrap();
    assert!(matches!(place.refused("empty").problem(), PackageProblem::NoDescriptor));
    place.write("folder/x.ova", archive(&[file("a.ovf", ovf)]));
    assert_eq!(place.open("folder").kind(), Kind::Archive);
    place.write("folder/y.ova", b"");
    assert!(matches!(place.refused("folder").problem(), PackageProblem::ManyDescriptors(..)));
    place.write("folder/y.ovf", ovf);
    assert_eq!(place.open("folder").kind(), Kind::Folder);
    place.write("linked/real", ovf);
    symlink("real", place.path("linked/x.ovf")).unwrap();
    assert!(matches!(place.refused("linked").problem(), PackageProblem::Link(_)));
    // Whoever names it means it.
    place.open("linked/x.ovf");
}

#[test]
fn what_is_no_package_is_named_with_what_to_do() {
    let place = Place::new();
    let boot_sector = [vec![0; 510], vec![0x55, 0xaa], vec![0; 512]].concat();
    let iso = [vec![0; 32769], b"CD001".to_vec(), vec![0; 4096]].concat();
    let mut damaged = archive(&[file("x.ovf", OVF.as_bytes())]);
    damaged[0] = b'y';
    for (name, bytes, said, advised) in [
        ("a.ova", &b"\x1f\x8b\x08\0"[..], "packed with gzip", "tar -xzf /"),
        ("b.ova", b"PK\x03\x04", "packed with zip", "unzip /"),
        ("c.ova", b"7z\xbc\xaf\x27\x1c", "packed with 7-Zip", "7z x /"),
        ("d.ova", b"\xfd7zXZ\0", "packed with xz", "tar -xJf"),
        ("e.ovf", b"\n<!DOCTYPE HTML><html>", "a web page", "fetch it again"),
        ("f.vmdk", b"KDMV", "a disk image (vmdk)", "--disk /"),
        ("g.img", &boot_sector, "a disk", ",format=raw"),
        ("h.iso", &iso, "an ISO image", "7z x"),
        ("i.vmx", b".encoding = \"UTF-8\"\n", "a VMware configuration", "ovftool"),
        ("j", b"\x7fELF", "kernel", "--kernel"),
        ("k.ovf", b"hello", "neither an OVA nor", "give an .ova"),
        ("l.ova", b"", "it is empty", "get it again"),
        ("m.ova", &damaged, "checksum is wrong", "get the package again"),
        ("n.ova", &header(b"x.ovf", b'0', 5)[..], "member x.ovf at byte 0", "cut off"),
    ] {
        place.write(name, bytes);
        let error = place.refused(name);
        assert!(error.to_string().contains(said), "{name}: {error}");
        assert!(error.remedy().contains(advised), "{name}: {}", error.remedy());
        assert!(!error.is_the_hosts());
    }
    let error = checked(Package::open(Path::new("/nowhere/x.ova")).unwrap_err());
    assert_eq!(error.to_string(), "package /nowhere/x.ova: there is no such file");
    let error = checked(Package::open(Path::new("/dev/null")).unwrap_err());
    assert!(error.to_string().contains("character device, not a file"), "{error}");
}

#[test]
fn what_is_read_whole_has_a_limit() {
    let place = Place::new();
    let large = place.write("x.ovf", b"<");
    fs::File::options().write(true).open(&large).unwrap().set_len(MAX_DESCRIPTOR + 1).unwrap();
    assert!(matches!(place.refused("x.ovf").problem(), PackageProblem::TooLarge { limit: MAX_DESCRIPTOR, .. }));
    place.write("y/y.ovf", OVF);
    let large = place.write("y/y.cert", b"");
    fs::File::options().write(true).open(&large).unwrap().set_len(MAX_CERTIFICATE + 1).unwrap();
    let error = checked(place.open("y").certificate().unwrap_err());
    assert!(matches!(error.problem(), PackageProblem::TooLarge { limit: MAX_CERTIFICATE, .. }));
    assert_eq!(place.open("y").manifest().unwrap(), None);
}

#[test]
fn ten_gib_are_opened_by_their_headers() {
    let place = Place::new();
    let path = place.path("large.ova");
    let mut disk = header(b"disk.vmdk", b'0', 0);
    disk[124..136].copy_from_slice(b"\x80\0\0\0\0\0\0\x02\x80\0\0\0");
    sum(&mut disk);
    fs::write(&path, disk).unwrap();
    let end = 512 + (10_u64 << 30);
    let whole = fs::File::options().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&whole, &archive(&[file("x.ovf", OVF.as_bytes())]), end).unwrap();
    let package = place.open("large.ova");
    let disk = package.storage("disk.vmdk").unwrap();
    assert_eq!((disk.size(), disk.plain().unwrap().start), (10 << 30, 512));
    assert_eq!(package.descriptor(), OVF.as_bytes());
}

/// What GNU tar and Python make, in every format that they know, is found with the same bytes; what they make of links is
/// refused.
#[test]
fn what_others_pack_is_read() {
    let place = Place::new();
    let long = format!("{}/{}.vmdk", "folder".repeat(12), "n".repeat(90));
    for (name, bytes) in [("x.ovf", OVF), ("disk.vmdk", "disk"), (&long, "long"), ("d\u{e9}.iso", "iso")] {
        place.write(&format!("in/{name}"), bytes);
    }
    let found_tar = Command::new("tar").arg("--version").output().is_ok();
    let python = "import tarfile,sys\nf={'ustar':0,'gnu':1,'pax':2}[sys.argv[2]]\n\
        t=tarfile.open(sys.argv[1],'w',format=f)\nt.add('in',arcname='.')\nt.close()";
    let mut made = 0;
    for format in ["v7", "ustar", "gnu", "oldgnu", "pax", "posix"] {
        let mut commands = vec![];
        if found_tar && format != "v7" {
            let mut tar = Command::new("tar");
            tar.args(["-C", "in", &format!("--format={format}"), "-cf", "out.ova", "."]);
            commands.push(tar);
        }
        if ["ustar", "gnu", "pax"].contains(&format) {
            let mut command = Command::new("python3");
            command.args(["-c", python, "out.ova", format]);
            commands.push(command);
        }
        for mut command in commands {
            let _ = fs::remove_file(place.path("out.ova"));
            let Ok(output) = command.current_dir(place.0.path()).output() else {
                println!("{command:?} is not there");
                continue;
            };
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
            let package = place.open("out.ova");
            for (name, expected) in [("disk.vmdk", "disk"), (&long, "long"), ("d\u{e9}.iso", "iso")] {
                assert_eq!(bytes(package.storage(name).unwrap().as_ref()), expected.as_bytes(), "{command:?}");
            }
            assert_eq!(package.members().unwrap().len(), 4, "{command:?}");
            made += 1;
        }
    }
    println!("{made} archives of others were read");
    if !found_tar {
        return;
    }
    // Holes, as GNU tar keeps them; and links.
    let holes = place.write("in/disk.vmdk", b"x");
    fs::File::options().write(true).open(&holes).unwrap().set_len(1 << 20).unwrap();
    symlink("x.ovf", place.path("in/link")).unwrap();
    for (arguments, said) in [
        (["--sparse", "--format=gnu", "disk.vmdk"], "sparse"),
        (["--sparse", "--format=posix", "disk.vmdk"], "sparse"),
        (["--format=gnu", "x.ovf", "link"], "symbolic link"),
    ] {
        let mut tar = Command::new("tar");
        let status = tar.args(["-C", "in", "-cf", "out.ova"]).args(arguments).current_dir(place.0.path()).status();
        assert!(status.unwrap().success());
        let error = place.refused("out.ova");
        assert!(error.to_string().contains(said), "{arguments:?}: {error}");
    }
}
