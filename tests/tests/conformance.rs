//! The table in `docs/ovf-conformance.md` names tests and descriptors that are there.
#![allow(clippy::unwrap_used, reason = "a test ends where its expectation does not hold")]

use std::fs;
use std::path::Path;

use ovum_tests::binaries::repository;

/// All Rust source below a folder, in one text.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            text += &sources(&path);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text += &fs::read_to_string(&path).unwrap();
        }
    }
    text
}

fn table() -> Vec<String> {
    let document = fs::read_to_string(repository().join("docs/ovf-conformance.md")).unwrap();
    let rows = document.lines().filter(|line| line.starts_with('|'));
    rows.filter_map(|row| row.rsplit('|').nth(1)).map(str::to_owned).collect()
}

#[test]
fn the_tests_of_the_table_are_there() {
    let source: String = ["boot/src", "vmm", "devices/disk/src", "tests/tests"]
        .iter()
        .map(|folder| sources(&repository().join(folder)))
        .collect();
    let mut names = 0;
    for cell in table() {
        for quoted in cell.split('`').skip(1).step_by(2) {
            let name = quoted.rsplit("::").next().unwrap();
            // A sentence is a test; a word is a module or a file.
            if name.matches('_').count() > 2 {
                assert!(source.contains(&format!("fn {name}(")), "there is no test {name}");
                names += 1;
            }
        }
    }
    assert!(names > 40, "the table names {names} tests only");
}

#[test]
fn the_descriptors_of_the_table_have_expectations() {
    let expected = fs::read_to_string(repository().join("tests/corpus/expected.json")).unwrap();
    let mut names = 0;
    for cell in table() {
        let Some((_, list)) = cell.split_once("inspect: ") else { continue };
        for name in list.split(", ").map(|name| name.split(' ').next().unwrap()).filter(|name| name.contains('-')) {
            assert!(expected.contains(&format!("\"{name}.ovf\"")), "{name} is not in expected.json");
            names += 1;
        }
    }
    assert!(names > 20, "the table names {names} descriptors only");
}
