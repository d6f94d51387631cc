//! A package that somebody broke, and what every command says about it.

use std::fs;
use std::path::Path;

use ovum_payloads::Payload;
use ovum_tests::limited::{self, Call, listing};

/// Its descriptor is changed for each case.
pub const MINIMAL: &str = include_str!("../../../resources/ovf/minimal.ovf");

/// What stands in for a disk: that it is none is found after everything that is tested here.
pub const DISK: &[u8] = &[0x55; 2000];

/// A kernel that is right, so that the package is what is wrong.
pub const KERNEL: &str = "kernel.elf";

/// Lays [`KERNEL`] into a folder.
pub fn lay_kernel(folder: &Path) {
    fs::write(folder.join(KERNEL), Payload::PowerOff.elf()).unwrap();
}

/// Commands that read a package, each with the arguments before its name.
pub const INSPECT: &[&str] = &["inspect"];
pub const VERIFY: &[&str] = &["verify"];
pub const RUN: &[&str] = &["run", "--dry-run", "--accept-eula", "--kernel", KERNEL];
const ALL: [&[&str]; 3] = [INSPECT, VERIFY, RUN];

/// A package in a folder of its own.
pub struct Case {
    what: String,
    files: Vec<(String, Vec<u8>)>,
    package: String,
    refused_by: Vec<&'static [&'static str]>,
    warned_by: Option<&'static [&'static str]>,
    places: Vec<String>,
    remedy: String,
}

impl Case {
    /// A package of one descriptor; its disk lies beside it. `ovum verify` compares files and warns of a descriptor that it
    /// cannot read; the others refuse it.
    pub fn descriptor(what: &str, text: impl Into<Vec<u8>>) -> Self {
        let files = vec![("package.ovf", text.into()), ("disk.vmdk", DISK.to_vec())];
        Self { warned_by: Some(VERIFY), ..Self::files(what, "package.ovf", files).refused_by(&[INSPECT, RUN]) }
    }

    /// A package of one archive.
    pub fn archive(what: &str, bytes: Vec<u8>) -> Self {
        Self::files(what, "package.ova", vec![("package.ova", bytes)])
    }

    /// A package of several files.
    pub fn files(what: &str, package: &str, files: Vec<(&str, Vec<u8>)>) -> Self {
        Self {
            what: what.to_owned(),
            files: files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect(),
            package: package.to_owned(),
            refused_by: ALL.to_vec(),
            warned_by: None,
            places: Vec::new(),
            remedy: String::new(),
        }
    }

    /// The cause has to contain this, too.
    pub fn names(mut self, place: &str) -> Self {
        self.places.push(place.to_owned());
        self
    }

    /// The remedy has to contain this.
    pub fn advises(mut self, word: &str) -> Self {
        word.clone_into(&mut self.remedy);
        self
    }

    /// Only these commands have to refuse it. The others may: but they have to end well.
    pub fn refused_by(mut self, commands: &[&'static [&'static str]]) -> Self {
        self.refused_by = commands.to_vec();
        self.warned_by = None;
        self
    }

    /// Nobody has to refuse it; everybody has to end well.
    pub fn survived(self) -> Self {
        self.refused_by(&[])
    }

    /// Runs every command on it; returns what is wrong. `prepare` is called with the folder when its files are there.
    pub fn judge(&self, prepare: impl Fn(&Path)) -> Vec<String> {
        let outer = tempfile::tempdir().unwrap();
        // Deep enough for a few `../`, so that what would be written there is seen.
        let folder = outer.path().join("a/b/c");
        fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in &self.files {
            fs::write(folder.join(name), bytes).unwrap();
        }
        lay_kernel(&folder);
        prepare(&folder);
        let before = listing(outer.path()).unwrap();
        let mut wrong = Vec::new();
        for command in ALL {
            let problem = self.problem(&folder, command);
            wrong.extend(problem.map(|problem| format!("{}: ovum {}: {problem}", self.what, command.join(" "))));
            if listing(outer.path()).unwrap() != before {
                wrong.push(format!("{}: ovum {} wrote something", self.what, command.join(" ")));
            }
        }
        wrong
    }

    fn lacks_a_place(&self, call: &Call) -> Option<String> {
        call.refusal_lacks("").or_else(|| self.places.iter().find_map(|place| call.refusal_lacks(place)))
    }

    fn problem(&self, folder: &Path, command: &'static [&'static str]) -> Option<String> {
        let arguments = command.iter().copied().chain([self.package.as_str()]);
        let call = match limited::ovum(folder, arguments) {
            Ok(call) => call,
            Err(failure) => return Some(failure.to_string()),
        };
        if let Some(character) = limited::unshowable(&call.output).or_else(|| limited::unshowable(&call.errors)) {
            return Some(format!("it prints {character:?}"));
        }
        if self.refused_by.contains(&command) {
            return self.lacks_a_place(&call).or_else(|| {
                let advice = call.errors.lines().last().unwrap_or("").to_lowercase();
                let lacks = !advice.contains(&self.remedy.to_lowercase());
                lacks.then(|| format!("the remedy does not say {:?}: {:?}", self.remedy, call.errors))
            });
        }
        if self.warned_by == Some(command) && call.status == 0 {
            let said = format!("{}{}", call.output, call.errors).to_lowercase();
            let missing = self.places.iter().find(|place| !said.contains(&place.to_lowercase()));
            let silent = missing.map(String::as_str).or((!said.contains("warning")).then_some("warning"));
            return silent.map(|word| format!("it does not say {word:?}: {said:?}"));
        }
        match call.status {
            0 => None,
            // 1 is what `ovum verify` may say of a package that nobody signed; 3 is a host without KVM.
            1 | 3 if !call.errors.contains("panicked") => None,
            _ => call.refusal_lacks(""),
        }
    }
}

/// Judges all, and fails with everything that is wrong.
pub fn judge_all(cases: &[Case]) {
    let wrong: Vec<String> = cases.iter().flat_map(|case| case.judge(|_| ())).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// The sample with something replaced; a test that replaces nothing would test nothing.
pub fn with(from: &str, to: &str) -> String {
    let text = MINIMAL.replacen(from, to, 1);
    assert_ne!(text, MINIMAL, "{from:?} is not in the sample");
    text
}
