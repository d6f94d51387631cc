//! `ovum run`

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use ovum_vmm::config::{CmdlineChoice, DEFAULT_SCRATCH, Writes};
use ovum_vmm::plan::Plan;
use ovum_vmm::{Console, Machine, MachineConfig, Report, RunningMachine, StopHandle, Timeline};

use crate::args::{ConsoleArg, RunArgs};
use crate::keys::{self, Keys};
use crate::report::{self, Status};
use crate::signals::Watch;
use crate::terminal::{self, RawMode};

/// How often standard input that does not block is looked at.
const INPUT_PATIENCE: Duration = Duration::from_millis(10);

/// Runs the machine that `args` describe, and returns the exit status.
pub fn run(args: &RunArgs, timeline: &Timeline) -> ExitCode {
    let config = match config(args) {
        Ok(config) => config,
        Err(failure) => {
            report::failure(&failure.cause, failure.remedy, failure.status, args.json);
            return failure.status.into();
        }
    };
    if args.dry_run {
        return dry_run(&config, args.json).into();
    }
    let status = match open_console(&args.console) {
        Ok(console) => boot(&config, console, args, timeline),
        Err(failure) => {
            report::failure(&failure.cause, failure.remedy, failure.status, args.json);
            failure.status
        }
    };
    status.into()
}

fn config(args: &RunArgs) -> Result<MachineConfig, Failure> {
    let mut disks = args.disks.clone();
    if let (Some(overlay), Some(disk)) = (&args.overlay, disks.first_mut()) {
        if disk.writes != Writes::ByFormat {
            return Err(Failure {
                cause: "--overlay is for the first disk, which says itself where writes go".into(),
                remedy: "leave out --overlay, or ro, discard and overlay= of the first --disk",
                status: Status::WrongUsage,
            });
        }
        disk.writes = Writes::Overlay(overlay.clone());
    }
    Ok(MachineConfig {
        initramfs: args.initrd.clone().map(Into::into),
        cmdline: match &args.cmdline {
            Some(all) => CmdlineChoice::Whole(all.clone()),
            None => CmdlineChoice::Append(args.append.clone()),
        },
        boot_tuning: !args.no_boot_tuning,
        kernel_cache: if args.no_boot_tuning { None } else { kernel_cache() },
        cpus: args.cpus,
        memory: args.memory.0,
        disks,
        transport: args.transport,
        scratch: std::env::var_os("TMPDIR").map_or_else(|| DEFAULT_SCRATCH.into(), PathBuf::from),
        time_limit: args.timeout,
        ..MachineConfig::new(&args.kernel)
    })
}

/// Where unpacked kernels are kept: `ovum/kernels` in the user's cache folder (XDG Base Directory Specification 0.8).
fn kernel_cache() -> Option<PathBuf> {
    let absolute = |name, below: &str| {
        std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute()).map(|path| path.join(below))
    };
    let folder = absolute("XDG_CACHE_HOME", "").or_else(|| absolute("HOME", ".cache"))?;
    Some(folder.join("ovum/kernels"))
}

fn dry_run(config: &MachineConfig, json: bool) -> Status {
    match Plan::of(config) {
        Ok(plan) if json => report::to_stdout(&report::to_json(&plan)),
        Ok(plan) => report::to_stdout(&plan.to_string()),
        Err(error) => report::fail(&error, json),
    }
}

fn boot(config: &MachineConfig, console: OpenConsole, args: &RunArgs, timeline: &Timeline) -> Status {
    let OpenConsole { console, typed } = console;
    let built = match Machine::build(config, console, timeline) {
        Ok(built) => built,
        Err(error) => return report::fail(&error, args.json),
    };
    let running = match built.start() {
        Ok(running) => running,
        Err(error) => return report::fail(&error, args.json),
    };
    match accompany(running, typed) {
        Ok((report, status)) => {
            report::end(&report, status, args.timing, args.json);
            status
        }
        Err(error) => report::fail(&error, args.json),
    }
}

