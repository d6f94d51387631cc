//! A certificate (RFC 5280), and what its key has signed.

use std::fmt;
use std::time::SystemTime;

use der::asn1::ObjectIdentifier;
use der::{Decode, Encode, Reader, SliceReader};
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

use super::{Validity, since_1970};
use crate::integrity::digest::Algorithm;

/// RFC 8017, A.1.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// RFC 5480, 2.1.1, and the curves of 2.1.1.1.
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// RFC 8410, 3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// How certificates are signed: RFC 8017, A.2.4; RFC 5758, 3.2.
const SIGNATURES: [(ObjectIdentifier, Algorithm); 6] = [
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"), Algorithm::Sha1),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11"), Algorithm::Sha256),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12"), Algorithm::Sha384),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13"), Algorithm::Sha512),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"), Algorithm::Sha256),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"), Algorithm::Sha384),
];

/// The most characters of a name that are shown.
const MAX_SHOWN: usize = 300;

/// A key of a kind or a size that is not used here.
#[derive(Debug)]
pub(super) struct UnusableKey;

/// A certificate with the bytes that it was read from.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    der: Vec<u8>,
    /// The part that its issuer signed, as it stands in `der`.
    signed: Vec<u8>,
    parsed: x509_cert::Certificate,
}

/// Why one certificate does not vouch for another, as the end of a sentence that begins with its name.
pub(super) type Refusal = &'static str;

