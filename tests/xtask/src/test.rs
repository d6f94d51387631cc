//! `cargo xtask setup` and `cargo xtask test`.

use std::io::{BufRead as _, BufReader};
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use ovum_tests::binaries::{self, cargo};
use ovum_tests::failure::{Context as _, Failure, Result};
use ovum_tests::harness::Choice;
use ovum_tests::{harness, kernel, packages};

use crate::check;

pub(crate) const SETUP_HELP: &str = "
Usage: cargo xtask setup [--bench]

Installs the packages that are missing (apt-get, with sudo when not root) and unpacks the stock kernel and busybox into the
cache, $XDG_CACHE_HOME/ovum or ~/.cache/ovum. With --bench it also builds the bench kernel, which takes about five minutes.

Example: cargo xtask setup
";

pub(crate) const TEST_HELP: &str = "
Usage: cargo xtask test [FILTER...]

What CI runs: setup, the format check, lint, all unit tests and all whole-VM tests. Whole-VM tests run on this machine where
its KVM is a hardware one and in the KVM lab elsewhere; OVUM_TEST_HOST=native or =lab overrides the choice. Ends with one
line, `N passed, N failed, N skipped`, over all test programs; fails when anything failed. With FILTERs, only the tests
whose names hold one of them run, and no checks.

Example: cargo xtask test killed_vmm
";

pub(crate) fn setup(arguments: &[String]) -> Result<ExitCode> {
    packages::ensure(packages::BUILD)?;
    packages::ensure(packages::JUDGES)?;
    match harness::choice() {
        Choice::Native(why) => println!("machines will run on this host: {why}"),
        Choice::Lab(why) => {
            println!("machines will run in the KVM lab: {why}");
            packages::ensure(packages::LAB)?;
        }
    }
    println!("stock kernel: {}", kernel::stock()?.image.display());
    packages::unpacked(&["busybox-static"])?;
    if arguments.iter().any(|argument| argument == "--bench") {
        println!("bench kernel: {}", kernel::microvm()?.vmlinux.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The tests of some programs, added up.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Tally {
    /// Adds a program's last line, `test result: ok. 3 passed; 0 failed; 1 ignored; ...`, if `line` is one.
    fn add(&mut self, line: &str) {
        let Some(results) = line.strip_prefix("test result: ") else { return };
        for part in results.split(['.', ';']) {
            if let Some((number, kind)) = part.trim().split_once(' ')
                && let Ok(number) = number.parse::<u32>()
            {
                match kind {
                    "passed" => self.passed += number,
                    "failed" => self.failed += number,
                    "ignored" => self.skipped += number,
                    _ => {}
                }
            }
        }
    }
}

pub(crate) fn test(arguments: &[String]) -> Result<ExitCode> {
    let mut tally = Tally::default();
    if arguments.is_empty() {
        stage("setup", &mut tally, || setup(&[]).map(drop));
        stage("format", &mut tally, || check::fmt(&["--check".to_owned()]).map(drop));
        stage("lint", &mut tally, || check::lint(&[]).map(drop));
        // Built here and not inside the first test, where it would look as if the test took that long.
        stage("build", &mut tally, || binaries::ovum().and_then(|_| binaries::agent()).map(drop));
    }
    for packages in [&["--workspace", "--exclude", "ovum-tests"][..], &["--package", "ovum-tests"]] {
        stage(&format!("cargo test {}", packages.join(" ")), &mut Tally::default(), || {
            tally_of(packages, arguments, &mut tally)
        });
    }
    println!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Does one part of the work and says how long it took. What goes wrong counts as one failure, and the rest goes on.
fn stage(name: &str, tally: &mut Tally, work: impl FnOnce() -> Result<()>) {
    println!("== {name}");
    let started = Instant::now();
    if let Err(failure) = work() {
        tally.failed += 1;
        println!("{name}: {failure}");
    }
    println!("== {name}: {:.0} s", started.elapsed().as_secs_f64());
}

fn tally_of(packages: &[&str], filters: &[String], tally: &mut Tally) -> Result<()> {
    let mut command = cargo();
    command.args(["test", "--no-fail-fast"]).args(packages).arg("--").args(filters);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().doing("running cargo test")?;
    let before = tally.failed;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line.doing("reading from cargo test")?;
            tally.add(&line);
            println!("{line}");
        }
    }
    let status = child.wait().doing("waiting for cargo test")?;
    if !status.success() && tally.failed == before {
        // No test failed and yet cargo did: something has not built, or a test program has crashed.
        tally.failed += 1;
        return Err(Failure::new(format!("cargo test ended with {status}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn results_are_added_up() {
        let mut tally = Tally::default();
        tally.add("running 3 tests");
        tally.add("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s");
        tally.add("test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.00s");
        assert_eq!(tally, Tally { passed: 5, failed: 1, skipped: 1 });
    }
}
