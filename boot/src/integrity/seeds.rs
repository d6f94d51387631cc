//! The seeds of the fuzz targets for packages: written, and replayed.

use std::fs;
use std::path::PathBuf;

use super::testing::OpenSsl;
use super::{Algorithm, digest};
use crate::fuzz;
use crate::package::tar::testing::{archive, file, header, padded, record, typed};

fn folder(target: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/seeds")).join(target)
}

fn line(algorithm: Algorithm, name: &str, bytes: &[u8]) -> String {
    format!("{algorithm}({name})= {}\n", digest::hex(&algorithm.digest(bytes)))
}

fn archives() -> Vec<(&'static str, Vec<u8>)> {
    let ovf = file("x.ovf", b"<Envelope/>");
    let manifest = line(Algorithm::Sha1, "x.ovf", b"<Envelope/>") + &line(Algorithm::Sha256, "disk", b"disk");
    let pax = record("path", "a long name") + &record("size", "4");
    vec![
        ("plain", archive(&[ovf.clone(), file("x.mf", manifest.as_bytes()), file("disk", b"disk")])),
        ("folder", archive(&[typed("a/", b'5', b""), file("./a/x.ovf", b"<Envelope/>"), file("a/disk", b"")])),
        ("pax", archive(&[ovf.clone(), typed("p", b'x', pax.as_bytes()), header(b"a", b'0', 0), padded(b"disk")])),
        ("global", archive(&[typed("g", b'g', record("comment", "hello").as_bytes()), ovf.clone()])),
        ("long-name", archive(&[typed("L", b'L', b"a/long/name\0"), file("a", b"1"), ovf.clone()])),
        ("link", archive(&[ovf.clone(), header(b"link", b'2', 0)])),
        ("signed", archive(&[ovf, file("x.mf", manifest.as_bytes()), file("x.cert", b"SHA1(x.mf)= 00")])),
    ]
}

fn manifests() -> Vec<(&'static str, Vec<u8>)> {
    let all = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];
    let text: String = all.into_iter().map(|algorithm| line(algorithm, "a (1)=b.vmdk", b"")).collect();
    vec![
        ("all-kinds", text.clone().into_bytes()),
        ("windows", text.replace('\n', "\r\n\r\n").replace("= ", " = ").into_bytes()),
        ("openssl-3", line(Algorithm::Sha256, "x", b"").replace("SHA256", "SHA2-256").into_bytes()),
        ("upper-case", line(Algorithm::Sha1, "x", b"").to_uppercase().into_bytes()),
        ("twice", line(Algorithm::Sha1, "x", b"").repeat(2).into_bytes()),
        ("itself", line(Algorithm::Sha1, "x.mf", b"").into_bytes()),
    ]
}

#[test]
fn any_package_is_harmless() {
    for (target, body) in [
        ("package_tar", fuzz::package_tar as fn(&[u8])),
        ("manifest", fuzz::manifest),
        ("certificate", fuzz::certificate),
    ] {
        let mut replayed = 0;
        for seed in fs::read_dir(folder(target)).unwrap() {
            let bytes = fs::read(seed.unwrap().path()).unwrap();
            body(&bytes);
            // As it is cut off, and with a byte that is another one, here and there.
            for at in (0..bytes.len()).step_by(bytes.len() / 24 + 1) {
                body(&bytes[..at]);
                let mut spoilt = bytes.clone();
                spoilt[at] ^= 0x15;
                body(&spoilt);
            }
            replayed += 1;
        }
        assert!(replayed >= 4, "{target} has {replayed} seeds");
    }
}

/// `cargo test -p ovum-boot -- --ignored write_the_fuzzers_packages`
#[test]
#[ignore = "writes into the source tree"]
fn write_the_fuzzers_packages() {
    let write = |target: &str, name: &str, bytes: &[u8]| {
        fs::create_dir_all(folder(target)).unwrap();
        fs::write(folder(target).join(name), bytes).unwrap();
    };
    archives().iter().for_each(|(name, bytes)| write("package_tar", name, bytes));
    manifests().iter().for_each(|(name, bytes)| write("manifest", name, bytes));
    let Some(openssl) = OpenSsl::new() else { return };
    openssl.write("x.mf", "SHA256(x.ovf)= 00\n");
    openssl.alone("rsa", None, "");
    openssl.alone("p256", Some("P-256"), "");
    openssl.alone("p384", Some("P-384"), "");
    openssl.issued("leaf", "rsa", "basicConstraints=CA:FALSE\n");
    write("certificate", "rsa", &openssl.signature("sha1", "rsa", "x.mf", &["rsa"]));
    write("certificate", "p256", &openssl.signature("sha256", "p256", "x.mf", &["p256"]));
    write("certificate", "p384", &openssl.signature("sha384", "p384", "x.mf", &["p384"]));
    write("certificate", "chain", &openssl.signature("sha512", "leaf", "x.mf", &["leaf", "rsa"]));
    write("certificate", "cms", &openssl.run("cms -sign -in x.mf -signer p256.pem -inkey p256.key -outform PEM"));
}
