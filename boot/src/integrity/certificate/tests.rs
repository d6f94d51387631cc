use std::time::{Duration, SystemTime};

use super::*;
use crate::integrity::testing::OpenSsl;

const MANIFEST: &[u8] = b"SHA256(x.ovf)= 00\n";
const DAY: Duration = Duration::from_secs(86_400);
const CA: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n";

fn try_confirm(text: &[u8], manifest: &[u8], trust: &Trust) -> Result<Signer, CertificateProblem> {
    confirm("x.cert", text, ("x.mf", manifest), trust, SystemTime::now()).map_err(|error| {
        assert!(error.to_string().starts_with("signature x.cert: ") && !error.to_string().contains('\n'), "{error}");
        assert!(!error.remedy().is_empty());
        error.problem
    })
}

fn trusting(openssl: &OpenSsl, names: &[&str]) -> Trust {
    let mut trust = Trust::nobody();
    for name in names {
        trust.add(name, &openssl.read(&format!("{name}.pem"))).unwrap();
    }
    trust
}

#[test]
fn what_openssl_signs_is_confirmed() {
    let Some(openssl) = OpenSsl::new() else { return };
    openssl.alone("rsa", None, "");
    openssl.alone("p256", Some("P-256"), "");
    openssl.alone("p384", Some("P-384"), "");
    openssl.write("x.mf", MANIFEST);
    for (digest, key) in [
        ("sha1", "rsa"),
        ("sha256", "rsa"),
        ("sha384", "rsa"),
        ("sha512", "rsa"),
        ("sha256", "p256"),
        ("sha384", "p384"),
        ("sha256", "p384"),
    ] {
        let text = openssl.signature(digest, key, "x.mf", &[key]);
        let signer = try_confirm(&text, MANIFEST, &Trust::nobody()).unwrap();
        assert_eq!((signer.subject.as_str(), signer.issuer.as_str()), (&*format!("CN={key}"), &*format!("CN={key}")));
        assert_eq!((signer.validity, signer.is_self_signed), (Validity::Valid, true), "{digest} {key}");
        assert_eq!((signer.standing, signer.warnings.len()), (Standing::Unasked, usize::from(digest == "sha1")));
        let fingerprint = openssl.run(&format!("x509 -in {key}.pem -noout -fingerprint -sha256"));
        let fingerprint = String::from_utf8(fingerprint).unwrap().to_lowercase().replace(':', "");
        assert!(fingerprint.trim().ends_with(&signer.fingerprint), "{fingerprint} {}", signer.fingerprint);
        let end =
            String::from_utf8(openssl.run(&format!("x509 -in {key}.pem -noout -enddate -dateopt iso_8601"))).unwrap();
        assert!(end.contains(&Signer::date(signer.not_after)), "{end} {}", Signer::date(signer.not_after));

        assert_eq!(try_confirm(&text, b"SHA256(x.ovf)= 01\n", &Trust::nobody()), Err(CertificateProblem::Wrong));
    }
    // Others' certificates beside it, in any order, and what OpenSSL says to people.
    let mut text = openssl.run("x509 -in p256.pem -text");
    text.extend(openssl.signature("sha256", "rsa", "x.mf", &["p384", "rsa"]));
    assert_eq!(try_confirm(&text, MANIFEST, &Trust::nobody()).unwrap().subject, "CN=rsa");
    let other = openssl.signature("sha256", "rsa", "x.mf", &["p256"]);
    assert_eq!(try_confirm(&other, MANIFEST, &Trust::nobody()), Err(CertificateProblem::Wrong));
    let renamed = openssl.signature("sha256", "rsa", "x.mf", &["rsa"]);
    let signer = confirm("y.cert", &renamed, ("y.mf", MANIFEST), &Trust::nobody(), SystemTime::now()).unwrap();
    assert_eq!(signer.warnings.len(), 1);
}

