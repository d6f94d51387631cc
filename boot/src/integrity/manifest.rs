//! Manifests: the digest of each file of a package (DSP0243 1.1.0, 5.1; 2.1.1, 6.1).
//!
//! One file in a line, `SHA256(disk.vmdk)= 0123...`, in all the spellings that are in use: `SHA2-256`, `SHA-1`, blanks
//! anywhere, digits in upper case, lines that end in CR LF, empty ones.

use std::collections::HashMap;

use thiserror::Error;

use super::digest::Algorithm;
use super::line::{self, LineProblem};

/// The most lines with a digest that are read.
pub const MAX_ENTRIES: usize = 200_000;

/// A manifest that was read; whether it is true is another matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The name of its file.
    pub name: String,
    /// Its lines, in their order, each file and algorithm once.
    pub entries: Vec<Entry>,
    /// What was odd, and can be lived with.
    pub warnings: Vec<String>,
}

/// The digest of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The file, as written.
    pub name: String,
    /// How the digest was made.
    pub algorithm: Algorithm,
    /// The digest: [`Algorithm::length`] bytes.
    pub digest: Vec<u8>,
    /// Where it stands, from 1.
    pub line: usize,
}

/// A manifest that cannot be what its maker meant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("manifest {name}: line {line}: {problem}")]
pub struct ManifestError {
    /// The name of its file.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: ManifestProblem,
}

/// What is wrong with a line of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ManifestProblem {
    /// It cannot be read.
    #[error("{0}")]
    Line(LineProblem),
    /// The digest has another length than its algorithm makes.
    #[error("the digest of {name} has {found} hexadecimal digits, and {algorithm} has {}", .algorithm.length() * 2)]
    Length {
        /// The file.
        name: String,
        /// The algorithm.
        algorithm: Algorithm,
        /// How many there are.
        found: usize,
    },
    /// Another line gives another digest of the same kind.
    #[error("{name} has another digest here than in line {first}")]
    Differs {
        /// The file.
        name: String,
        /// The line before.
        first: usize,
    },
    /// It is about the manifest itself, or its signature, which come after it.
    #[error("it lists {0}, whose digest cannot be known when a manifest is made")]
    Itself(String),
    /// There are more lines than any package needs.
    #[error("there are more than {MAX_ENTRIES} entries")]
    TooMany,
    /// There is no digest in it.
    #[error("there is no digest in it")]
    Empty,
}

impl ManifestError {
    /// One line that says what to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        "get the package again, or make its manifest anew: sha256sum --tag writes the lines".into()
    }
}

impl Manifest {
    /// Reads the manifest in the file `name`.
    ///
    /// # Errors
    /// [`ManifestError`], which names the line.
    pub fn read(name: &str, text: &[u8]) -> Result<Self, ManifestError> {
        let mut manifest = Self { name: name.to_owned(), entries: Vec::new(), warnings: Vec::new() };
        let mut seen: HashMap<(String, Algorithm), usize> = HashMap::new();
        let mut last = 1;
        for (line, text) in line::lines(text).filter(|(_, text)| !text.is_empty()) {
            last = line;
            let tell = |problem| ManifestError { name: name.to_owned(), line, problem };
            let read = line::read(text).map_err(|problem| tell(ManifestProblem::Line(problem)))?;
            let entry = Entry { name: read.name, algorithm: read.algorithm, digest: read.value, line };
            check(name, &entry).map_err(tell)?;
            let before =
                seen.get(&(entry.name.clone(), entry.algorithm)).and_then(|index| manifest.entries.get(*index));
            match before {
                Some(first) if first.digest == entry.digest => {
                    let text = format!("manifest {name}: line {line}: {} is there twice", entry.name);
                    manifest.warn(text);
                }
                Some(first) => {
                    return Err(tell(ManifestProblem::Differs { name: entry.name, first: first.line }));
                }
                None if manifest.entries.len() >= MAX_ENTRIES => return Err(tell(ManifestProblem::TooMany)),
                None => {
                    seen.insert((entry.name.clone(), entry.algorithm), manifest.entries.len());
                    manifest.entries.push(entry);
                }
            }
        }
        if manifest.entries.is_empty() {
            return Err(ManifestError { name: name.to_owned(), line: last, problem: ManifestProblem::Empty });
        }
        Ok(manifest)
    }

    /// The lines about a file.
    pub fn of<'m>(&'m self, name: &str) -> impl Iterator<Item = &'m Entry> {
        self.entries.iter().filter(move |entry| entry.name == name)
    }

    fn warn(&mut self, text: String) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(text);
        }
    }
}

/// The most warnings that are kept: nobody reads more.
const MAX_WARNINGS: usize = 20;

