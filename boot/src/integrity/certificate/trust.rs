//! From a signer's certificate to one that the user trusts.

use std::time::SystemTime;

use super::x509::Certificate;
use super::{CertificateError, MAX_CERTIFICATES, Signer, Standing, Validity, file};

/// The certificates that a user vouches for: signers, or those who issue certificates for signers.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    certificates: Vec<Certificate>,
}

/// The most certificates between a signer and one that is trusted.
const MAX_CHAIN: usize = 8;
/// The most signatures that are confirmed in search of a chain, whatever a file says about who issued what.
const MAX_CONFIRMED: usize = 256;

impl Trust {
    /// Nobody.
    #[must_use]
    pub fn nobody() -> Self {
        Self::default()
    }

    /// Trusts the certificates in the PEM file `name` as well.
    ///
    /// # Errors
    /// When there are none in it, or one cannot be read.
    pub fn add(&mut self, name: &str, pem: &[u8]) -> Result<(), CertificateError> {
        let tell = |problem| CertificateError { name: name.to_owned(), problem };
        let certificates = file::certificates(pem).map_err(tell)?;
        if certificates.is_empty() {
            return Err(tell(super::CertificateProblem::NoCertificate));
        }
        self.certificates.extend(certificates);
        Ok(())
    }

    /// Whether nobody is trusted, because nobody was named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// What is known of `signer`, whose issuers may be among `others`.
    pub(super) fn standing(&self, signer: &Certificate, others: &[Certificate], now: SystemTime) -> Standing {
        if self.is_empty() {
            return Standing::Unasked;
        }
        let mut search = Search { trust: self, others, now, confirmed: 0, why: None };
        match search.from(signer, 0) {
            Some(anchor) => Standing::Trusted { by: anchor.subject() },
            None => Standing::Untrusted {
                why: search.why.unwrap_or_else(|| "none of the trusted certificates is it, or issued it".to_owned()),
            },
        }
    }
}

struct Search<'s> {
    trust: &'s Trust,
    others: &'s [Certificate],
    now: SystemTime,
    confirmed: usize,
    /// What stood in the way.
    why: Option<String>,
}

impl<'s> Search<'s> {
    /// The trusted certificate that `certificate` leads to, with `depth` of them between it and the signer's.
    fn from(&mut self, certificate: &Certificate, depth: usize) -> Option<&'s Certificate> {
        let validity = certificate.validity(self.now);
        if validity != Validity::Valid {
            self.refuse(certificate, &dates(certificate, validity));
            return None;
        }
        let trust = self.trust;
        if let Some(same) = trust.certificates.iter().find(|trusted| trusted.der() == certificate.der()) {
            return Some(same);
        }
        let others = self.others;
        let limit = MAX_CERTIFICATES.max(trust.certificates.len());
        for issuer in trust.certificates.iter().chain(others).take(limit + others.len()) {
            if !certificate.names_as_issuer(issuer) || certificate.der() == issuer.der() || depth >= MAX_CHAIN {
                continue;
            }
            self.confirmed += 1;
            if self.confirmed > MAX_CONFIRMED {
                return None;
            }
            if let Err(why) = issuer.may_issue(depth) {
                self.refuse(issuer, why);
                continue;
            }
            if let Err(why) = certificate.is_signed_by(issuer) {
                self.refuse(certificate, why);
                continue;
            }
            if let Some(anchor) = self.from(issuer, depth + 1) {
                return Some(anchor);
            }
        }
        None
    }

    fn refuse(&mut self, certificate: &Certificate, why: &str) {
        // The first one is the nearest to the signer.
        self.why.get_or_insert_with(|| format!("the certificate of {} {why}", certificate.subject()));
    }
}

fn dates(certificate: &Certificate, validity: Validity) -> String {
    match validity {
        Validity::NotYet => format!("is valid from {} on", Signer::date(certificate.not_before())),
        _ => format!("was valid until {}", Signer::date(certificate.not_after())),
    }
}
