//! `ovum verify` as a user meets it; the packages are made by `sha256sum`, `openssl` and `tar`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test ends where its expectation does not hold, and says which judge is not there"
)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const OVF: &str = r#"<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References><File ovf:id="f" ovf:href="disk%201.vmdk" ovf:size="3000000"/></References>
  <VirtualSystem ovf:id="vm">
    <Info>a machine</Info>
  </VirtualSystem>
</Envelope>
"#;

/// A folder in which a package is made, and the command run.
struct Place(TempDir);

impl Place {
    /// An .ovf, a disk of 3 MB and a manifest of both; nothing where there is no `sha256sum` or no `openssl`.
    fn new() -> Option<Self> {
        let place = Self(tempfile::tempdir().unwrap());
        for tool in ["sha256sum", "openssl", "tar"] {
            let is_there =
                Command::new("sh").args(["-c", &format!("command -v {tool}")]).stdout(Stdio::null()).status();
            if !is_there.is_ok_and(|status| status.success()) {
                println!("{tool} is not there");
                return None;
            }
        }
        fs::write(place.path("x.ovf"), OVF).unwrap();
        fs::write(place.path("disk 1.vmdk"), vec![7; 3_000_000]).unwrap();
        place.shell("sha256sum --tag x.ovf 'disk 1.vmdk' > x.mf");
        Some(place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn shell(&self, script: &str) {
        let output = Command::new("sh").args(["-ec", script]).current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Signs the manifest, by a certificate that an authority issued.
    fn sign(&self) {
        self.shell(
            "openssl req -new -x509 -newkey rsa:2048 -nodes -keyout ca.key -subj /CN=authority -days 9 -out ca.pem
             openssl req -new -newkey rsa:2048 -nodes -keyout maker.key -subj '/O=Example/CN=maker' -out maker.csr
             openssl x509 -req -in maker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9 -out maker.pem
             openssl req -new -x509 -newkey rsa:2048 -nodes -keyout o.key -subj /CN=other -days 9 -out other.pem
             { openssl dgst -sha256 -sign maker.key -hex x.mf; cat maker.pem; } > x.cert",
        );
    }

    fn verify(&self, line: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ovum"));
        command.arg("verify").args(line).current_dir(self.0.path()).stdin(Stdio::null()).output().unwrap()
    }

    /// What it prints when all is well.
    fn done(&self, line: &[&str]) -> String {
        let output = self.verify(line);
        assert!(output.status.success(), "{line:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it prints, the cause and the remedy, when something is not.
    fn refused(&self, line: &[&str]) -> (String, String, String) {
        let output = self.verify(line);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line:?}: {text}");
        let mut lines = text.lines();
        let cause = lines.next().and_then(|line| line.strip_prefix("ovum: error: ")).unwrap().to_owned();
        let remedy = lines.next().and_then(|line| line.strip_prefix("ovum: remedy: ")).unwrap().to_owned();
        assert_eq!(lines.next(), None, "{line:?}: two lines: {text}");
        (String::from_utf8(output.stdout).unwrap(), cause, remedy)
    }
}

#[test]
fn a_package_that_is_as_it_was_made_is_all_right_in_every_form() {
    let Some(place) = Place::new() else { return };
    place.shell("tar --format=gnu -cf x.ova x.ovf x.mf 'disk 1.vmdk'");
    for package in ["x.ova", "x.ovf"] {
        let text = place.done(&[package]);
        assert_eq!(text, "2 files as the manifest says (SHA256)\nnobody has signed it\n", "{package}");
    }
    place.shell("mkdir folder; mv x.ovf x.mf 'disk 1.vmdk' folder; rm x.ova");
    place.done(&["folder"]);
    let json: serde_json::Value = serde_json::from_str(&place.done(&["folder", "--json"])).unwrap();
    assert_eq!(
        (json["ok"].as_bool(), json["kind"].as_str(), json["manifest"].as_str()),
        (Some(true), Some("ovf"), Some("x.mf"))
    );
    let states: Vec<_> = json["files"].as_array().unwrap().iter().map(|file| file["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["right", "right"]);
    assert!(json["signature"].is_null());
    fs::remove_file(place.path("folder/x.mf")).unwrap();
    assert!(place.done(&["folder"]).contains("no manifest to compare with"));
}

#[test]
fn the_signer_is_shown_and_trusted_only_when_the_user_says_so() {
    let Some(place) = Place::new() else { return };
    place.sign();
    let text = place.done(&["x.ovf"]);
    for part in
        ["signed by CN=maker,O=Example", "issued by CN=authority", "valid from 20", "fingerprint", "give --trust"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let by = place.done(&["x.ovf", "--trust", "other.pem", "--trust", "ca.pem"]);
    assert!(by.contains("trusted: by CN=authority"), "{by}");
    assert!(place.done(&["x.ovf", "--trust", "maker.pem"]).contains("trusted: you gave"));
    let json: serde_json::Value = serde_json::from_str(&place.done(&["x.ovf", "--trust", "ca.pem", "--json"])).unwrap();
    assert_eq!(json["signature"]["trusted"], true);
    assert_eq!(json["signature"]["validity"], "valid");

    let (text, cause, remedy) = place.refused(&["x.ovf", "--trust", "other.pem"]);
    assert!(cause.contains("who is not trusted") && remedy.contains("fingerprint"), "{cause} {remedy}");
    assert!(text.contains("\n  not trusted: "), "{text}");
    let (_, cause, _) = place.refused(&["x.ovf", "--trust", "x.ovf"]);
    assert!(cause.contains("there is no certificate in it"), "{cause}");
    place.refused(&["x.ovf", "--trust", "nowhere.pem"]);
    // One byte of the manifest, which still says the same.
    place.shell("echo >> x.mf");
    let (text, cause, _) = place.refused(&["x.ovf"]);
    assert!(cause.contains("no key of its certificates has signed this manifest"), "{cause}");
    assert!(text.contains("2 files as the manifest says"), "{text}");
    fs::remove_file(place.path("x.cert")).unwrap();
    let (_, cause, _) = place.refused(&["x.ovf", "--trust", "ca.pem"]);
    assert!(cause.contains("not signed"), "{cause}");
}

#[test]
fn every_problem_has_its_line() {
    let Some(place) = Place::new() else { return };
    place.shell(
        "sha1sum --tag x.mf | sed 's/x.mf/gone \\x1b[31m.iso/' >> x.mf
         printf x | dd of='disk 1.vmdk' bs=1 seek=2999999 conv=notrunc status=none",
    );
    let (text, cause, remedy) = place.refused(&["x.ovf"]);
    let problems: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("problem: ")).collect();
    assert!(problems[0].starts_with("file disk 1.vmdk: its SHA256 digest is "), "{text}");
    assert!(problems[0].ends_with("(line 2 of the manifest)"), "{text}");
    assert_eq!(problems[1], "file gone \\u{1b}[31m.iso: it is not there (line 3 of the manifest)");
    assert_eq!(problems.len(), 2);
    assert!(text.contains("1 of 3 files as the manifest says (SHA1, SHA256)"), "{text}");
    assert!(cause.ends_with("x.ovf: 2 things are not as they should be") && !remedy.is_empty(), "{cause}");
    let output = place.verify(&["x.ovf", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((json["ok"].as_bool(), json["problems"].as_array().unwrap().len()), (Some(false), 2));
    assert_eq!(json["files"][1]["state"], "wrong");

    fs::write(place.path("disk 1.vmdk"), b"short").unwrap();
    place.shell("sha256sum --tag x.ovf 'disk 1.vmdk' > x.mf");
    let (_, cause, _) = place.refused(&["x.ovf"]);
    assert!(cause.ends_with("disk%201.vmdk: it has 5 bytes, and by the descriptor (ovf:size) 3000000"), "{cause}");
    fs::write(place.path("x.ovf"), OVF.replace("a machine", "another")).unwrap();
    let (text, _, remedy) = place.refused(&["x.ovf"]);
    assert_eq!(text.matches("x.ovf").count(), 1, "{text}");
    assert!(text.contains("problem: descriptor x.ovf: its SHA256 digest is "), "{text}");
    assert!(remedy.contains("get the package again"), "{remedy}");
    fs::write(place.path("x.mf"), "hello").unwrap();
    assert!(place.refused(&["x.ovf"]).0.contains("manifest x.mf: line 1: it is not of the form"));
    let (_, cause, remedy) = place.refused(&["x.mf"]);
    assert!(cause.contains("neither an OVA nor an OVF") && remedy.contains("give an .ova"), "{cause} {remedy}");
}
