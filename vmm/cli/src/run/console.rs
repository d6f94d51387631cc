//! The far end of the guest's serial port: this process's standard input and output, a file, or nothing.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use ovum_vmm::{Console, StopHandle};

use super::args::ConsoleArg;
use crate::failure::Failure;
use crate::keys::{self, Keys};
use crate::report::Status;
use crate::terminal;

/// How often standard input that does not block is looked at.
const INPUT_PATIENCE: Duration = Duration::from_millis(10);

/// The console, and where to write what is typed on it.
pub struct OpenConsole {
    pub console: Console,
    pub typed: Option<UnixStream>,
}

/// Opens what `--console` names.
pub fn open(console: &ConsoleArg) -> Result<OpenConsole, Failure> {
    match console {
        ConsoleArg::Stdio => stdio().map_err(|error| Failure {
            cause: format!("standard input and output cannot be the guest's console: {error}"),
            remedy: "open both of them, or run with --console none or --console file:PATH".into(),
            status: Status::HostCannot,
        }),
        ConsoleArg::File(path) => to_file(path).map_err(|error| Failure {
            cause: format!("the console's file {} cannot be written: {error}", path.display()),
            remedy: "give --console file: a path in a folder that exists and that you can write to".into(),
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

/// Carries standard input to the guest, on a thread of its own that ends with the process.
pub fn forward_input(mut to_guest: UnixStream, mut keys: Option<Keys>, stop: StopHandle) {
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
