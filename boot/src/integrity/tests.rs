use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use super::digest::hex;
use super::testing::OpenSsl;
use super::*;
use crate::ovf::appliance::{Compression, FileReference};
use crate::package::Package;
use crate::package::tar::testing::{archive, file};

const OVF: &[u8] = b"<Envelope/>\n";

fn reference(href: &str, size: Option<u64>, chunk_size: Option<u64>) -> FileReference {
    let compression = Compression::Identity;
    FileReference { id: "f".into(), href: href.into(), size, compression, chunk_size, line: 1 }
}

fn line(name: &str, bytes: &[u8]) -> String {
    format!("SHA256({name})= {}\n", hex(&Algorithm::Sha256.digest(bytes)))
}

/// An archive of these files, behind a right manifest of some of them.
fn package(folder: &Path, manifest: &str, files: &[(&str, &[u8])]) -> Package {
    let mut members = vec![file("x.ovf", OVF)];
    if !manifest.is_empty() {
        members.push(file("x.mf", manifest.as_bytes()));
    }
    members.extend(files.iter().map(|(name, bytes)| file(name, bytes)));
    let path = folder.join("x.ova");
    fs::write(&path, archive(&members)).unwrap();
    Package::open(&path).unwrap()
}

fn run(package: &Package, files: &[FileReference], pace: Pace) -> Vec<FileCheck> {
    let check = DescriptorCheck::of(package, &Trust::nobody(), SystemTime::now());
    let plan = Plan::new(package, check.manifest.as_ref(), files);
    let total = plan.total();
    let mut last = 0;
    let progress = &mut |done| {
        assert!(done > last);
        last = done;
    };
    let checks = plan.run(pace, &AtomicBool::new(false), progress).unwrap();
    assert_eq!(last, total);
    checks
}

fn states(checks: &[FileCheck]) -> Vec<(&str, &FileState)> {
    checks.iter().map(|check| (check.name.as_str(), &check.state)).collect()
}

#[test]
fn every_file_is_compared_with_what_is_said_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Vec<u8> = (0..3_000_000_u32).map(|n| u8::try_from(n % 253).unwrap()).collect();
    let manifest = [
        line("x.ovf", OVF),
        line("disk 1.vmdk", &disk),
        line("wrong", b"as it was"),
        line("gone", b""),
        line("../out", b""),
        line("c.000000000", b"aaaa"),
        line("c.000000001", b"bb"),
        line("./disk%201.vmdk", b"again"),
    ];
    let files: [(&str, &[u8]); 7] = [
        ("disk 1.vmdk", &disk),
        ("wrong", b"as it is"),
        ("c.000000000", b"aaaa"),
        ("c.000000001", b"bb"),
        ("unlisted.iso", b"1"),
        ("stray", b"12"),
        ("x.cert", b""),
    ];
    let package = package(dir.path(), &manifest.concat(), &files);
    let references = [
        reference("disk%201.vmdk", Some(3_000_000), None),
        reference("wrong", Some(7), None),
        reference("c", Some(6), Some(4)),
        reference("unlisted.iso", None, None),
        reference("nowhere", None, None),
        reference("http://host/a.vmdk", None, None),
        reference("nowhere", None, None),
    ];
    for pace in [Pace::Full(NonZero::new(3).unwrap()), Pace::Gentle] {
        let checks = run(&package, &references, pace);
        let found = states(&checks);
        let [ovf, one, wrong, gone, out, chunk, last, again, size, unlisted, nowhere, http, stray] = found[..] else {
            panic!("{found:?}")
        };
        for right in [ovf, one, chunk, last] {
            assert_eq!(right.1, &FileState::Right, "{}", right.0);
        }
        assert!(checks[..8].iter().all(|check| check.is_referenced != ["gone", "../out"].contains(&&*check.name)));
        assert!(matches!(wrong.1, FileState::Wrong { algorithm: Algorithm::Sha256, expected, found }
            if *expected == hex(&Algorithm::Sha256.digest(b"as it was")) && *found == hex(&Algorithm::Sha256.digest(b"as it is"))));
        assert_eq!(gone, ("gone", &FileState::Missing));
        assert!(matches!(out.1, FileState::Unreadable(why) if why.contains("outside")));
        assert!(matches!(again.1, FileState::Unreadable(why) if why.contains("line 2")));
        assert_eq!(size, ("wrong", &FileState::OtherSize { declared: 7, found: 8 }));
        assert_eq!(unlisted, ("unlisted.iso", &FileState::NotListed));
        assert_eq!(nowhere, ("nowhere", &FileState::Missing));
        assert!(matches!(http.1, FileState::Unreadable(why) if why.contains("http")));
        assert_eq!(stray, ("stray", &FileState::NotListed));
        assert!(checks.iter().filter(|check| check.is_problem()).count() == 7);
    }
}

