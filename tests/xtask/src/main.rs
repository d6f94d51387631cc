//! The project's own commands. `cargo xtask help` lists them.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "this is a command: it prints and ends with a status"
)]

mod bench;
mod check;
mod demo;
mod lab;
mod test;

use std::process::ExitCode;

use ovum_tests::failure::{Failure, Result};

/// A subcommand: its name, one line about it, its help, and what it does with its arguments.
struct Task {
    name: &'static str,
    about: &'static str,
    help: &'static str,
    run: fn(&[String]) -> Result<ExitCode>,
}

const TASKS: &[Task] = &[
    Task { name: "setup", about: "install and unpack what is needed", help: test::SETUP_HELP, run: test::setup },
    Task { name: "demo", about: "pack an appliance and boot it", help: demo::HELP, run: demo::run },
    Task { name: "test", about: "all checks and all tests", help: test::TEST_HELP, run: test::test },
    Task { name: "lab", about: "run a command of ovum's in the KVM lab", help: lab::HELP, run: lab::run },
    Task { name: "bench", about: "Ovum beside QEMU: booting, disks, OVAs", help: bench::HELP, run: bench::run },
    Task { name: "fmt", about: "format the code", help: check::FMT_HELP, run: check::fmt },
    Task { name: "lint", about: "clippy and the project's own checks", help: check::LINT_HELP, run: check::lint },
    Task { name: "fuzz", about: "run the fuzz targets", help: check::FUZZ_HELP, run: check::fuzz },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<ExitCode> {
    let name = arguments.first().map_or("help", String::as_str);
    let rest = arguments.get(1..).unwrap_or_default();
    if matches!(name, "help" | "--help" | "-h") {
        overview();
        return Ok(ExitCode::SUCCESS);
    }
    let task = TASKS.iter().find(|task| task.name == name);
    let task =
        task.ok_or_else(|| Failure::new(format!("there is no task {name:?}")).remedy("see `cargo xtask help`"))?;
    if matches!(rest.first().map(String::as_str), Some("--help" | "-h")) {
        println!("{}", task.help.trim());
        return Ok(ExitCode::SUCCESS);
    }
    (task.run)(rest)
}

fn overview() {
    println!("Usage: cargo xtask TASK [ARGUMENTS]\n");
    for task in TASKS {
        println!("  {:<8} {}", task.name, task.about);
    }
    println!("\n`cargo xtask TASK --help` says more.");
}
