//! What is in a `.cert` file.

use super::pem::{self, Piece};
use super::x509::Certificate;
use super::{CertificateProblem, MAX_CERTIFICATES};
use crate::integrity::line::{self, Line};

/// A signature and the certificates beside it, whichever comes first.
#[derive(Debug)]
pub(super) struct CertFile {
    pub(super) signature: Line,
    /// In the order of the file; at least one.
    pub(super) certificates: Vec<Certificate>,
}

/// Reads the text of a `.cert` file.
pub(super) fn read(text: &[u8]) -> Result<CertFile, CertificateProblem> {
    // X.690, 8.9: what a DER structure begins with.
    if text.starts_with(b"\x30\x82") || text.starts_with(b"\x30\x80") {
        return Err(CertificateProblem::Kind { line: 1, kind: "DER (a CMS signature, it seems)".into() });
    }
    let mut signature = None;
    for piece in pem::pieces(text) {
        match piece {
            // Some tools write for people what stands in the certificate: `subject=CN = ...`.
            Piece::Line(_, text) if !text.contains(&b'(') => (),
            Piece::Line(line, text) => match line::read(text) {
                Ok(_) if signature.is_some() => return Err(CertificateProblem::TwoSignatures(line)),
                Ok(read) => signature = Some(read),
                Err(_) if !looks_signed(text) => (),
                Err(problem) => return Err(CertificateProblem::Line { line, problem }),
            },
            Piece::Block { line, label, .. } if label.contains("PRIVATE KEY") => {
                return Err(CertificateProblem::SecretKey(line));
            }
            // Collected below.
            Piece::Block { label, .. } if is_certificate(&label) => (),
            Piece::Block { line, label, .. } => return Err(CertificateProblem::Kind { line, kind: label }),
        }
    }
    let certificates = certificates(text)?;
    let signature = signature.ok_or(CertificateProblem::NoSignature)?;
    if certificates.is_empty() {
        Err(CertificateProblem::NoCertificate)
    } else {
        Ok(CertFile { signature, certificates })
    }
}

/// All certificates in a text, and whatever else is in it.
pub(super) fn certificates(text: &[u8]) -> Result<Vec<Certificate>, CertificateProblem> {
    let mut certificates = Vec::new();
    for piece in pem::pieces(text) {
        if let Piece::Block { line, label, bytes } = piece
            && is_certificate(&label)
        {
            let wrong = |problem: String| CertificateProblem::Certificate { line, problem };
            let bytes = bytes.ok_or_else(|| wrong("it is not base64, or not whole".into()))?;
            certificates.push(Certificate::read(bytes).map_err(wrong)?);
        }
        if certificates.len() > MAX_CERTIFICATES {
            return Err(CertificateProblem::TooMany);
        }
    }
    Ok(certificates)
}

fn is_certificate(label: &str) -> bool {
    matches!(label, "CERTIFICATE" | "X509 CERTIFICATE")
}

/// Whether a line is meant to be a signature, rather than something said to people.
fn looks_signed(line: &[u8]) -> bool {
    let start = line.get(..4).unwrap_or_default().to_ascii_uppercase();
    start.starts_with(b"SHA") || start.starts_with(b"MD5") || start == b"RSA-" || start == b"ECDS"
}
