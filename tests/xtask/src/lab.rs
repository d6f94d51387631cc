//! `cargo xtask lab`: a command of ovum's in the KVM lab, as if it ran here.

use std::env;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use ovum_tests::agent::protocol;
use ovum_tests::binaries;
use ovum_tests::failure::{Context as _, Failure, Result};
use ovum_tests::host::{Carried, Host, Input, Process};
use ovum_tests::lab::Lab;

pub(crate) const HELP: &str = "
Usage: cargo xtask lab [--memory MIB] [--counting] [--shell] -- COMMAND...

Runs `ovum COMMAND...` in the KVM lab: a machine with real KVM, emulated by QEMU. Needs no KVM and no root.

  --memory MIB  memory of the lab (4096)
  --counting    the lab's clock counts instructions: 1 ns is one instruction
  --shell       COMMAND is a program of the lab's own, such as `ls -l /dev/kvm`; ovum is there as /bin/ovum

Files that the command names are copied to the same paths in the lab, and back when the command has created or changed
them; the writes of a guest to its disks land in your files when the command has ended. The lab itself leaves no file
behind. Standard input, output, error, the terminal and the exit status are the command's own.

Example: cargo xtask lab -- run --kernel ./vmlinuz --initrd ./initrd.img --timing
";

/// Where ovum is in the lab.
pub(crate) const OVUM: &str = "/bin/ovum";

struct Options {
    lab: Lab,
    shell: bool,
    command: Vec<String>,
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options { lab: Lab::new(), shell: false, command: Vec::new() };
    let mut memory_mib = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--" => options.command.extend(rest.by_ref().cloned()),
            "--counting" => options.lab = Lab::counting(),
            "--shell" => options.shell = true,
            "--memory" => memory_mib = rest.next().and_then(|text| text.parse().ok()),
            other => {
                return Err(Failure::new(format!("unknown argument {other:?}")).remedy("see `cargo xtask lab --help`"));
            }
        }
    }
    if let Some(memory_mib) = memory_mib {
        options.lab = options.lab.memory_mib(memory_mib);
    }
    if options.command.is_empty() {
        return Err(Failure::new("there is no command").remedy("put one behind `--`; see `cargo xtask lab --help`"));
    }
    Ok(options)
}

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let mut options = parse(arguments)?;
    options.lab = options.lab.program(OVUM, binaries::ovum()?);
    if !options.shell {
        options.command.insert(0, OVUM.to_owned());
    }
    in_lab(options.lab, options.command)
}

/// Boots `lab` and runs `command` in it with this process's standard streams.
pub(crate) fn in_lab(lab: Lab, command: Vec<String>) -> Result<ExitCode> {
    let host = lab.boot()?;
    run_on(&host, command)
}

fn run_on(host: &Host, command: Vec<String>) -> Result<ExitCode> {
    let folder = env::current_dir().doing("finding the working folder")?;
    let carried = Carried::there(host, &folder, command.get(1..).unwrap_or_default())?;
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let mut process = host.spawn(protocol::Command {
        arguments: command,
        folder: Some(folder.to_string_lossy().into_owned()),
        terminal,
        ..protocol::Command::default()
    })?;
    let raw = terminal.then(RawTerminal::new);
    pass_input(process.input());
    pass_output(&mut process)?;
    drop(raw);
    carried.back()?;
    let end = process.end().ok_or_else(|| Failure::new("the command has no end"))?;
    // As a shell says it when a signal ended a command.
    let status = end.status.unwrap_or_else(|| 128 + end.signal.unwrap_or(0));
    Ok(ExitCode::from(u8::try_from(status).unwrap_or(1)))
}

fn pass_input(input: Input) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = io::stdin().read(&mut buffer) {
            if input.write(&buffer[..length]).is_err() {
                return;
            }
        }
        let _ = input.end();
    });
}

fn pass_output(process: &mut Process) -> Result<()> {
    let mut shown = 0;
    loop {
        for chunk in &process.chunks()[shown..] {
            let written = if chunk.error {
                io::stderr().write_all(&chunk.bytes)
            } else {
                io::stdout().write_all(&chunk.bytes).and_then(|()| io::stdout().flush())
            };
            written.doing("passing on the output")?;
        }
        shown = process.chunks().len();
        if process.end().is_some() {
            return Ok(());
        }
        process.step(Duration::from_secs(3600))?;
    }
}

/// This side's terminal hands every key on while this exists; the terminal in the lab treats them.
struct RawTerminal(String);

impl RawTerminal {
    fn new() -> Self {
        let saved = stty(&["-g"]);
        stty(&["raw", "-echo"]);
        Self(saved.trim().to_owned())
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        stty(&[&self.0]);
    }
}

fn stty(arguments: &[&str]) -> String {
    let output = Command::new("stty").args(arguments).stdin(Stdio::inherit()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}
