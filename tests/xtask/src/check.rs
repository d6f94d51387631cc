//! `cargo xtask fmt`, `lint` and `fuzz`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use ovum_tests::binaries::{cargo, repository};
use ovum_tests::failure::{Context as _, Failure, Result};

pub(crate) const FMT_HELP: &str = "
Usage: cargo xtask fmt [--check]

Formats all Rust code; with --check, says what is not formatted and changes nothing.

Example: cargo xtask fmt --check
";

pub(crate) const LINT_HELP: &str = "
Usage: cargo xtask lint

Runs clippy with warnings as errors, and the project's own checks:
  - nothing outside arch/, boot/, tests/, docs/ and resources/ says `x86` (arch is a seam)
  - files stay below 500 lines (a warning), and below 800 (an error)
  - README.md, ARCHITECTURE.md and CHANGELOG.md exist

Example: cargo xtask lint
";

pub(crate) const FUZZ_HELP: &str = "
Usage: cargo xtask fuzz [TARGET] [--seconds N]

Runs one fuzz target of tests/fuzz, or all of them in turn, N seconds each (30). Needs a nightly compiler and cargo-fuzz.

Example: cargo xtask fuzz virtio_blk --seconds 60
";

/// A file above this is a warning.
const LONG: usize = 500;
/// A file above this is an error.
const TOO_LONG: usize = 800;

pub(crate) fn succeeds(command: &mut Command, what: &str) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().doing(what)?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{what} failed"))) }
}

pub(crate) fn fmt(arguments: &[String]) -> Result<ExitCode> {
    let mut command = cargo();
    command.args(["fmt", "--all"]);
    let remedy = "run `cargo xtask fmt`, or `rustup component add rustfmt` when it is missing";
    if arguments.iter().any(|argument| argument == "--check") {
        command.arg("--check");
    }
    succeeds(&mut command, "the format check").map_err(|failure| failure.remedy(remedy))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn lint(_: &[String]) -> Result<ExitCode> {
    own_checks()?;
    let mut command = cargo();
    command.args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]);
    let remedy = "see the lines above, or `rustup component add clippy` when it is missing";
    succeeds(&mut command, "clippy").map_err(|failure| failure.remedy(remedy))?;
    Ok(ExitCode::SUCCESS)
}

fn own_checks() -> Result<()> {
    let root = repository();
    let mut faults = Vec::new();
    for name in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        if !root.join(name).is_file() {
            faults.push(format!("{name} is missing"));
        }
    }
    for path in rust_files(&root)? {
        let text = fs::read_to_string(&path).doing(format!("reading {}", path.display()))?;
        let name = path.strip_prefix(&root).unwrap_or(&path);
        let lines = text.lines().count();
        if lines > TOO_LONG {
            faults.push(format!("{}: {lines} lines; find the noun that wants its own file", name.display()));
        } else if lines > LONG {
            println!("warning: {}: {lines} lines", name.display());
        }
        // boot/ reads the names of architectures from files, as facts, and decides nothing by its own.
        if !["arch", "boot", "tests"].iter().any(|folder| name.starts_with(folder)) {
            let said = text.lines().enumerate().filter(|(_, line)| line.contains("x86"));
            faults.extend(said.map(|(index, _)| format!("{}:{}: says x86 outside arch/", name.display(), index + 1)));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::new(faults.join("\n"))) }
}

fn rust_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).doing(format!("reading {}", folder.display()))? {
            let path = entry.doing(format!("reading {}", folder.display()))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

pub(crate) fn fuzz(arguments: &[String]) -> Result<ExitCode> {
    let mut seconds = 30_u32;
    let mut wanted = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--seconds" {
            let number = rest.next().and_then(|text| text.parse().ok());
            seconds = number.ok_or_else(|| Failure::new("--seconds needs a number"))?;
        } else {
            wanted = Some(argument.clone());
        }
    }
    for target in fuzz_targets(wanted)? {
        println!("fuzzing {target} for {seconds} s");
        let mut command = Command::new("cargo");
        command.current_dir(repository().join("tests"));
        command.args(["+nightly", "fuzz", "run", &target, "--", &format!("-max_total_time={seconds}")]);
        succeeds(&mut command, &format!("fuzzing {target}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn fuzz_targets(wanted: Option<String>) -> Result<Vec<String>> {
    let mut probe = Command::new("cargo");
    probe.args(["+nightly", "fuzz", "--version"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        return Err(Failure::new("there is no nightly compiler with cargo-fuzz")
            .remedy("run `rustup toolchain install nightly` and `cargo install cargo-fuzz`"));
    }
    if let Some(target) = wanted {
        return Ok(vec![target]);
    }
    let folder = repository().join("tests/fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder).doing(format!("reading {}", folder.display()))?;
    let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut targets: Vec<String> = entries.filter_map(|entry| stem(entry.ok()?.path())).collect();
    targets.sort();
    Ok(targets)
}
