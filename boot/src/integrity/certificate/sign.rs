//! Signing a manifest.

use ring::rand::SystemRandom;
use ring::signature::{self, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, RsaKeyPair};
use thiserror::Error;

use super::pem::{self, Piece};
use super::x509::{Certificate, KeyKind};
use super::{CertificateProblem, file};
use crate::integrity::digest::{Algorithm, hex};

/// Why a manifest cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignError {
    /// There is no key.
    #[error("there is no secret key in the key's file")]
    NoKey,
    /// The key lies under a password.
    #[error("the secret key is protected by a password")]
    Locked,
    /// The key is written in a way that Ovum does not read.
    #[error("the secret key is of the kind {0}, which Ovum does not read")]
    Kind(String),
    /// The key cannot be used.
    #[error("the secret key cannot be used: {0}")]
    Key(String),
    /// The certificate cannot be read.
    #[error("the certificate: {0}")]
    Certificate(CertificateProblem),
    /// The certificate's key is of a kind that Ovum does not use.
    #[error("the certificate's key is none of RSA, P-256 and P-384")]
    CertificateKey,
    /// The key is not that of the certificate.
    #[error("the secret key is not the one that the certificate is for")]
    OtherKey,
    /// The system gave no random numbers, or the key failed.
    #[error("signing failed")]
    Failed,
}

impl SignError {
    /// One line that says what to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Locked | Self::Kind(_) => {
                "write it in the form that is read: openssl pkcs8 -topk8 -nocrypt -in KEY -out NEW.pem"
            }
            Self::NoKey => "give a PEM file with BEGIN PRIVATE KEY in it",
            Self::Key(_) | Self::CertificateKey => "take an RSA key of 2048 to 4096 bits, or one on P-256 or P-384",
            Self::Certificate(_) => "give a PEM file whose first certificate is that of the key",
            Self::OtherKey => "give the key and the certificate that belong together, the signer's certificate first",
            Self::Failed => "try again",
        }
        .into()
    }
}

/// The text of a `.cert` file for `manifest`, whose file is called `manifest_name`: its signature by the secret key in
/// `key_pem` (PKCS #8, or PKCS #1), and the certificates in `cert_pem`, the signer's first. The digest is SHA-256, with P-384
/// SHA-384.
///
/// # Errors
/// [`SignError`], also when key and certificate do not belong together.
pub fn sign(manifest: &[u8], manifest_name: &str, key_pem: &[u8], cert_pem: &[u8]) -> Result<String, SignError> {
    let certificates = file::certificates(cert_pem).map_err(SignError::Certificate)?;
    let Some(own) = certificates.first() else {
        return Err(SignError::Certificate(CertificateProblem::NoCertificate));
    };
    let (label, key) = secret_key(key_pem)?;
    let (algorithm, signature) = match own.key_kind() {
        KeyKind::Rsa => (Algorithm::Sha256, sign_rsa(manifest, &label, &key)?),
        KeyKind::P256 => (Algorithm::Sha256, sign_ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, manifest, &label, &key)?),
        KeyKind::P384 => (Algorithm::Sha384, sign_ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING, manifest, &label, &key)?),
        KeyKind::Other => return Err(SignError::CertificateKey),
    };
    if !matches!(own.has_signed(algorithm, manifest, &signature), Ok(true)) {
        return Err(SignError::OtherKey);
    }
    let blocks: String = certificates.iter().map(Certificate::der).map(|der| pem::block("CERTIFICATE", der)).collect();
    Ok(format!("{algorithm}({manifest_name})= {}\n{blocks}", hex(&signature)))
}

/// The first secret key in a text, with its label.
fn secret_key(text: &[u8]) -> Result<(String, Vec<u8>), SignError> {
    for piece in pem::pieces(text) {
        if let Piece::Block { label, bytes, .. } = piece
            && label.ends_with("PRIVATE KEY")
        {
            return match (label.as_str(), bytes) {
                ("ENCRYPTED PRIVATE KEY", _) => Err(SignError::Locked),
                ("PRIVATE KEY" | "RSA PRIVATE KEY", Some(bytes)) => Ok((label, bytes)),
                // An old form of encryption writes headers before the base64 (RFC 1421, 4.6.1.1).
                ("RSA PRIVATE KEY", None) => Err(SignError::Locked),
                ("PRIVATE KEY", None) => Err(SignError::Key("it is not base64, or not whole".into())),
                _ => Err(SignError::Kind(label)),
            };
        }
    }
    Err(SignError::NoKey)
}

fn sign_rsa(manifest: &[u8], label: &str, key: &[u8]) -> Result<Vec<u8>, SignError> {
    let read = if label == "PRIVATE KEY" { RsaKeyPair::from_pkcs8(key) } else { RsaKeyPair::from_der(key) };
    let pair = read.map_err(|error| SignError::Key(error.to_string()))?;
    let mut made = vec![0; pair.public().modulus_len()];
    pair.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), manifest, &mut made)
        .map_err(|_| SignError::Failed)?;
    Ok(made)
}

fn sign_ecdsa(
    algorithm: &'static signature::EcdsaSigningAlgorithm,
    manifest: &[u8],
    label: &str,
    key: &[u8],
) -> Result<Vec<u8>, SignError> {
    if label != "PRIVATE KEY" {
        return Err(SignError::OtherKey);
    }
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, key, &random).map_err(|error| SignError::Key(error.to_string()))?;
    Ok(pair.sign(&random, manifest).map_err(|_| SignError::Failed)?.as_ref().to_vec())
}