#[test]
fn trust_goes_from_the_signer_to_whom_the_user_names() {
    let Some(openssl) = OpenSsl::new() else { return };
    openssl.write("x.mf", MANIFEST);
    openssl.alone("root", None, "");
    openssl.alone("stranger", None, "");
    openssl.issued("middle", "root", CA);
    openssl.issued("signer", "middle", "basicConstraints=CA:FALSE\n");
    // One that may sign, but not issue, and what it issued all the same.
    openssl.issued("cheat", "signer", "");
    let text = openssl.signature("sha256", "signer", "x.mf", &["signer", "middle"]);
    let standing =
        |text: &[u8], names: &[&str]| try_confirm(text, MANIFEST, &trusting(&openssl, names)).unwrap().standing;
    for by in ["root", "middle", "signer"] {
        assert_eq!(standing(&text, &["stranger", by]), Standing::Trusted { by: format!("CN={by}") });
    }
    let why = |standing: Standing| match standing {
        Standing::Untrusted { why } => why,
        other => panic!("{other:?}"),
    };
    assert!(why(standing(&text, &["stranger"])).contains("none of the trusted"));
    // Without the one between them, nothing leads to the root; but it is enough if the user gives it.
    let short = openssl.signature("sha256", "signer", "x.mf", &["signer"]);
    why(standing(&short, &["root"]));
    assert_eq!(standing(&short, &["root", "middle"]), Standing::Trusted { by: "CN=middle".into() });
    let cheated = openssl.signature("sha256", "cheat", "x.mf", &["cheat", "signer", "middle"]);
    assert!(why(standing(&cheated, &["root"])).contains("CN=signer is none that may issue"));
    assert_eq!(standing(&cheated, &["cheat"]), Standing::Trusted { by: "CN=cheat".into() });
    // Of the same name, by another key.
    openssl.key("root", None);
    openssl.run("req -new -x509 -key root.key -subj /CN=root -days 30 -out root.pem");
    assert!(why(standing(&text, &["root"])).contains("was not signed by the key of its issuer"));
}

#[test]
fn dates_count() {
    let Some(openssl) = OpenSsl::new() else { return };
    openssl.write("x.mf", MANIFEST);
    openssl.alone("a", Some("P-256"), "");
    let text = openssl.signature("sha256", "a", "x.mf", &["a"]);
    let trust = trusting(&openssl, &["a"]);
    let at = |now: SystemTime| {
        let signer = confirm("x.cert", &text, ("x.mf", MANIFEST), &trust, now).unwrap();
        (signer.validity, signer.standing)
    };
    let (validity, standing) = at(SystemTime::now() + 31 * DAY);
    assert_eq!(validity, Validity::Expired);
    assert!(matches!(standing, Standing::Untrusted { why } if why.contains("was valid until")));
    let (validity, standing) = at(SystemTime::now() - DAY);
    assert_eq!(validity, Validity::NotYet);
    assert!(matches!(standing, Standing::Untrusted { why } if why.contains("is valid from")));
}

#[test]
fn openssl_confirms_what_is_signed_here() {
    let Some(openssl) = OpenSsl::new() else { return };
    openssl.write("x.mf", MANIFEST);
    for (name, curve, digest) in
        [("rsa", None, "sha256"), ("p256", Some("P-256"), "sha256"), ("p384", Some("P-384"), "sha384")]
    {
        openssl.alone(name, curve, "");
        let mut keys = vec![openssl.read(&format!("{name}.key"))];
        if curve.is_none() {
            keys.push(openssl.run("pkey -in rsa.key -traditional"));
        }
        for key in keys {
            let text = sign(MANIFEST, "x.mf", &key, &openssl.read(&format!("{name}.pem"))).unwrap();
            let (line, pem) = text.split_once('\n').unwrap();
            let read = crate::integrity::line::read(line.as_bytes()).unwrap();
            assert_eq!((read.name.as_str(), read.algorithm.to_string().to_lowercase()), ("x.mf", digest.to_owned()));
            openssl.write("signature", &read.value);
            openssl.write("in.cert", pem);
            openssl.write("public", openssl.run("x509 -in in.cert -noout -pubkey"));
            openssl.run(&format!("dgst -{digest} -verify public -signature signature x.mf"));
            assert_eq!(pem.as_bytes(), openssl.read(&format!("{name}.pem")));
            try_confirm(text.as_bytes(), MANIFEST, &Trust::nobody()).unwrap();
        }
    }
    let pem = |name: &str| openssl.read(&format!("{name}.pem"));
    let refused = |key: &[u8], certificate: &[u8]| {
        let error = sign(MANIFEST, "x.mf", key, certificate).unwrap_err();
        assert!(!error.to_string().is_empty() && !error.remedy().is_empty());
        error
    };
    openssl.key("other", None);
    assert_eq!(refused(&openssl.read("other.key"), &pem("rsa")), SignError::OtherKey);
    assert!(matches!(refused(&openssl.read("rsa.key"), &pem("p256")), SignError::Key(_)));
    assert_eq!(refused(b"", &pem("rsa")), SignError::NoKey);
    let none = CertificateProblem::NoCertificate;
    assert_eq!(refused(&openssl.read("rsa.key"), b"hello"), SignError::Certificate(none));
    let locked = openssl.run("pkey -in rsa.key -aes256 -passout pass:x");
    assert_eq!(refused(&locked, &pem("rsa")), SignError::Locked);
    let locked = openssl.run("pkey -in rsa.key -traditional -aes256 -passout pass:x");
    assert_eq!(refused(&locked, &pem("rsa")), SignError::Locked);
    let old = openssl.run("pkey -in p256.key -traditional");
    assert_eq!(refused(&old, &pem("p256")), SignError::Kind("EC PRIVATE KEY".into()));
    openssl.run("genpkey -algorithm ed25519 -out ed.key");
    openssl.run("req -new -x509 -key ed.key -subj /CN=ed -out ed.pem");
    assert_eq!(refused(&openssl.read("ed.key"), &pem("ed")), SignError::CertificateKey);
}

