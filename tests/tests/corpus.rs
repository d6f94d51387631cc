//! Every descriptor of the corpus, and every sample of our own (`resources/ovf`), as `ovum inspect --json` shows it, against
//! values that were written down by reading the XML with other eyes (`tests/corpus`).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where its expectation does not hold")]
#![allow(clippy::print_stdout, reason = "it says what it compared")]

use std::fs;
use std::path::{Path, PathBuf};

use ovum_tests::binaries;
use ovum_tests::failure::Result;
use ovum_tests::limited::{self, Call};
use serde_json::{Map, Value};

/// The descriptors, where they are: they are no part of the project.
fn corpus() -> Option<PathBuf> {
    let folder = binaries::repository().parent()?.join("shared/ovf-corpus");
    folder.is_dir().then_some(folder)
}

fn expectations(name: &str) -> Map<String, Value> {
    let text = fs::read_to_string(binaries::repository().join("tests/corpus").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_descriptor_of_the_corpus_is_read_as_it_is_meant() -> Result<()> {
    let Some(folder) = corpus() else {
        println!("there is no corpus beside the repository (../shared/ovf-corpus): nothing was compared");
        return Ok(());
    };
    compare_all(&folder, "expected.json")
}

/// What each configuration gives: vCPUs, memory in MiB, NICs, disks. COT (`cot info`) says the same.
const CONFIGURATIONS: [(&str, &str, [u64; 4]); 13] = [
    ("cot-csr1000v.ovf", "1CPU-4GB", [1, 4096, 3, 1]),
    ("cot-csr1000v.ovf", "2CPU-4GB", [2, 4096, 3, 1]),
    ("cot-csr1000v.ovf", "4CPU-4GB", [4, 4096, 3, 1]),
    ("cot-csr1000v.ovf", "4CPU-8GB", [4, 8192, 3, 1]),
    ("cot-iosv.ovf", "1CPU-384MB-2NIC", [1, 384, 2, 2]),
    ("cot-iosv.ovf", "1CPU-1GB-8NIC", [1, 1024, 8, 2]),
    ("cot-iosv.ovf", "1CPU-3GB-10NIC", [1, 3072, 10, 2]),
    ("cot-iosv.ovf", "1CPU-3GB-16NIC", [1, 3072, 16, 2]),
    ("govmomi-deployment-configs.ovf", "small", [2, 2048, 1, 1]),
    ("govmomi-deployment-configs.ovf", "medium", [4, 4096, 1, 2]),
    ("govmomi-deployment-configs.ovf", "large", [8, 8192, 1, 3]),
    ("govmomi-configspec.ovf", "default", [2, 4096, 2, 5]),
    ("govmomi-configspec.ovf", "frontend", [2, 4096, 3, 5]),
];

#[test]
fn every_configuration_of_the_corpus_gives_what_it_says() -> Result<()> {
    let Some(folder) = corpus() else { return Ok(()) };
    for (name, configuration, expected) in CONFIGURATIONS {
        let call = limited::ovum(&folder, ["inspect", "--json", "--config", configuration, name])?;
        assert_eq!(call.status, 0, "{name} {configuration}: {}", call.errors);
        let shown: Value = serde_json::from_str(&call.output).unwrap();
        let system = &shown["systems"][0];
        let count = |list: &str| system[list].as_array().map(|list| list.len() as u64);
        let memory = system["memory_bytes"].as_u64().map(|bytes| bytes >> 20);
        let got = [system["cpus"].as_u64(), memory, count("nics"), count("disks")];
        assert_eq!(got, expected.map(Some), "{name} {configuration}");
    }
    let call = limited::ovum(&folder, ["inspect", "--config", "5CPU", "cot-csr1000v.ovf"])?;
    assert_eq!(call.refusal_lacks("5CPU"), None);
    Ok(())
}

#[test]
fn every_sample_is_read_as_it_is_meant() -> Result<()> {
    compare_all(&binaries::repository().join("resources/ovf"), "samples.json")
}

fn compare_all(folder: &Path, expectations_in: &str) -> Result<()> {
    let expected = expectations(expectations_in);
    let mut differences = Vec::new();
    // One without an expectation would never be compared.
    for name in names(folder).iter().filter(|name| !expected.contains_key(*name)) {
        differences.push(format!("{name} is not in {expectations_in}"));
    }
    for (name, expectation) in &expected {
        let call = limited::ovum(folder, ["inspect", "--json", name])?;
        let mut found = judge(expectation, &call);
        if call.status != 0 {
            let plain = limited::ovum(folder, ["inspect", name])?;
            found.extend(refused_at_the_right_place(expectation, &plain));
        }
        differences.extend(found.into_iter().map(|difference| format!("{name}: {difference}")));
    }
    println!("{} descriptors, {} differences", expected.len(), differences.len());
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
    Ok(())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    entries.filter(|name| name.ends_with(".ovf")).collect()
}

fn judge(expectation: &Value, call: &Call) -> Vec<String> {
    let accepted = call.status == 0;
    let outcome = if accepted { "accepted" } else { "refused" };
    if expectation["outcome"] != outcome && expectation["or_outcome"] != outcome {
        return vec![format!("expected to be {}, but {outcome}: {}", expectation["outcome"], call.errors.trim_end())];
    }
    if !accepted {
        let error: Value = serde_json::from_str(&call.errors).unwrap_or_default();
        let whole = error["error"].is_string() && error["remedy"].is_string();
        return if whole { Vec::new() } else { vec![format!("the error is not in JSON: {}", call.errors)] };
    }
    let shown: Value = serde_json::from_str(&call.output).unwrap();
    let mut comparison = Comparison { expectation, shown: &shown, differences: Vec::new() };
    comparison.compare("", expectation.get("inspect").unwrap_or(&Value::Object(Map::new())), &shown);
    comparison.warnings();
    comparison.differences
}

fn refused_at_the_right_place(expectation: &Value, call: &Call) -> Vec<String> {
    if let Some(lack) = call.refusal_lacks("") {
        return vec![lack];
    }
    let others = expectation["or"].as_array().unwrap();
    let named = std::iter::once(expectation).chain(others).any(|place| {
        let line = format!("line {}", place["line"]);
        let element = place["element"].as_str().and_then(|words| words.split(' ').next()).unwrap_or("");
        let cause = call.errors.lines().next().unwrap_or("");
        // "line 7" is not "line 71".
        let names_line = place["line"].is_null() || cause.split([':', ',']).any(|part| part.trim().ends_with(&line));
        names_line && cause.contains(element)
    });
    if named {
        return Vec::new();
    }
    vec![format!("should name line {} {}: {}", expectation["line"], expectation["element"], call.errors.trim_end())]
}

struct Comparison<'c> {
    expectation: &'c Value,
    shown: &'c Value,
    differences: Vec<String>,
}

impl Comparison<'_> {
    /// Compares what is expected at a path with what is shown there; keys that are only shown are not looked at.
    fn compare(&mut self, path: &str, expected: &Value, shown: &Value) {
        if self.is_vague(path) || self.also_passes(path, shown) {
            return;
        }
        match (expected, shown) {
            (Value::Object(expected), Value::Object(_)) => {
                for (key, value) in expected {
                    self.compare(&join(path, key), value, shown.get(key).unwrap_or(&Value::Null));
                }
            }
            (Value::Array(expected), Value::Array(shown)) if expected.len() == shown.len() => {
                for (index, (expected, shown)) in expected.iter().zip(shown).enumerate() {
                    self.compare(&join(path, &index.to_string()), expected, shown);
                }
            }
            (Value::Null, Value::Number(_)) if path.ends_with("/cpus") || path.ends_with("/memory_bytes") => {
                self.chosen_by_ovum(path);
            }
            _ if expected == shown => {}
            _ => self.differences.push(format!("{path}: expected {expected}, shown {shown}")),
        }
    }

    fn is_vague(&self, path: &str) -> bool {
        self.expectation["vague"].as_array().is_some_and(|paths| paths.iter().any(|vague| vague == path))
    }

    fn also_passes(&self, path: &str, shown: &Value) -> bool {
        self.expectation["either"][path].as_array().is_some_and(|values| values.contains(shown))
    }

    /// A number that the descriptor does not have is Ovum's own choice, and it has to say so.
    fn chosen_by_ovum(&mut self, path: &str) {
        let word = if path.ends_with("/cpus") { "cpu" } else { "memory" };
        let warnings = self.shown["warnings"].as_array().unwrap();
        let said = |warning: &Value| {
            let text = format!("{} {}", warning["code"], warning["message"]).to_lowercase();
            text.contains(word) || (word == "cpu" && text.contains("processor"))
        };
        if !warnings.iter().any(said) {
            self.differences.push(format!("{path}: the descriptor does not say it, and no warning does"));
        }
    }

    fn warnings(&mut self) {
        for line in self.expectation["warn_lines"].as_array().unwrap() {
            if !self.shown["warnings"].as_array().unwrap().iter().any(|warning| warning["line"] == *line) {
                self.differences.push(format!("warnings: none about line {line}"));
            }
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}/{key}") }
}