fn check(manifest: &str, entry: &Entry) -> Result<(), ManifestProblem> {
    let Entry { name, algorithm, digest, .. } = entry;
    let (stem, _) = manifest.rsplit_once('.').unwrap_or((manifest, ""));
    if name == manifest || name.strip_prefix(stem).is_some_and(|rest| rest.eq_ignore_ascii_case(".cert")) {
        return Err(ManifestProblem::Itself(name.clone()));
    }
    if digest.len() != algorithm.length() {
        let (name, algorithm, found) = (name.clone(), *algorithm, digest.len() * 2);
        return Err(ManifestProblem::Length { name, algorithm, found });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn read(text: &str) -> Result<Manifest, ManifestError> {
        Manifest::read("x.mf", text.as_bytes())
    }

    fn problem(text: &str) -> (usize, ManifestProblem) {
        let error = read(text).unwrap_err();
        assert!(error.to_string().starts_with(&format!("manifest x.mf: line {}: ", error.line)), "{error}");
        (error.line, error.problem)
    }

    #[test]
    fn every_spelling_in_use_is_read() {
        let digest = "0123456789abcdefABCDEF0123456789abcdef01";
        let sha256 = "00".repeat(32);
        let text = format!(
            "\u{feff}\r\nSHA1(x.ovf)= {digest}\r\n\n  sha-1 ( a (1).vmdk ) ={digest}  \r\nSHA256(a=b)=b.iso)= {sha256}\n\
             SHA2-256(d)={sha256}\nSHA-256(e) = {sha256}\nSHA384(f)= {}\nSHA512(g)= {}\nSHA1(d)= {digest}",
            "ab".repeat(48),
            "Ab".repeat(64)
        );
        let manifest = read(&text).unwrap();
        let names: Vec<_> = manifest.entries.iter().map(|entry| (entry.name.as_str(), entry.line)).collect();
        let expected =
            [("x.ovf", 2), ("a (1).vmdk", 4), ("a=b)=b.iso", 5), ("d", 6), ("e", 7), ("f", 8), ("g", 9), ("d", 10)];
        assert_eq!(names, expected);
        assert_eq!(manifest.entries[0].digest[..3], [1, 0x23, 0x45]);
        assert_eq!(manifest.of("d").count(), 2);
        assert_eq!(manifest.warnings, Vec::<String>::new());
        let latin = [&b"SHA1(d\xe9.vmdk)= "[..], digest.as_bytes()].concat();
        assert_eq!(Manifest::read("x.mf", &latin).unwrap().entries[0].name, "d\u{e9}.vmdk");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let good = format!("SHA1(a)= {}\n", "00".repeat(20));
        let second = |line: &str| problem(&format!("{good}\n{line}\n"));
        assert_eq!(second("hello"), (3, ManifestProblem::Line(LineProblem::Form)));
        assert_eq!(second("SHA1()= 00"), (3, ManifestProblem::Line(LineProblem::Form)));
        assert_eq!(second("SHA1(a= 00"), (3, ManifestProblem::Line(LineProblem::Form)));
        assert_eq!(second("MD5(a)= 00"), (3, ManifestProblem::Line(LineProblem::Algorithm("MD5".into()))));
        for hex in ["", "0", "0g", "00 11"] {
            assert_eq!(second(&format!("SHA1(b)= {hex}")), (3, ManifestProblem::Line(LineProblem::Hex)), "{hex}");
        }
        assert_eq!(second(&"x".repeat(20_000)), (3, ManifestProblem::Line(LineProblem::Long)));
        let (_, wrong) = second("SHA256(b)= 0011");
        assert_eq!(wrong.to_string(), "the digest of b has 4 hexadecimal digits, and SHA256 has 64");
        let (line, differs) = second(&format!("SHA1(a)= {}", "11".repeat(20)));
        assert_eq!((line, differs), (3, ManifestProblem::Differs { name: "a".into(), first: 1 }));
        for itself in ["x.mf", "x.cert"] {
            let (_, wrong) = second(&format!("SHA1({itself})= {}", "11".repeat(20)));
            assert_eq!(wrong, ManifestProblem::Itself(itself.into()));
        }
        assert_eq!(problem("\n\n").1, ManifestProblem::Empty);
        let twice = read(&format!("{good}{good}")).unwrap();
        assert_eq!((twice.entries.len(), twice.warnings.len()), (1, 1));
    }

    /// What the usual tools write is read, and the digests that they made are those that are made here.
    #[test]
    fn other_tools_agree() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..100_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        std::fs::write(dir.path().join("disk 1.vmdk"), &bytes).unwrap();
        let mut tools: Vec<(String, Vec<String>)> = vec![];
        for bits in ["1", "256", "384", "512"] {
            tools.push((format!("sha{bits}sum"), vec!["--tag".into()]));
            tools.push(("openssl".into(), vec!["dgst".into(), format!("-sha{bits}")]));
        }
        for (tool, arguments) in tools {
            let output = Command::new(&tool).args(&arguments).arg("disk 1.vmdk").current_dir(dir.path()).output();
            let Ok(output) = output else {
                println!("{tool} is not there");
                continue;
            };
            assert!(output.status.success(), "{tool}");
            let manifest = Manifest::read("x.mf", &output.stdout).unwrap();
            let [entry] = &manifest.entries[..] else { panic!("{tool}: {manifest:?}") };
            assert_eq!(entry.name, "disk 1.vmdk", "{tool}");
            assert!(entry.digest == entry.algorithm.digest(&bytes), "{tool} {arguments:?}");
        }
    }
}
