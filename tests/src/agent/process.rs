//! Processes that the agent starts: their input, their output with the time it came, their end.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::Reply;
use super::protocol::{self, End, Event, Probe};
use crate::sys;

/// A process that was started; its threads end with it.
pub(super) struct Process {
    pid: i32,
    input: Option<Sender<Vec<u8>>>,
    /// Set once the process was reaped, after which its number may belong to another one.
    reaped: Arc<Mutex<bool>>,
}

/// The two ends of a process's standard streams that the agent keeps.
struct Streams {
    input: Box<dyn Write + Send>,
    output: Vec<(bool, Box<dyn Read + Send>)>,
}

impl Process {
    /// Starts `command`; must be called from the main thread, with which the process dies.
    pub(super) fn start(id: u32, command: &protocol::Command, reply: &Reply) -> io::Result<Self> {
        let (program, arguments) = command.arguments.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program);
        child.args(arguments).envs(&command.environment);
        if let Some(folder) = &command.folder {
            child.current_dir(folder);
        }
        if let Some(user) = command.user {
            child.uid(user);
        }
        sys::die_with_parent(&mut child);
        let at = sys::monotonic_ns();
        let (pid, streams) =
            if command.terminal { start_in_terminal(child)? } else { start_with_pipes(child, command.closed_output)? };
        reply.send(&Event::Started { id, pid, at }, &[]);

        let reaped = Arc::new(Mutex::new(false));
        let mut readers = Vec::new();
        for (error, stream) in streams.output {
            let probe_at = command.probe_at.clone().filter(|_| !error);
            readers.push(forward(Output { id, pid, error, probe_at, reply: reply.clone() }, stream));
        }
        let (input, chunks) = channel::<Vec<u8>>();
        thread::spawn(move || {
            let mut stream = streams.input;
            // An empty chunk ends the input: the stream is closed by being dropped.
            while let Ok(chunk) = chunks.recv() {
                if chunk.is_empty() || stream.write_all(&chunk).and_then(|()| stream.flush()).is_err() {
                    return;
                }
            }
        });
        wait(id, pid, readers, Arc::clone(&reaped), reply.clone());
        Ok(Self { pid, input: Some(input), reaped })
    }

    pub(super) fn input(&mut self, bytes: Vec<u8>) {
        let end = bytes.is_empty();
        if let Some(input) = &self.input {
            // The thread behind it ends when the process has closed its input, which is no error.
            let _ = input.send(bytes);
        }
        if end {
            self.input = None;
        }
    }

    pub(super) fn signal(&self, signal: i32) {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped {
            let _ = sys::kill(self.pid, signal);
        }
    }

    pub(super) fn kill(&self) {
        self.signal(sys::SIGKILL);
    }
}

fn pid_of(child: &std::process::Child) -> io::Result<i32> {
    i32::try_from(child.id()).map_err(io::Error::other)
}

fn start_with_pipes(mut child: Command, closed_output: bool) -> io::Result<(i32, Streams)> {
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let pid = pid_of(&child)?;
    let input = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut output: Vec<(bool, Box<dyn Read + Send>)> = Vec::new();
    if let Some(stream) = child.stdout.take().filter(|_| !closed_output) {
        output.push((false, Box::new(stream)));
    }
    if let Some(stream) = child.stderr.take() {
        output.push((true, Box::new(stream)));
    }
    Ok((pid, Streams { input: Box::new(input), output }))
}

fn start_in_terminal(mut child: Command) -> io::Result<(i32, Streams)> {
    let (master, slave) = sys::pseudo_terminal()?;
    sys::own_terminal(&mut child);
    let child = child.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave).spawn()?;
    let writer: File = master.try_clone()?;
    Ok((pid_of(&child)?, Streams { input: Box::new(writer), output: vec![(false, Box::new(master))] }))
}

struct Output {
    id: u32,
    pid: i32,
    error: bool,
    probe_at: Option<String>,
    reply: Reply,
}

/// Sends all that comes from `stream`, each piece with the time at which it was read.
fn forward(mut output: Output, mut stream: Box<dyn Read + Send>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        let mut line = Vec::new();
        // A terminal whose other side was closed ends with EIO, a pipe with nothing.
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            let at = sys::monotonic_ns();
            let bytes = &buffer[..length];
            output.reply.send(&Event::Output { id: output.id, error: output.error, at }, bytes);
            let Some(text) = &output.probe_at else { continue };
            line.extend_from_slice(bytes);
            if String::from_utf8_lossy(&line).contains(text.as_str()) {
                output.probe_at = None;
                let probe = probe(output.pid);
                output.reply.send(&Event::Probed { id: output.id, probe }, &[]);
            }
        }
    })
}

/// Looks at the process while it stands still, and lets it go on.
fn probe(pid: i32) -> Probe {
    let _ = sys::kill(pid, sys::SIGSTOP);
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
    let kvm = kvm_counters(pid).unwrap_or_default();
    let _ = sys::kill(pid, sys::SIGCONT);
    Probe { smaps, kvm }
}

/// /sys/kernel/debug/kvm/PID-FD/*: one number in each file, beside a folder for each vCPU.
fn kvm_counters(pid: i32) -> io::Result<BTreeMap<String, u64>> {
    let mut counters = BTreeMap::new();
    for machine in fs::read_dir("/sys/kernel/debug/kvm")? {
        let machine = machine?;
        if !machine.file_name().to_string_lossy().starts_with(&format!("{pid}-")) {
            continue;
        }
        for counter in fs::read_dir(machine.path())? {
            let counter = counter?;
            let value = fs::read_to_string(counter.path()).ok().and_then(|text| text.trim().parse().ok());
            if let Some(value) = value {
                counters.insert(counter.file_name().to_string_lossy().into_owned(), value);
            }
        }
    }
    Ok(counters)
}

/// Reports the end when the process has ended and all that it wrote was sent. A process that leaves children behind
/// with its output in their hands ends when they do.
fn wait(id: u32, pid: i32, readers: Vec<JoinHandle<()>>, reaped: Arc<Mutex<bool>>, reply: Reply) {
    thread::spawn(move || {
        let _ = sys::wait_without_reaping(pid);
        let at = sys::monotonic_ns();
        let end = {
            let mut reaped = reaped.lock().unwrap_or_else(PoisonError::into_inner);
            *reaped = true;
            sys::reap(pid)
        };
        for reader in readers {
            let _ = reader.join();
        }
        match end {
            Ok(end) => {
                let end = End {
                    status: end.status,
                    signal: end.signal,
                    at,
                    user_us: end.user_us,
                    system_us: end.system_us,
                    max_rss_kib: end.max_rss_kib,
                };
                reply.send(&Event::Ended { id, end }, &[]);
            }
            Err(error) => reply.result(id, Err(error)),
        }
    });
}