/// Stays with a running machine: gives it what is typed, ends it at a signal. The terminal is as it was before when this
/// returns.
fn accompany(
    running: RunningMachine,
    typed: Option<UnixStream>,
) -> Result<(Report, Status), ovum_vmm::machine::RunError> {
    let watch = Watch::start(running.stop_handle());
    let raw_mode = typed.is_some().then(RawMode::enter).transpose();
    if let Err(error) = &watch {
        log::warn!("signals end the machine untidily: {error}");
    }
    let raw_mode = raw_mode.unwrap_or_else(|error| {
        log::warn!("keys reach the guest only line by line: {error}");
        None
    });
    if let Some(typed) = typed {
        forward_input(typed, raw_mode.is_some().then(Keys::default), running.stop_handle());
    }
    let ended = running.wait();
    drop(raw_mode);
    let report = ended?;
    let signal = watch.ok().and_then(|watch| watch.caught());
    let status = Status::of_end(&report.end, signal);
    Ok((report, status))
}

/// Carries standard input to the guest, on a thread of its own that ends with the process.
fn forward_input(mut to_guest: UnixStream, mut keys: Option<Keys>, stop: StopHandle) {
    // A job in the background would be stopped for reading the terminal.
    if keys.is_none() && io::IsTerminal::is_terminal(&io::stdin()) && !terminal::in_foreground() {
        return;
    }
    let mut forward = move || -> io::Result<()> {
        to_guest.set_nonblocking(keys.is_some())?;
        let mut chunk = [0; 256];
        loop {
            let len = match io::stdin().read(&mut chunk) {
                Ok(0) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Somebody who shares the terminal has set it to not block.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(INPUT_PATIENCE);
                    continue;
                }
                len => len?,
            };
            let bytes = chunk.get(..len).unwrap_or_default();
            let Some(keys) = &mut keys else {
                to_guest.write_all(bytes)?;
                continue;
            };
            let typed = keys.read(bytes);
            if typed.end {
                stop.stop();
                return Ok(());
            }
            if typed.help {
                io::stderr().write_all(keys::HELP.as_bytes())?;
            }
            // What a guest that does not read has no room for is lost, as on a serial line; the keys above still work.
            match to_guest.write(&typed.to_guest) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    };
    let thread = std::thread::Builder::new().name("stdin".into()).stack_size(64 << 10);
    // Whatever fails, the guest goes on without input.
    if let Err(error) = thread.spawn(move || drop(forward())) {
        log::warn!("the guest gets no input: {error}");
    }
}

/// The console, and where to write what is typed on it.
struct OpenConsole {
    console: Console,
    typed: Option<UnixStream>,
}

/// What was asked for cannot be had.
struct Failure {
    cause: String,
    remedy: &'static str,
    status: Status,
}

fn open_console(console: &ConsoleArg) -> Result<OpenConsole, Failure> {
    match console {
        ConsoleArg::Stdio => stdio().map_err(|error| Failure {
            cause: format!("standard input and output cannot be the guest's console: {error}"),
            remedy: "open both of them, or run with --console none or --console file:PATH",
            status: Status::HostCannot,
        }),
        ConsoleArg::File(path) => to_file(path).map_err(|error| Failure {
            cause: format!("the console's file {} cannot be written: {error}", path.display()),
            remedy: "give --console file: a path in a folder that exists and that you can write to",
            status: Status::WrongUsage,
        }),
        ConsoleArg::None => Ok(OpenConsole { console: Console::none(), typed: None }),
    }
}

/// Unbuffered, on a descriptor of its own: the guest's bytes are written as they come.
fn stdio() -> io::Result<OpenConsole> {
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let (from_person, to_guest) = UnixStream::pair()?;
    let console = Console { output: Box::new(output), input: Some(File::from(OwnedFd::from(from_person))) };
    Ok(OpenConsole { console, typed: Some(to_guest) })
}

fn to_file(path: &Path) -> io::Result<OpenConsole> {
    let console = Console { output: Box::new(File::create(path)?), input: None };
    Ok(OpenConsole { console, typed: None })
}
