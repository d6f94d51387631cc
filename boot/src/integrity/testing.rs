//! Keys and certificates that `openssl` makes for tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder in which OpenSSL works.
pub(crate) struct OpenSsl(tempfile::TempDir);

impl OpenSsl {
    /// Nothing, and a line that says so, where there is no OpenSSL.
    pub(crate) fn new() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            println!("openssl is not there, so it judges nothing");
            return None;
        }
        Some(Self(tempfile::tempdir().unwrap()))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn output(&self, line: &str) -> Output {
        Command::new("openssl").args(line.split_whitespace()).current_dir(self.0.path()).output().unwrap()
    }

    /// What `openssl LINE` prints; blanks part arguments.
    pub(crate) fn run(&self, line: &str) -> Vec<u8> {
        let output = self.output(line);
        assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// `NAME.key`: an RSA key, or one on `curve`.
    pub(crate) fn key(&self, name: &str, curve: Option<&str>) {
        match curve {
            None => self.run(&format!("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out {name}.key")),
            Some(curve) => {
                self.run(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:{curve} -out {name}.key"))
            }
        };
    }

    /// `NAME.key` and the self-signed `NAME.pem` of `/CN=NAME`, with further `options`.
    pub(crate) fn alone(&self, name: &str, curve: Option<&str>, options: &str) {
        self.key(name, curve);
        self.run(&format!("req -new -x509 -key {name}.key -subj /CN={name} -days 30 -out {name}.pem {options}"));
    }

    /// `NAME.key` and `NAME.pem`, issued by `issuer`; with these lines of extensions.
    pub(crate) fn issued(&self, name: &str, issuer: &str, extensions: &str) {
        self.key(name, None);
        self.write("extensions", extensions);
        self.run(&format!("req -new -key {name}.key -subj /CN={name} -out {name}.csr"));
        self.run(&format!(
            "x509 -req -in {name}.csr -CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial -days 30 \
             -extfile extensions -out {name}.pem"
        ));
    }

    /// The text of a `.cert` file, as the standard's authors would make it: the line of `openssl dgst`, and `certificates`.
    pub(crate) fn signature(&self, digest: &str, key: &str, file: &str, certificates: &[&str]) -> Vec<u8> {
        let mut text = self.run(&format!("dgst -{digest} -sign {key}.key -hex {file}"));
        for name in certificates {
            text.extend(self.read(&format!("{name}.pem")));
        }
        text
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }
}
