//! A connection to an agent: numbers the requests and hands each answer to the one who asked.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::agent::protocol::{Event, Request, read_frame, write_frame};
use crate::failure::{Context as _, Failure, Result};

/// An answer: its head and the raw bytes that came with it.
pub(super) type Answer = (Event, Vec<u8>);

/// Whether the agent's files are this machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The agent sees the same files.
    Here,
    /// The agent has files of its own: what it shall see must be copied.
    Elsewhere,
}

/// A connection that many threads may use at once.
pub struct Connection {
    stream: Mutex<UnixStream>,
    next: AtomicU32,
    waiting: Arc<Mutex<HashMap<u32, Sender<Answer>>>>,
    /// What was copied to the agent's side: path there, and size and time of change of the file here.
    pub(super) copied: Mutex<HashMap<String, (u64, i64, i64)>>,
    /// Whether files have to be copied.
    pub place: Place,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connection {
    /// Waits up to `limit` for the agent's first word on `stream`.
    ///
    /// # Errors
    /// When the agent does not come up in time.
    pub fn open(stream: UnixStream, place: Place, limit: Duration) -> Result<Self> {
        let mut reader = stream.try_clone().doing("cloning the agent's socket")?;
        let (hello, said_hello) = channel();
        let waiting: Arc<Mutex<HashMap<u32, Sender<Answer>>>> = Arc::default();
        let table = Arc::clone(&waiting);
        thread::spawn(move || {
            while let Ok(Some((event, tail))) = read_frame::<Event>(&mut reader) {
                match event.id() {
                    None => drop(hello.send(())),
                    Some(id) => {
                        let table = lock(&table);
                        // Nobody waits for what a dropped process still says.
                        if let Some(channel) = table.get(&id) {
                            let _ = channel.send((event, tail));
                        }
                    }
                }
            }
            // Ends every wait: dropping the senders tells the receivers that the agent has gone.
            lock(&table).clear();
        });
        match said_hello.recv_timeout(limit) {
            Ok(()) => Ok(Self {
                stream: Mutex::new(stream),
                next: AtomicU32::new(1),
                waiting,
                copied: Mutex::default(),
                place,
            }),
            Err(RecvTimeoutError::Timeout) => Err(Failure::new(format!("no word from the agent in {limit:?}"))),
            Err(RecvTimeoutError::Disconnected) => Err(Failure::new("the agent ended before its first word")),
        }
    }

    /// A new number, and where its answers arrive.
    pub(super) fn number(&self) -> (u32, Receiver<Answer>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = channel();
        lock(&self.waiting).insert(id, sender);
        (id, receiver)
    }

    /// No more answers are wanted for `id`.
    pub(super) fn forget(&self, id: u32) {
        lock(&self.waiting).remove(&id);
    }

    pub(super) fn send(&self, request: &Request, tail: &[u8]) -> Result<()> {
        write_frame(&mut *lock(&self.stream), request, tail).doing("telling the agent")
    }

    /// Sends one request and waits for its `Done`.
    pub(super) fn ask(&self, request: impl FnOnce(u32) -> Request) -> Result<Vec<u8>> {
        let (id, answers) = self.number();
        let result = self.send(&request(id), &[]).and_then(|()| done(&answers));
        self.forget(id);
        result
    }

    /// The agent's CLOCK_MONOTONIC, nanoseconds.
    ///
    /// # Errors
    /// When the agent has gone.
    pub fn clock_ns(&self) -> Result<u64> {
        let digits = self.ask(|id| Request::Clock { id })?;
        String::from_utf8_lossy(&digits).parse().doing("reading the agent's clock")
    }
}

/// Waits for `Done` and returns its tail.
pub(super) fn done(answers: &Receiver<Answer>) -> Result<Vec<u8>> {
    match answers.recv() {
        Ok((Event::Done { .. }, tail)) => Ok(tail),
        Ok((Event::Failed { why, .. }, _)) => Err(Failure::new(why)),
        Ok((event, _)) => Err(Failure::new(format!("the agent answered {event:?}"))),
        Err(_) => Err(Failure::new("the agent has gone")),
    }
}
