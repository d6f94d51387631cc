//! What `ovum verify` prints.

use std::fmt::Write as _;

use ovum_boot::integrity::{FileState, Signature, Signer, Standing, Validity};
use ovum_boot::package::Kind;
use serde::Serialize;

use super::verify::Verdict;
use crate::report::{printable, to_json};

/// For a person: a line for each problem, then what was compared and who signed.
pub fn text(verdict: &Verdict<'_>) -> String {
    let mut text = String::new();
    let mut line = |what: &str, line: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{what}{}", printable(line));
    };
    verdict.problems.iter().for_each(|problem| line("problem: ", problem));
    verdict.warnings.iter().for_each(|warning| line("warning: ", warning));
    line("", &files(verdict));
    match &verdict.check.signature {
        Signature::None => line("", "nobody has signed it"),
        Signature::Wrong => line("", "there is a signature, and it is of no use"),
        Signature::By(signer) => {
            line("", &format!("signed by {}", signer.subject));
            line("  issued by ", if signer.is_self_signed { "itself" } else { &signer.issuer });
            line("  ", &validity(signer));
            line("  SHA-256 fingerprint ", &signer.fingerprint);
            line("  ", &standing(signer));
        }
    }
    text
}

/// What was compared.
fn files(verdict: &Verdict<'_>) -> String {
    let count = |is: fn(&FileState) -> bool| verdict.files.iter().filter(|file| is(&file.state)).count();
    let right = count(|state| *state == FileState::Right);
    let unknown = count(|state| *state == FileState::NotListed);
    let Some(manifest) = &verdict.check.manifest else {
        let path = verdict.package.path().display();
        return format!("{path}: there is no manifest to compare with, so only the files' sizes were compared");
    };
    let mut algorithms: Vec<String> = manifest.entries.iter().map(|entry| entry.algorithm.to_string()).collect();
    algorithms.sort();
    algorithms.dedup();
    let files = |count: usize| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
    let listed = manifest.entries.len();
    let mut text = match right == listed {
        true => format!("{} as the manifest says ({})", files(right), algorithms.join(", ")),
        false => format!("{right} of {} as the manifest says ({})", files(listed), algorithms.join(", ")),
    };
    if unknown > 0 {
        let _ = write!(text, ", {} that it does not list", files(unknown));
    }
    text
}

fn validity(signer: &Signer) -> String {
    let (from, to) = (Signer::date(signer.not_before), Signer::date(signer.not_after));
    match signer.validity {
        Validity::Valid => format!("valid from {from} to {to}"),
        Validity::NotYet => format!("not valid yet: from {from} to {to}"),
        Validity::Expired => format!("expired: valid from {from} to {to}"),
    }
}

fn standing(signer: &Signer) -> String {
    match &signer.standing {
        Standing::Trusted { by } if *by == signer.subject => "trusted: you gave this certificate".into(),
        Standing::Trusted { by } => format!("trusted: by {by}"),
        Standing::Untrusted { why } => format!("not trusted: {why}"),
        Standing::Unasked => "anybody can call himself that: compare the fingerprint, or give --trust CERT".into(),
    }
}

/// For a program.
pub fn json(verdict: &Verdict<'_>) -> String {
    #[derive(Serialize)]
    struct Report<'r> {
        package: String,
        kind: &'static str,
        descriptor: &'r str,
        ok: bool,
        manifest: Option<&'r str>,
        files: Vec<File<'r>>,
        signature: Option<Signed<'r>>,
        problems: &'r [String],
        warnings: &'r [String],
    }
    #[derive(Serialize)]
    struct File<'r> {
        name: &'r str,
        size: Option<u64>,
        state: &'static str,
        referenced: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        algorithm: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        expected: Option<&'r str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        found: Option<&'r str>,
    }
    #[derive(Serialize)]
    struct Signed<'r> {
        subject: &'r str,
        issuer: &'r str,
        self_signed: bool,
        not_before: String,
        not_after: String,
        validity: &'static str,
        fingerprint_sha256: &'r str,
        digest: String,
        /// Nothing where nobody said whom to trust.
        trusted: Option<bool>,
        trusted_by: Option<&'r str>,
    }
    let files = verdict.files.iter().map(|file| {
        let (algorithm, expected, found) = match &file.state {
            FileState::Wrong { algorithm, expected, found } => {
                (Some(algorithm.to_string()), Some(expected.as_str()), Some(found.as_str()))
            }
            _ => (None, None, None),
        };
        let (state, referenced) = (state_name(&file.state), file.is_referenced);
        File { name: &file.name, size: file.size, state, referenced, algorithm, expected, found }
    });
    let signature = match &verdict.check.signature {
        Signature::By(signer) => Some(Signed {
            subject: &signer.subject,
            issuer: &signer.issuer,
            self_signed: signer.is_self_signed,
            not_before: Signer::date(signer.not_before),
            not_after: Signer::date(signer.not_after),
            validity: match signer.validity {
                Validity::Valid => "valid",
                Validity::NotYet => "not-yet",
                Validity::Expired => "expired",
            },
            fingerprint_sha256: &signer.fingerprint,
            digest: signer.algorithm.to_string(),
            trusted: match &signer.standing {
                Standing::Unasked => None,
                standing => Some(matches!(standing, Standing::Trusted { .. })),
            },
            trusted_by: match &signer.standing {
                Standing::Trusted { by } => Some(by),
                _ => None,
            },
        }),
        Signature::None | Signature::Wrong => None,
    };
    to_json(&Report {
        package: verdict.package.path().display().to_string(),
        kind: match verdict.package.kind() {
            Kind::Archive => "ova",
            Kind::Folder => "ovf",
        },
        descriptor: verdict.package.descriptor_name(),
        ok: verdict.problems.is_empty(),
        manifest: verdict.check.manifest.as_ref().map(|manifest| manifest.name.as_str()),
        files: files.collect(),
        signature,
        problems: &verdict.problems,
        warnings: &verdict.warnings,
    })
}

/// A state as programs read it.
fn state_name(state: &FileState) -> &'static str {
    match state {
        FileState::Right => "right",
        FileState::Wrong { .. } => "wrong",
        FileState::Missing => "missing",
        FileState::NotListed => "not-listed",
        FileState::OtherSize { .. } => "other-size",
        FileState::Unreadable(_) => "unreadable",
        _ => "not-read",
    }
}
