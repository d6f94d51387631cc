//! A process on the agent's side: what it said and when, how it ended, and what can be done to it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::Connection;
use super::connection::Answer;
use crate::agent::protocol::{Command, End, Event, Probe, Request};
use crate::failure::{Failure, Result};

/// A piece of output.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Whether it was written to standard error.
    pub error: bool,
    /// When it was read, the agent's CLOCK_MONOTONIC, ns.
    pub at: u64,
    /// What was written.
    pub bytes: Vec<u8>,
}

/// A process. It is killed when this is dropped before its end.
pub struct Process {
    connection: Arc<Connection>,
    id: u32,
    answers: Receiver<Answer>,
    chunks: Vec<Chunk>,
    pid: Option<i32>,
    started_at: u64,
    probe: Option<Probe>,
    end: Option<End>,
}

/// The way to a process's standard input and to its signals; may be used from another thread.
#[derive(Clone)]
pub struct Input {
    connection: Arc<Connection>,
    id: u32,
}

impl Input {
    /// Sends bytes to standard input.
    ///
    /// # Errors
    /// When the agent has gone.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.connection.send(&Request::Input { id: self.id }, bytes)
    }

    /// Ends standard input.
    ///
    /// # Errors
    /// When the agent has gone.
    pub fn end(&self) -> Result<()> {
        self.connection.send(&Request::Input { id: self.id }, &[])
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the agent has gone.
    pub fn signal(&self, signal: i32) -> Result<()> {
        self.connection.send(&Request::Signal { id: self.id, signal }, &[])
    }
}

impl Connection {
    /// Starts a process.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(self: &Arc<Self>, command: Command) -> Result<Process> {
        let (id, answers) = self.number();
        self.send(&Request::Spawn { id, command }, &[])?;
        let connection = Arc::clone(self);
        let mut process =
            Process { connection, id, answers, chunks: Vec::new(), pid: None, started_at: 0, probe: None, end: None };
        while process.pid.is_none() {
            if !process.step(Duration::from_secs(60))? {
                return Err(Failure::new("the agent does not start processes any more"));
            }
        }
        Ok(process)
    }
}

impl Process {
    /// Its number on the agent's side.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.unwrap_or_default()
    }

    /// When it was about to be started, the agent's CLOCK_MONOTONIC, ns.
    #[must_use]
    pub fn started_at(&self) -> u64 {
        self.started_at
    }

    /// The way to its standard input and its signals.
    #[must_use]
    pub fn input(&self) -> Input {
        Input { connection: Arc::clone(&self.connection), id: self.id }
    }

    /// All of its output so far, in the order in which it came.
    #[must_use]
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// What was seen at `probe_at`.
    #[must_use]
    pub fn probe(&self) -> Option<&Probe> {
        self.probe.as_ref()
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// What it wrote so far to standard output, or to standard error.
    #[must_use]
    pub fn text(&self, error: bool) -> String {
        let bytes: Vec<u8> =
            self.chunks.iter().filter(|chunk| chunk.error == error).flat_map(|chunk| chunk.bytes.clone()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits up to `limit` for the next thing to happen. `false`: nothing did.
    ///
    /// # Errors
    /// When the agent has gone or could not do what it was asked for.
    pub fn step(&mut self, limit: Duration) -> Result<bool> {
        if self.end.is_some() {
            return Ok(false);
        }
        match self.answers.recv_timeout(limit) {
            Ok((Event::Started { pid, at, .. }, _)) => (self.pid, self.started_at) = (Some(pid), at),
            Ok((Event::Output { error, at, .. }, bytes)) => self.chunks.push(Chunk { error, at, bytes }),
            Ok((Event::Probed { probe, .. }, _)) => self.probe = Some(probe),
            Ok((Event::Ended { end, .. }, _)) => self.end = Some(end),
            Ok((Event::Failed { why, .. }, _)) => return Err(Failure::new(why)),
            Ok((event, _)) => return Err(Failure::new(format!("the agent answered {event:?}"))),
            Err(RecvTimeoutError::Timeout) => return Ok(false),
            Err(RecvTimeoutError::Disconnected) => return Err(Failure::new("the agent has gone")),
        }
        Ok(true)
    }

    /// Waits up to `limit` until `ready` says so or the process has ended. `false`: neither happened.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn wait_until(&mut self, limit: Duration, ready: impl Fn(&Self) -> bool) -> Result<bool> {
        let deadline = Instant::now() + limit;
        while self.end.is_none() && !ready(self) {
            if !self.step(deadline.saturating_duration_since(Instant::now()))? && self.end.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits up to `limit` for the process to end.
    ///
    /// # Errors
    /// When it does not, or the agent has gone.
    pub fn wait(&mut self, limit: Duration) -> Result<End> {
        self.wait_until(limit, |process| process.end.is_some())?;
        self.end.ok_or_else(|| Failure::new(format!("the process has not ended in {limit:?}")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.end.is_none() {
            let _ = self.input().signal(crate::sys::SIGKILL);
        }
        self.connection.forget(self.id);
    }
}
