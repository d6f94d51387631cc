//! Files that a descriptor names, and what lies there.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::cases::{Case, DISK, MINIMAL, RUN, VERIFY, judge_all, with};

fn href(name: &str) -> String {
    with("ovf:href=\"disk.vmdk\"", &format!("ovf:href=\"{name}\""))
}

#[test]
fn names_that_leave_the_package() {
    let cases: Vec<Case> = [
        "../disk.vmdk",
        "../../../../../../../../etc/hostname",
        "/etc/hostname",
        "a/../../disk.vmdk",
        "./../disk.vmdk",
        "%2e%2e/disk.vmdk",
        "..%2fdisk.vmdk",
        "..%2Fdisk.vmdk",
        "%2Fetc%2Fhostname",
        "file:///etc/hostname",
        "file:/etc/hostname",
        "disk.vmdk%00.txt",
        "a%0ab",
        "",
        ".",
        "..",
        "a//../../x",
    ]
    .into_iter()
    .map(|name| Case::descriptor(&format!("href {name:?}"), href(name)).refused_by(&[RUN]).names("package.ovf"))
    .collect();
    judge_all(&cases);
}

/// Nothing is fetched. A descriptor with such a name can be looked at.
#[test]
fn names_on_the_network() {
    for name in [
        "http://localhost:9/disk.vmdk",
        "https://localhost:9/d",
        "ftp://localhost/d",
        "HTTP://localhost:9/d",
        "//host/d",
    ] {
        judge_all(&[Case::descriptor(name, href(name)).refused_by(&[RUN]).names(name)]);
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("package.ovf"), href("http://localhost:9/disk.vmdk")).unwrap();
    let call = ovum_tests::limited::ovum(folder.path(), ["inspect", "--json", "package.ovf"]).unwrap();
    assert_eq!(call.status, 0, "{}", call.errors);
    assert!(call.output.contains("\"warnings\":[{") || call.output.contains("\"line\""), "{}", call.output);
}

#[test]
fn what_is_no_file() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, DISK).unwrap();
    type Lay<'l> = (&'l str, &'l dyn Fn(&Path));
    let lays: [Lay<'_>; 7] = [
        ("nothing", &|_| ()),
        ("a link to outside", &|path| symlink(&secret, path).unwrap()),
        ("a link to a device", &|path| symlink("/dev/zero", path).unwrap()),
        ("a link to itself", &|path| symlink("disk.vmdk", path).unwrap()),
        ("a folder", &|path| std::fs::create_dir(path).unwrap()),
        ("a pipe", &|path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
        ("a link to the descriptor's folder", &|path| symlink(".", path).unwrap()),
    ];
    for (what, lay) in lays {
        let case = Case::files(what, "package.ovf", vec![("package.ovf", MINIMAL.into())])
            .refused_by(&[VERIFY, RUN])
            .names("disk.vmdk");
        let wrong = case.judge(|folder| lay(&folder.join("disk.vmdk")));
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
    // The same for what is in the way to the file.
    let case = Case::files("a folder that is a link", "package.ovf", vec![("package.ovf", href("sub/secret").into())])
        .refused_by(&[VERIFY, RUN])
        .names("sub/secret");
    let wrong = case.judge(|folder| symlink(outside.path(), folder.join("sub")).unwrap());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_package_that_is_no_file() {
    let nothing = || Case::files("no package", "package.ovf", Vec::new()).names("package.ovf");
    assert_eq!(nothing().judge(|_| ()), [""; 0]);
    let pipe = |folder: &Path| {
        assert!(Command::new("mkfifo").arg(folder.join("package.ovf")).status().unwrap().success());
    };
    assert_eq!(nothing().judge(pipe), [""; 0]);
    assert_eq!(nothing().judge(|folder| symlink("/dev/zero", folder.join("package.ovf")).unwrap()), [""; 0]);
    let folders = |folder: &Path| std::fs::create_dir(folder.join("package.ovf")).unwrap();
    assert_eq!(nothing().judge(folders), [""; 0]);
}

/// Names are relative URIs: `%20` is a blank. Some writers do not know, and mean `%a` as it is.
#[test]
fn names_with_escapes_and_in_other_scripts() {
    let names = [
        ("my%20disk.vmdk", "my disk.vmdk"),
        ("größe.vmdk", "größe.vmdk"),
        ("gr%C3%B6%C3%9Fe.vmdk", "größe.vmdk"),
        ("磁碟.vmdk", "磁碟.vmdk"),
        ("100%25.vmdk", "100%.vmdk"),
        ("url%24encoded%a.vmdk", "url%24encoded%a.vmdk"),
        ("sub/disk.vmdk", "sub/disk.vmdk"),
        ("./disk.vmdk", "disk.vmdk"),
    ];
    for (href_name, file) in names {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, DISK).unwrap();
        std::fs::write(folder.path().join("package.ovf"), href(href_name)).unwrap();
        for command in ["inspect", "verify"] {
            let call = ovum_tests::limited::ovum(folder.path(), [command, "package.ovf"]).unwrap();
            assert_eq!(call.status, 0, "{command} {href_name}: {}", call.errors);
        }
    }
}
