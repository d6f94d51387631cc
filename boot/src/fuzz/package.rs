//! What `package_tar`, `manifest` and `certificate` run.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use ovum_disk::storage::testing::Memory;
use ovum_disk::storage::{Storage, read_bytes};

use crate::integrity::{DescriptorCheck, Manifest, Pace, Plan, Trust, certificate};
use crate::package::{Package, tar};

/// When certificates are looked at: at some time in 2026, so that every run sees the same.
const NOW: Duration = Duration::from_secs(1_780_000_000);

/// Reads `data` as an OVA, with its manifest and signature. Whatever the bytes are, nothing panics; members have names that
/// stay inside, lie in the archive, each for itself, and can be read.
pub fn package_tar(data: &[u8]) {
    let storage: Arc<dyn Storage> = Memory::new(data.to_vec());
    match tar::read(&storage) {
        Err(error) => said(&error.problem, error.problem.remedy()),
        Ok(mut entries) => {
            entries.sort_by_key(|entry| entry.start);
            let mut end = 0;
            for entry in &entries {
                assert!(
                    entry.start >= end + tar::BLOCK && entry.start.is_multiple_of(tar::BLOCK),
                    "{entry:?} overlaps"
                );
                end = entry.start + entry.size;
                assert!(end <= data.len() as u64, "{entry:?} lies outside");
                let leads_out = entry.name.split('/').any(|part| matches!(part, "" | "." | ".."));
                assert!(!leads_out && !entry.name.contains('\0'), "{entry:?}");
            }
        }
    }
    match Package::from_archive(Path::new("fuzzed.ova"), storage) {
        Err(error) => said(&error, &error.remedy()),
        Ok(package) => opened(&package),
    }
}

fn opened(package: &Package) {
    for member in package.members().unwrap_or_default() {
        let found = package.neighbours().open(&member.name).map(|found| found.storage);
        let is_there = found.as_ref().is_ok_and(|storage| storage.size() == member.size);
        assert!(is_there, "{} is not there as it should be", member.name);
        let Ok(storage) = found else { continue };
        let mut last = [0];
        let is_read = member.size == 0 || read_bytes(storage.as_ref(), member.size - 1, &mut last).is_ok();
        assert!(is_read, "{} cannot be read", member.name);
    }
    let check = DescriptorCheck::of(package, &Trust::nobody(), SystemTime::UNIX_EPOCH + NOW);
    check.problems.iter().for_each(|problem| said(problem, &problem.remedy()));
    let plan = Plan::new(package, check.manifest.as_ref(), &[]);
    // Each member once for each kind of digest, however often a manifest names it.
    assert!(plan.total() <= 4 * package.members().unwrap_or_default().iter().map(|member| member.size).sum::<u64>());
    let checks = plan.run(Pace::Gentle, &AtomicBool::new(data_is_large(package)), &mut |_| ());
    assert!(checks.is_ok());
}

/// Whether reading it all would take the time of many other inputs.
fn data_is_large(package: &Package) -> bool {
    package.members().unwrap_or_default().iter().any(|member| member.size > 1 << 20)
}

/// Reads `data` as a manifest. Whatever it is, nothing panics; digests have the length of their kind.
pub fn manifest(data: &[u8]) {
    match Manifest::read("x.mf", data) {
        Err(error) => said(&error, &error.remedy()),
        Ok(manifest) => {
            assert!(!manifest.entries.is_empty());
            for entry in &manifest.entries {
                assert!(entry.digest.len() == entry.algorithm.length() && !entry.name.is_empty(), "{entry:?}");
            }
        }
    }
}

/// Reads `data` as a signature with its certificates, all of which are trusted as well. Nothing panics.
pub fn certificate(data: &[u8]) {
    let mut trust = Trust::nobody();
    if let Err(error) = trust.add("x.pem", data) {
        said(&error, &error.remedy());
    }
    let manifest = ("x.mf", &b"SHA256(x.ovf)= 00\n"[..]);
    match certificate::confirm("x.cert", data, manifest, &trust, SystemTime::UNIX_EPOCH + NOW) {
        Err(error) => said(&error, &error.remedy()),
        Ok(signer) => assert!(signer.fingerprint.len() == 64 && !signer.subject.is_empty()),
    }
    let _ = crate::integrity::sign(manifest.1, manifest.0, data, data);
}

/// A refusal says what is wrong and what to do, in a line each.
fn said(cause: &impl Display, remedy: &str) {
    let cause = cause.to_string();
    assert!(!cause.is_empty() && cause.len() < 20_000, "{} bytes", cause.len());
    assert!(!remedy.is_empty() && !remedy.contains('\n'), "{remedy:?}");
}
