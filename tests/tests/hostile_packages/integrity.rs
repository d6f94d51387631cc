//! Manifests and certificates that do not fit.

use std::process::Command;

use crate::cases::{Case, DISK, MINIMAL, RUN, VERIFY, judge_all, with};
use crate::tar::Tar;

/// The SHA-256 of some bytes, in hex, by sha256sum(1).
pub fn sha256(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x"), bytes).unwrap();
    let output = Command::new("sha256sum").arg(folder.path().join("x")).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

fn line(name: &str, bytes: &[u8]) -> String {
    format!("SHA256({name})= {}\n", sha256(bytes))
}

/// A manifest that is right for the descriptor and the disk.
pub fn right() -> String {
    line("package.ovf", MINIMAL.as_bytes()) + &line("disk.vmdk", DISK)
}

fn folder(what: &str, manifest: impl Into<Vec<u8>>) -> Case {
    let files = vec![
        ("package.ovf", MINIMAL.as_bytes().to_vec()),
        ("disk.vmdk", DISK.to_vec()),
        ("package.mf", manifest.into()),
    ];
    Case::files(what, "package.ovf", files)
}

#[test]
fn a_right_manifest_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let archive = Tar::new()
        .file("package.ovf", MINIMAL.as_bytes())
        .file("package.mf", right().as_bytes())
        .file("disk.vmdk", DISK)
        .end();
    std::fs::write(directory.path().join("package.ova"), archive).unwrap();
    let call = ovum_tests::limited::ovum(directory.path(), ["verify", "package.ova"]).unwrap();
    assert_eq!(call.status, 0, "{}", call.errors);
}

#[test]
fn digests_that_are_wrong() {
    let no = "0".repeat(64);
    let disk = line("disk.vmdk", DISK);
    let descriptor = line("package.ovf", MINIMAL.as_bytes());
    judge_all(&[
        folder("the descriptor's", format!("SHA256(package.ovf)= {no}\n{disk}"))
            .refused_by(&[VERIFY, RUN])
            .names("package.ovf"),
        folder("the disk's", format!("{descriptor}SHA256(disk.vmdk)= {no}\n")).refused_by(&[VERIFY]).names("disk.vmdk"),
        folder("a disk's, twice", format!("{descriptor}{disk}SHA256(disk.vmdk)= {no}\n"))
            .refused_by(&[VERIFY])
            .names("disk.vmdk"),
        folder("a file that is not there", right() + &line("gone.vmdk", b"")).refused_by(&[VERIFY]).names("gone.vmdk"),
        folder("the manifest itself", right() + &format!("SHA256(package.mf)= {no}\n"))
            .refused_by(&[VERIFY])
            .names("package.mf"),
        folder("a file outside", right() + &format!("SHA256(../../secret)= {no}\n"))
            .refused_by(&[VERIFY])
            .names("secret"),
        folder("an absolute name", right() + &format!("SHA256(/etc/hostname)= {no}\n"))
            .refused_by(&[VERIFY])
            .names("hostname"),
        folder("no digest for the disk", descriptor).survived(),
    ]);
}

#[test]
fn manifests_that_are_none() {
    let lines = |text: &str| format!("{}{text}", right());
    let cases: Vec<Case> = [
        ("words", lines("this is no digest\n")),
        ("a digest that is too short", lines("SHA256(disk.vmdk)= 00ff\n")),
        ("a digest with letters", lines(&format!("SHA256(disk.vmdk)= {}\n", "g".repeat(64)))),
        ("MD5", lines("MD5(disk.vmdk)= d41d8cd98f00b204e9800998ecf8427e\n")),
        ("no closing parenthesis", lines(&format!("SHA256(disk.vmdk= {}\n", "0".repeat(64)))),
        ("no name", lines(&format!("SHA256()= {}\n", "0".repeat(64)))),
    ]
    .into_iter()
    .map(|(what, text)| folder(what, text).refused_by(&[VERIFY]).names("package.mf").names("line 3"))
    .collect();
    judge_all(&cases);
    let nobody = |n: usize| format!("SHA256({n}.vmdk)= {}\n", "0".repeat(64));
    judge_all(&[
        folder("not UTF-8", [right().as_bytes(), b"\xff\xfe\n"].concat()).refused_by(&[VERIFY]).names("package.mf"),
        folder("nothing", "").survived(),
        folder("30,000 lines", (0..30_000).map(nobody).collect::<String>()).refused_by(&[VERIFY]),
        folder("one long line", "x".repeat(50_000_000)).refused_by(&[VERIFY]).names("package.mf"),
    ]);
}

#[test]
fn sizes_that_are_wrong() {
    let sized = |size: &str| {
        Case::descriptor(size, with("ovf:href=\"disk.vmdk\"", &format!("ovf:href=\"disk.vmdk\" ovf:size=\"{size}\"")))
            .refused_by(&[VERIFY, RUN])
            .names("disk.vmdk")
    };
    judge_all(&[sized("1"), sized("2001"), sized("9223372036854775807")]);
}

#[test]
fn signatures_that_are_none() {
    let signed = |what: &str, certificate: &[u8]| {
        let mut files = vec![("package.ovf", MINIMAL.as_bytes().to_vec()), ("disk.vmdk", DISK.to_vec())];
        files.push(("package.mf", right().into_bytes()));
        files.push(("package.cert", certificate.to_vec()));
        Case::files(what, "package.ovf", files).refused_by(&[VERIFY]).names("package.cert")
    };
    let pem = |inside: &str| {
        format!("SHA256(package.mf)= 00ff\n-----BEGIN CERTIFICATE-----\n{inside}\n-----END CERTIFICATE-----\n")
    };
    judge_all(&[
        signed("nothing", b""),
        signed("words", b"trust me\n"),
        signed("zeroes", &[0; 4096]),
        signed("no certificate", b"SHA256(package.mf)= 00ff\n"),
        signed("no base64", pem("????").as_bytes()),
        signed("no certificate in base64", pem("AAAA").as_bytes()),
        signed("a certificate that claims 2 GiB", pem("MIR/////AAAA").as_bytes()),
        signed("nested 10^4 times", pem(&"MIAw".repeat(10_000)).as_bytes()),
        Case::files(
            "a signature without a manifest",
            "package.ovf",
            vec![("package.ovf", MINIMAL.into()), ("disk.vmdk", DISK.to_vec()), ("package.cert", b"x".to_vec())],
        )
        .refused_by(&[VERIFY])
        .names("package"),
    ]);
}