#[test]
fn a_check_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let disk = vec![7; 8 << 20];
    let package = package(dir.path(), &line("disk", &disk), &[("disk", &disk)]);
    let check = DescriptorCheck::of(&package, &Trust::nobody(), SystemTime::now());
    for (pace, before) in [(Pace::Gentle, false), (Pace::Full(NonZero::<usize>::MIN), false), (Pace::Gentle, true)] {
        let stop = AtomicBool::new(before);
        let mut seen = 0;
        let progress = &mut |done| {
            seen = done;
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        };
        let checks = Plan::new(&package, check.manifest.as_ref(), &[]).run(pace, &stop, progress).unwrap();
        assert_eq!(states(&checks)[0], ("disk", &FileState::Stopped));
        assert!(seen < 8 << 20);
    }
}

#[test]
fn without_a_manifest_sizes_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let package = package(dir.path(), "", &[("disk", b"1234")]);
    let check = check_descriptor(&package, &Trust::nobody()).unwrap();
    assert!(check.manifest.is_none() && check.signature == Signature::None && !check.is_descriptor_right);
    let checks = run(&package, &[reference("disk", Some(4), None)], Pace::Gentle);
    assert_eq!(states(&checks), [("disk", &FileState::NotListed), ("x.ovf", &FileState::NotListed)]);
    let checks = run(&package, &[reference("disk", Some(5), None)], Pace::Gentle);
    assert_eq!(states(&checks)[0], ("disk", &FileState::OtherSize { declared: 5, found: 4 }));
}

#[test]
fn the_descriptor_is_compared_before_anything_else() {
    let dir = tempfile::tempdir().unwrap();
    let right = check_descriptor(&package(dir.path(), &line("x.ovf", OVF), &[]), &Trust::nobody()).unwrap();
    assert!(right.is_descriptor_right && right.warnings.is_empty());
    let refused = |manifest: &str, files: &[(&str, &[u8])]| {
        let error = check_descriptor(&package(dir.path(), manifest, files), &Trust::nobody()).unwrap_err();
        assert!(!error.remedy().is_empty() && !error.is_the_hosts());
        error
    };
    let error = refused(&line("x.ovf", b"<Other/>"), &[]);
    assert!(error.to_string().starts_with("descriptor x.ovf: its SHA256 digest is "), "{error}");
    assert!(matches!(refused("hello", &[]), IntegrityError::Manifest(_)));
    assert!(matches!(refused("", &[("x.cert", b"hello")]), IntegrityError::NoManifest(_)));
    assert!(matches!(refused(&line("x.ovf", OVF), &[("x.cert", b"hello")]), IntegrityError::Certificate(_)));
    let other = check_descriptor(&package(dir.path(), &line("disk", b""), &[]), &Trust::nobody()).unwrap();
    assert!(!other.is_descriptor_right && other.warnings.len() == 1);
}

/// A package as others would make and sign it, by `sha256sum`, `openssl` and `tar`.
#[test]
fn a_signed_package_is_what_its_signer_made() {
    let Some(openssl) = OpenSsl::new() else { return };
    openssl.write("x.ovf", OVF);
    openssl.write("disk.vmdk", b"disk");
    let Ok(output) =
        Command::new("sha256sum").args(["--tag", "x.ovf", "disk.vmdk"]).current_dir(openssl.folder()).output()
    else {
        return;
    };
    openssl.write("x.mf", &output.stdout);
    openssl.alone("maker", None, "");
    openssl.alone("other", None, "");
    openssl.write("x.cert", openssl.signature("sha256", "maker", "x.mf", &["maker"]));
    let trusting = |name: &str| {
        let mut trust = Trust::nobody();
        trust.add(name, &openssl.read(&format!("{name}.pem"))).unwrap();
        trust
    };
    let open = || Package::open(&openssl.path("x.ovf")).unwrap();
    let check = check_descriptor(&open(), &trusting("maker")).unwrap();
    let Signature::By(signer) = check.signature else { panic!("{:?}", check.signature) };
    assert_eq!(signer.standing, Standing::Trusted { by: "CN=maker".into() });
    assert!(check.warnings.is_empty());
    let untrusted = check_descriptor(&open(), &trusting("other")).unwrap_err();
    assert!(matches!(untrusted, IntegrityError::NotTrusted { .. }), "{untrusted}");
    let checks = run(&open(), &[reference("disk.vmdk", Some(4), None)], Pace::Gentle);
    assert!(checks.iter().all(|check| check.state == FileState::Right), "{checks:?}");

    // Somebody changes the manifest, removes the signature, or signs a manifest without the descriptor.
    openssl.write("x.mf", [&output.stdout[..], b"\n"].concat());
    let problems = DescriptorCheck::of(&open(), &trusting("maker"), SystemTime::now()).problems;
    assert!(matches!(&problems[..], [IntegrityError::Certificate(_)]), "{problems:?}");
    openssl.write("x.mf", line("disk.vmdk", b"disk"));
    openssl.write("x.cert", openssl.signature("sha256", "maker", "x.mf", &["maker"]));
    let error = check_descriptor(&open(), &Trust::nobody()).unwrap_err();
    assert!(matches!(error, IntegrityError::NotCovered { .. }), "{error}");
    fs::remove_file(openssl.path("x.cert")).unwrap();
    let error = check_descriptor(&open(), &trusting("maker")).unwrap_err();
    assert!(matches!(error, IntegrityError::NotSigned), "{error}");
}
