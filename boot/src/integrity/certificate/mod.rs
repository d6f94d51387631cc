//! Who signed a manifest (DSP0243 1.1.0, 5.1): a `.cert` file is a line `SHA256(x.mf)= SIGNATURE` and X.509 certificates in
//! PEM.
//!
//! * [`file`]: what is in such a file.
//! * [`x509`]: a certificate, and what its key has signed.
//! * [`trust`]: from the signer's certificate to one that the user trusts.
//! * [`sign()`]: makes such a file.

mod file;
mod pem;
mod sign;
mod trust;
mod x509;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;

use super::digest::{Algorithm, hex};
use super::line::LineProblem;
pub use sign::{SignError, sign};
pub use trust::Trust;
use x509::Certificate;

/// The most certificates that a file may hold.
pub const MAX_CERTIFICATES: usize = 32;

/// A signature that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("signature {name}: {problem}")]
pub struct CertificateError {
    /// The name of its file.
    pub name: String,
    /// What is wrong.
    pub problem: CertificateProblem,
}

/// What is wrong with a signature, or with the certificates beside it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// A line cannot be read.
    #[error("line {line}: {problem}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: LineProblem,
    },
    /// There is no signature.
    #[error("there is no line with a signature in it")]
    NoSignature,
    /// There are two signatures.
    #[error("line {0}: a second signature")]
    TwoSignatures(usize),
    /// There is no certificate.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// There are more certificates than any chain has.
    #[error("there are more than {MAX_CERTIFICATES} certificates in it")]
    TooMany,
    /// It is of a kind that Ovum does not read.
    #[error("line {line}: it is of the kind {kind}, which Ovum does not read")]
    Kind {
        /// The line, from 1; that of a file that is no text is 1.
        line: usize,
        /// What it is.
        kind: String,
    },
    /// A secret key lies in it.
    #[error("line {0}: there is a secret key in it, which everybody can use now")]
    SecretKey(usize),
    /// What is between two lines of PEM is no certificate.
    #[error("line {line}: the certificate cannot be read: {problem}")]
    Certificate {
        /// The line where it begins, from 1.
        line: usize,
        /// Why.
        problem: String,
    },
    /// The signer's key is of a kind that Ovum does not use.
    #[error("the key of {0} is of a kind or a size that Ovum does not use")]
    Key(String),
    /// The signature is not that of any of the certificates' keys over the manifest.
    #[error("no key of its certificates has signed this manifest")]
    Wrong,
}

impl CertificateError {
    /// One line that says what to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match &self.problem {
            CertificateProblem::Wrong => {
                "do not use it: the manifest was changed after it was signed; get the package again from its maker"
            }
            CertificateProblem::SecretKey(_) => "do not trust this key any more, and tell the maker of the package",
            CertificateProblem::Kind { .. } => {
                "ask its maker for a signature as DSP0243 1.1 has it: a line with digits, and PEM certificates"
            }
            CertificateProblem::Key(_) => "ask its maker for one of RSA (2048 bits or more), P-256 or P-384",
            _ => "get the package again from its maker",
        }
        .into()
    }
}

/// Who has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The subject of the certificate, as RFC 4514 writes names.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// When it begins to be valid.
    pub not_before: SystemTime,
    /// When it ends to be valid.
    pub not_after: SystemTime,
    /// What that means now.
    pub validity: Validity,
    /// The SHA-256 digest of the certificate, in hexadecimal digits.
    pub fingerprint: String,
    /// Whether nobody else vouches for it.
    pub is_self_signed: bool,
    /// How the manifest was digested for the signature.
    pub algorithm: Algorithm,
    /// What is known of it.
    pub standing: Standing,
    /// What is odd, and can be lived with.
    pub warnings: Vec<String>,
}

/// What the dates of a certificate say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Validity {
    /// It is valid now.
    Valid,
    /// It is not valid yet.
    NotYet,
    /// It is not valid any more.
    Expired,
}

/// Whether a signer is one that the user trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nobody said whom to trust.
    Unasked,
    /// The user trusts this certificate, or the one that issued it.
    Trusted {
        /// The subject of the certificate that the user gave.
        by: String,
    },
    /// No certificate that the user gave vouches for it.
    Untrusted {
        /// Why, in one line.
        why: String,
    },
}

impl Signer {
    /// When a date of it is, for people: `2031-05-07`.
    #[must_use]
    pub fn date(time: SystemTime) -> String {
        x509::date(time)
    }
}

/// Confirms the signature in the file `name` over the manifest `manifest`, which is called `manifest_name`, at the time `now`.
///
/// # Errors
/// [`CertificateError`] when it cannot be read, or is not a signature of this manifest. A signer who is not trusted is no
/// error here.
pub fn confirm(
    name: &str,
    text: &[u8],
    (manifest_name, manifest): (&str, &[u8]),
    trust: &Trust,
    now: SystemTime,
) -> Result<Signer, CertificateError> {
    let tell = |problem| CertificateError { name: name.to_owned(), problem };
    let file = file::read(text).map_err(tell)?;
    let mut problem = CertificateProblem::Wrong;
    for certificate in &file.certificates {
        match certificate.has_signed(file.signature.algorithm, manifest, &file.signature.value) {
            Ok(true) => {
                let mut signer = certificate.signer(file.signature.algorithm, now);
                signer.standing = trust.standing(certificate, &file.certificates, now);
                if file.signature.name != manifest_name {
                    signer
                        .warnings
                        .push(format!("it says to be of {}, and not of {manifest_name}", file.signature.name));
                }
                return Ok(signer);
            }
            Ok(false) => (),
            Err(x509::UnusableKey) => problem = CertificateProblem::Key(certificate.subject()),
        }
    }
    Err(tell(problem))
}

impl Certificate {
    fn signer(&self, algorithm: Algorithm, now: SystemTime) -> Signer {
        let mut warnings = Vec::new();
        if algorithm == Algorithm::Sha1 {
            warnings.push("it was made with SHA-1, which others can make fit to something else".to_owned());
        }
        Signer {
            subject: self.subject(),
            issuer: self.issuer(),
            not_before: self.not_before(),
            not_after: self.not_after(),
            validity: self.validity(now),
            fingerprint: hex(&Algorithm::Sha256.digest(self.der())),
            is_self_signed: self.is_self_signed(),
            algorithm,
            standing: Standing::Unasked,
            warnings,
        }
    }
}

/// Seconds since 1970, as far as they can be told.
fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests;
