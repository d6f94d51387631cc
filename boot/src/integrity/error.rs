//! What can be wrong with a package's integrity as a whole, and what to do about it.

use std::fmt;

use thiserror::Error;

use super::certificate::CertificateError;
use super::digest::Algorithm;
use super::manifest::ManifestError;
use crate::package::PackageError;

/// Why a package is not what it should be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IntegrityError {
    /// A file of it cannot be read.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The signature cannot be read, or is wrong.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The descriptor has another digest than the manifest says.
    #[error("descriptor {name}: its {} digest is {}..., and manifest {} says {}... in line {}",
        .0.algorithm, short(&.0.found), .0.manifest, short(&.0.expected), .0.line, name = .0.name)]
    Descriptor(Box<Mismatch>),
    /// There is a signature, and no manifest that it could be of.
    #[error("signature {0}: there is no manifest that it could be of")]
    NoManifest(String),
    /// A signed manifest says nothing of the descriptor.
    #[error("manifest {manifest}: it is signed, and does not list the descriptor {descriptor}")]
    NotCovered {
        /// The manifest.
        manifest: String,
        /// The descriptor.
        descriptor: String,
    },
    /// Somebody has to be trusted, and nobody has signed.
    #[error("the package is not signed, so that no trusted certificate vouches for it")]
    NotSigned,
    /// Somebody has to be trusted, and somebody else has signed.
    #[error("the package was signed by {subject}, who is not trusted: {why}")]
    NotTrusted {
        /// Who has signed.
        subject: String,
        /// Why that is not enough.
        why: String,
    },
}

/// A digest that is not the one that it should be. Digests are in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The file.
    pub name: String,
    /// The manifest.
    pub manifest: String,
    /// The line of the manifest, from 1.
    pub line: usize,
    /// How the digest is made.
    pub algorithm: Algorithm,
    /// What the manifest says.
    pub expected: String,
    /// What it is.
    pub found: String,
}

/// As much of a digest as tells it from others.
pub(super) fn short(digest: &str) -> impl fmt::Display {
    digest.get(..12).unwrap_or(digest).to_owned()
}

impl IntegrityError {
    /// Whether the host is to blame, and not what was asked for.
    #[must_use]
    pub fn is_the_hosts(&self) -> bool {
        matches!(self, Self::Package(error) if error.is_the_hosts())
    }

    /// One line that says what to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Package(error) => error.remedy(),
            Self::Manifest(error) => error.remedy(),
            Self::Certificate(error) => error.remedy(),
            Self::Descriptor(_) => {
                "get the package again; if you changed the descriptor yourself, make its line in the manifest anew \
                 (sha256sum --tag), or remove the manifest and the signature"
                    .into()
            }
            Self::NoManifest(_) => "get the package again, with its .mf file".into(),
            Self::NotCovered { .. } => "do not use it: anybody can change what is not signed".into(),
            Self::NotSigned => "leave out --trust, or ask the maker for a package with a .cert file".into(),
            Self::NotTrusted { .. } => {
                "if its fingerprint is the one that the maker publishes, give the certificate after --trust".into()
            }
        }
    }
}