#[test]
fn what_is_no_signature_is_told() {
    let Some(openssl) = OpenSsl::new() else { return };
    openssl.write("x.mf", MANIFEST);
    openssl.alone("a", Some("P-256"), "");
    let pem = openssl.read("a.pem");
    let whole = openssl.signature("sha256", "a", "x.mf", &["a"]);
    let line = whole.split(|byte| *byte == b'\n').next().unwrap();
    let problem = |parts: &[&[u8]]| try_confirm(&parts.join(&b'\n'), MANIFEST, &Trust::nobody()).unwrap_err();
    let lines = |text: &[u8]| text.split(|byte| *byte == b'\n').count() - 1;
    assert_eq!(problem(&[b""]), CertificateProblem::NoSignature);
    assert_eq!(problem(&[&pem]), CertificateProblem::NoSignature);
    assert_eq!(problem(&[line]), CertificateProblem::NoCertificate);
    assert_eq!(problem(&[line, line, &pem]), CertificateProblem::TwoSignatures(2));
    assert!(matches!(problem(&[b"SHA256(x.mf)= 0x", &pem]), CertificateProblem::Line { line: 1, .. }));
    assert!(matches!(problem(&[b"MD5(x.mf)= 00", &pem]), CertificateProblem::Line { line: 1, .. }));
    assert_eq!(problem(&[&whole, &openssl.read("a.key")]), CertificateProblem::SecretKey(lines(&whole) + 2));
    let cms = openssl.run("cms -sign -in x.mf -signer a.pem -inkey a.key -outform PEM");
    assert_eq!(problem(&[&cms]), CertificateProblem::Kind { line: 1, kind: "CMS".into() });
    let cms = openssl.run("cms -sign -in x.mf -signer a.pem -inkey a.key -outform DER");
    assert!(matches!(problem(&[&cms]), CertificateProblem::Kind { .. }));
    let cut = &pem[..pem.len() / 2];
    assert!(matches!(problem(&[line, cut]), CertificateProblem::Certificate { line: 2, .. }));
    let other = b"-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----";
    assert!(matches!(problem(&[line, other]), CertificateProblem::Certificate { line: 2, .. }));
    assert_eq!(problem(&[line, &pem.repeat(MAX_CERTIFICATES + 1)]), CertificateProblem::TooMany);
    let ed = |problem: CertificateProblem| matches!(problem, CertificateProblem::Key(name) if name == "CN=ed");
    openssl.run("genpkey -algorithm ed25519 -out ed.key");
    openssl.run("req -new -x509 -key ed.key -subj /CN=ed -out ed.pem");
    assert!(ed(problem(&[line, &openssl.read("ed.pem")])));
    assert!(Trust::nobody().add("t.pem", b"hello").is_err());
    assert!(openssl.folder().is_dir());
}
