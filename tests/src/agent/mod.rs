//! The agent: a small program that starts processes and moves files for the harness.
//!
//! In the KVM lab it runs inside the lab and speaks over a virtio-serial port; on a host with hardware KVM it runs
//! beside the harness and speaks over a socket. Either way the stream is its standard input, used in both directions,
//! so a test cannot tell the two apart. [`protocol`] is what is said.

mod files;
mod process;
pub mod protocol;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use self::files::Incoming;
pub(crate) use self::files::is_zero;
use self::process::Process;
use self::protocol::{Event, Request, read_frame, write_frame};

/// The way back to the harness, shared by all threads.
#[derive(Clone)]
struct Reply(Arc<Mutex<File>>);

impl Reply {
    /// Sends one event. When the harness has gone there is nobody to tell, and the main loop is about to notice.
    fn send(&self, event: &Event, tail: &[u8]) {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = write_frame(&mut *stream, event, tail);
    }

    /// Answers request `id` with its result.
    fn result(&self, id: u32, result: io::Result<Vec<u8>>) {
        match result {
            Ok(tail) => self.send(&Event::Done { id }, &tail),
            Err(error) => self.send(&Event::Failed { id, why: error.to_string() }, &[]),
        }
    }
}

/// Serves requests from standard input until it ends. Processes that still run are killed.
///
/// # Errors
/// When the stream breaks.
pub fn serve() -> io::Result<()> {
    let stream = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let reply = Reply(Arc::new(Mutex::new(stream.try_clone()?)));
    let mut stream = BufReader::with_capacity(protocol::BLOCK, stream);
    let mut agent = Agent { reply: reply.clone(), processes: HashMap::new(), incoming: HashMap::new() };
    reply.send(&Event::Hello, &[]);
    while let Some((request, tail)) = read_frame(&mut stream)? {
        agent.serve(request, tail);
    }
    agent.processes.values().for_each(Process::kill);
    Ok(())
}

struct Agent {
    reply: Reply,
    processes: HashMap<u32, Process>,
    incoming: HashMap<u32, Incoming>,
}

impl Agent {
    fn serve(&mut self, request: Request, tail: Vec<u8>) {
        let reply = self.reply.clone();
        match request {
            Request::Spawn { id, command } => match Process::start(id, &command, &reply) {
                Ok(process) => drop(self.processes.insert(id, process)),
                Err(error) => {
                    let program = command.arguments.first().map_or("", String::as_str);
                    reply.result(id, Err(io::Error::other(format!("starting {program}: {error}"))));
                }
            },
            Request::Input { id } => {
                if let Some(process) = self.processes.get_mut(&id) {
                    process.input(tail);
                }
            }
            Request::Signal { id, signal } => {
                if let Some(process) = self.processes.get(&id) {
                    process.signal(signal);
                }
            }
            Request::Create { id, path, mode, size } => match Incoming::create(&path, mode, size) {
                Ok(file) => {
                    self.incoming.insert(id, file);
                    reply.result(id, Ok(Vec::new()));
                }
                Err(error) => reply.result(id, Err(error)),
            },
            Request::Block { id, offset } => {
                if let Some(file) = self.incoming.get_mut(&id) {
                    file.block(offset, &tail);
                }
            }
            Request::Close { id } => {
                let result = self.incoming.remove(&id).map_or(Ok(()), Incoming::close);
                reply.result(id, result.map(|()| Vec::new()));
            }
            // A long file must not keep the other requests waiting.
            Request::Fetch { id, path } => {
                drop(thread::spawn(move || reply.result(id, files::send(id, &path, &reply))))
            }
            Request::Read { id, path } => reply.result(id, std::fs::read(path)),
            Request::Clock { id } => reply.result(id, Ok(crate::sys::monotonic_ns().to_string().into_bytes())),
        }
    }
}