impl Certificate {
    /// Reads DER; says in one line what is wrong with it.
    pub(super) fn read(der: Vec<u8>) -> Result<Self, String> {
        let parsed = x509_cert::Certificate::from_der(&der).map_err(|error| error.to_string())?;
        let signed = signed_part(&der).map_err(|error| error.to_string())?;
        Ok(Self { der, signed, parsed })
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    pub(super) fn subject(&self) -> String {
        shown(self.parsed.tbs_certificate().subject())
    }

    pub(super) fn issuer(&self) -> String {
        shown(self.parsed.tbs_certificate().issuer())
    }

    pub(super) fn not_before(&self) -> SystemTime {
        self.parsed.tbs_certificate().validity().not_before.to_system_time()
    }

    pub(super) fn not_after(&self) -> SystemTime {
        self.parsed.tbs_certificate().validity().not_after.to_system_time()
    }

    pub(super) fn validity(&self, now: SystemTime) -> Validity {
        if now < self.not_before() {
            Validity::NotYet
        } else if now > self.not_after() {
            Validity::Expired
        } else {
            Validity::Valid
        }
    }

    pub(super) fn is_self_signed(&self) -> bool {
        self.names_as_issuer(self) && self.is_signed_by(self).is_ok()
    }

    /// Whether this one says to be issued by the subject of `other`.
    pub(super) fn names_as_issuer(&self, other: &Self) -> bool {
        self.parsed.tbs_certificate().issuer() == other.parsed.tbs_certificate().subject()
    }

    /// Whether this certificate's key made `signature` over `message`, which was digested by `algorithm`.
    pub(super) fn has_signed(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, UnusableKey> {
        let key = self.key_algorithm(algorithm).ok_or(UnusableKey)?;
        let bits = self.parsed.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes();
        Ok(UnparsedPublicKey::new(key, bits).verify(message, signature).is_ok())
    }

    /// Whether the key of `issuer` has signed this certificate, by an algorithm that proves it.
    pub(super) fn is_signed_by(&self, issuer: &Self) -> Result<(), Refusal> {
        let algorithm = self.parsed.signature_algorithm();
        // What is signed says it, too (RFC 5280, 4.1.1.2).
        if algorithm != self.parsed.tbs_certificate().signature() {
            return Err("says two things about how it is signed");
        }
        let signature = self.parsed.signature().as_bytes().unwrap_or_default();
        let is_it = if algorithm.oid == ED25519 {
            let key = issuer.parsed.tbs_certificate().subject_public_key_info();
            let key = (key.algorithm.oid == ED25519).then(|| key.subject_public_key.raw_bytes());
            key.map(|key| UnparsedPublicKey::new(&signature::ED25519, key).verify(&self.signed, signature).is_ok())
        } else {
            let known = SIGNATURES.iter().find(|(oid, _)| *oid == algorithm.oid).map(|(_, algorithm)| *algorithm);
            // A certificate for somebody else can be made that has the same SHA-1 digest; with one's own key, there is
            // nothing to be won.
            let known = known.filter(|known| *known != Algorithm::Sha1 || self.der == issuer.der);
            known.and_then(|algorithm| issuer.has_signed(algorithm, &self.signed, signature).ok())
        };
        match is_it {
            Some(true) => Ok(()),
            Some(false) => Err("was not signed by the key of its issuer"),
            None => Err("is signed in a way that Ovum does not take for a proof"),
        }
    }

    /// Whether this certificate may issue others (RFC 5280, 4.2.1.3 and 4.2.1.9), of which `below` stand between it and the
    /// signer's.
    pub(super) fn may_issue(&self, below: usize) -> Result<(), Refusal> {
        let parts = self.parsed.tbs_certificate();
        match parts.get_extension::<BasicConstraints>() {
            Ok(Some((_, basic))) if !basic.ca => return Err("is none that may issue others"),
            Ok(Some((_, basic))) if basic.path_len_constraint.is_some_and(|most| below > usize::from(most)) => {
                return Err("may not issue certificates that issue others");
            }
            Ok(Some(_)) => (),
            Ok(None) => return Err("is none that may issue others"),
            Err(_) => return Err("has constraints that cannot be read"),
        }
        match parts.get_extension::<KeyUsage>() {
            Ok(Some((_, usage))) if !usage.key_cert_sign() => Err("has a key that may not sign certificates"),
            Ok(_) => Ok(()),
            Err(_) => Err("has a key usage that cannot be read"),
        }
    }

    /// How this certificate's key confirms what was digested by `algorithm`.
    fn key_algorithm(&self, algorithm: Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
        let key = &self.parsed.tbs_certificate().subject_public_key_info().algorithm;
        let curve = || key.parameters.as_ref().and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
        match (key.oid, algorithm) {
            (RSA, Algorithm::Sha1) => Some(&signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
            (RSA, Algorithm::Sha256) => Some(&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
            (RSA, Algorithm::Sha384) => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
            (RSA, Algorithm::Sha512) => Some(&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
            (EC, algorithm) => match (curve()?, algorithm) {
                (P256, Algorithm::Sha256) => Some(&signature::ECDSA_P256_SHA256_ASN1),
                (P256, Algorithm::Sha384) => Some(&signature::ECDSA_P256_SHA384_ASN1),
                (P384, Algorithm::Sha256) => Some(&signature::ECDSA_P384_SHA256_ASN1),
                (P384, Algorithm::Sha384) => Some(&signature::ECDSA_P384_SHA384_ASN1),
                _ => None,
            },
            _ => None,
        }
    }

    /// The kind of its key, for who has the other half: RSA or a curve.
    pub(super) fn key_kind(&self) -> KeyKind {
        let key = &self.parsed.tbs_certificate().subject_public_key_info().algorithm;
        let curve = key.parameters.as_ref().and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
        match (key.oid, curve) {
            (RSA, _) => KeyKind::Rsa,
            (EC, Some(P256)) => KeyKind::P256,
            (EC, Some(P384)) => KeyKind::P384,
            _ => KeyKind::Other,
        }
    }
}

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    Rsa,
    P256,
    P384,
    Other,
}

/// The first part of a certificate (RFC 5280, 4.1), byte by byte.
fn signed_part(der: &[u8]) -> Result<Vec<u8>, der::Error> {
    let mut reader = SliceReader::new(der)?;
    reader.sequence(|parts| {
        let signed = parts.tlv_bytes()?.to_vec();
        parts.tlv_bytes()?;
        parts.tlv_bytes()?;
        Ok(signed)
    })
}

fn shown(name: &(impl fmt::Display + Encode)) -> String {
    let text = name.to_string();
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None if text.is_empty() => "(no name)".into(),
        None => text,
    }
}

/// A day, `2031-05-07`, or what is as good as never.
pub(super) fn date(time: SystemTime) -> String {
    match der::DateTime::from_unix_duration(since_1970(time)) {
        Ok(date) => format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
        Err(_) => "never".into(),
    }
}
