//! What is checked before anything else is done with a package: the descriptor's digest, and who signed the manifest.

use std::time::SystemTime;

use super::certificate::{self, Signer, Standing, Trust};
use super::digest::hex;
use super::error::{IntegrityError, Mismatch};
use super::manifest::Manifest;
use crate::package::{Package, PackageError};

/// What is known of a package without reading its disks.
#[derive(Debug)]
pub struct DescriptorCheck {
    /// The manifest, if there is one that can be read.
    pub manifest: Option<Manifest>,
    /// Who signed the manifest.
    pub signature: Signature,
    /// Whether the manifest lists the descriptor, with the digest that it has.
    pub is_descriptor_right: bool,
    /// What is wrong: any of it is a reason not to go on.
    pub problems: Vec<IntegrityError>,
    /// What is odd, and can be lived with.
    pub warnings: Vec<String>,
}

/// What vouches for a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// Nothing: there is no signature.
    None,
    /// There is one, and it is wrong or cannot be read.
    Wrong,
    /// The one who has this certificate.
    By(Box<Signer>),
}

/// Compares the descriptor with the manifest, and confirms the manifest's signature. Reads nothing but these.
///
/// A package without manifest or signature is all right, as long as nobody has to be trusted. With `trust`, it must be signed
/// by somebody trusted.
///
/// # Errors
/// The first problem.
pub fn check_descriptor(package: &Package, trust: &Trust) -> Result<DescriptorCheck, IntegrityError> {
    let mut check = DescriptorCheck::of(package, trust, SystemTime::now());
    if check.problems.is_empty() { Ok(check) } else { Err(check.problems.swap_remove(0)) }
}

impl DescriptorCheck {
    /// The same, with all problems: for who wants to tell them all. Certificates are to be valid at the time `now`.
    #[must_use]
    pub fn of(package: &Package, trust: &Trust, now: SystemTime) -> Self {
        let mut check = Self {
            manifest: None,
            signature: Signature::None,
            is_descriptor_right: false,
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        let manifest = check.companion(package.manifest());
        if let Some((name, text)) = &manifest {
            match Manifest::read(name, text) {
                Ok(read) => check.compare(package, read),
                Err(error) => check.problems.push(error.into()),
            }
        }
        let certificate = check.companion(package.certificate());
        match (&manifest, certificate) {
            (Some((name, text)), Some((certificate, pem))) => {
                match certificate::confirm(&certificate, &pem, (name, text), trust, now) {
                    Ok(signer) => check.signed(package, &certificate, signer),
                    Err(error) => {
                        check.signature = Signature::Wrong;
                        check.problems.push(error.into());
                    }
                }
            }
            (None, Some((certificate, _))) => {
                check.signature = Signature::Wrong;
                check.problems.push(IntegrityError::NoManifest(certificate));
            }
            (_, None) if !trust.is_empty() => check.problems.push(IntegrityError::NotSigned),
            (_, None) => (),
        }
        check
    }

    fn companion<F>(&mut self, found: Result<Option<F>, PackageError>) -> Option<F> {
        found.unwrap_or_else(|error| {
            self.problems.push(error.into());
            None
        })
    }

    fn compare(&mut self, package: &Package, mut manifest: Manifest) {
        let name = package.descriptor_name();
        let mut is_listed = false;
        let mut is_right = true;
        for entry in manifest.of(name) {
            is_listed = true;
            let found = entry.algorithm.digest(package.descriptor());
            if found != entry.digest {
                is_right = false;
                self.problems.push(IntegrityError::Descriptor(Box::new(Mismatch {
                    name: name.to_owned(),
                    manifest: manifest.name.clone(),
                    line: entry.line,
                    algorithm: entry.algorithm,
                    expected: hex(&entry.digest),
                    found: hex(&found),
                })));
            }
        }
        self.warnings.append(&mut manifest.warnings);
        if !is_listed {
            self.warnings.push(format!("manifest {}: it does not list the descriptor {name}", manifest.name));
        }
        self.is_descriptor_right = is_listed && is_right;
        self.manifest = Some(manifest);
    }

    fn signed(&mut self, package: &Package, certificate: &str, mut signer: Signer) {
        self.warnings.extend(signer.warnings.drain(..).map(|text| format!("signature {certificate}: {text}")));
        if let Some(manifest) = &self.manifest
            && manifest.of(package.descriptor_name()).next().is_none()
        {
            let descriptor = package.descriptor_name().to_owned();
            self.problems.push(IntegrityError::NotCovered { manifest: manifest.name.clone(), descriptor });
        }
        if let Standing::Untrusted { why } = &signer.standing {
            let (subject, why) = (signer.subject.clone(), why.clone());
            self.problems.push(IntegrityError::NotTrusted { subject, why });
        }
        self.signature = Signature::By(Box::new(signer));
    }
}
