//! Carries the guest's output to its destination on a thread of its own.
//!
//! A vCPU hands over a byte and goes on: it makes no system call for each, and a reader that does not read cannot hold
//! it. What is on its way is bounded; a guest that writes faster than the destination takes waits, as a sender waits for
//! a slow line, until the machine ends.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use crate::ending::{End, Ending};

/// The most that can be on its way, in bytes.
const CAPACITY: usize = 64 << 10;
/// How long the beginning of a line waits for its end. A person does not notice; a prompt is not kept back.
const LINGER: Duration = Duration::from_millis(1);
/// How often a guest that waits for room looks whether its machine ends.
const PATIENCE: Duration = Duration::from_millis(20);
const STACK: usize = 64 << 10;

/// The vCPUs' side: takes bytes.
pub(crate) struct PumpWriter(Arc<Shared>);

/// The machine's side: sees to it that everything arrives.
pub(crate) struct Pump(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Something changed for the thread: bytes came, a line ended, the output is closed.
    filled: Condvar,
    /// Something changed for the others: there is room, or all has arrived.
    emptied: Condvar,
    ending: Arc<Ending>,
}

#[derive(Default)]
struct State {
    pending: Vec<u8>,
    /// There is a reason not to linger.
    urgent: bool,
    /// The thread is writing what it took.
    writing: bool,
    /// No more will come.
    closed: bool,
    /// The destination failed: the rest is dropped.
    failed: bool,
}

impl Pump {
    /// Starts to carry bytes to `output`. If that fails, the machine behind `ending` ends.
    pub(crate) fn start(output: Box<dyn Write + Send>, ending: Arc<Ending>) -> io::Result<(Self, PumpWriter)> {
        let shared =
            Arc::new(Shared { state: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new(), ending });
        let carrier = Arc::clone(&shared);
        // Not joined: a destination that does not take its bytes would hold the machine's end for ever.
        Builder::new().name("console".into()).stack_size(STACK).spawn(move || carrier.carry(output))?;
        Ok((Self(Arc::clone(&shared)), PumpWriter(shared)))
    }

    /// Waits until everything has arrived, but not longer than `limit`. Says whether it has.
    pub(crate) fn finish(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.0.lock();
        state.closed = true;
        self.0.filled.notify_one();
        while state.writing || !(state.pending.is_empty() || state.failed) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.0.wait(&self.0.emptied, state, left);
        }
        true
    }
}

impl Drop for Pump {
    /// The thread ends as soon as its destination lets it.
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.filled.notify_one();
    }
}

impl Write for PumpWriter {
    /// Takes all of `bytes`. Never fails: a failed destination ends the machine.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let shared = &self.0;
        let mut state = shared.lock();
        while state.pending.len() >= CAPACITY && !state.failed && !shared.ending.is_signalled() {
            state = shared.wait(&shared.emptied, state, PATIENCE);
        }
        if state.failed || state.pending.len() >= CAPACITY {
            return Ok(bytes.len());
        }
        let (was_empty, was_urgent) = (state.pending.is_empty(), state.urgent);
        state.pending.extend_from_slice(bytes);
        state.urgent |= bytes.contains(&b'\n') || state.pending.len() >= CAPACITY;
        if was_empty || state.urgent != was_urgent {
            shared.filled.notify_one();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, condvar: &Condvar, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        condvar.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0
    }

    /// The thread's life.
    fn carry(&self, mut output: Box<dyn Write + Send>) {
        let mut batch = Vec::new();
        while self.take(&mut batch) {
            let written = write_patiently(&mut output, &batch).and_then(|()| output.flush());
            batch.clear();
            let mut state = self.lock();
            state.writing = false;
            if let Err(error) = written {
                state.failed = true;
                self.ending.signal(End::ConsoleLost(error.to_string()));
            }
            self.emptied.notify_all();
        }
    }

    /// Waits for bytes and takes all there are. False when there will never be any.
    fn take(&self, batch: &mut Vec<u8>) -> bool {
        let mut state = self.lock();
        while state.pending.is_empty() && !state.closed {
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.urgent && !state.closed {
            state = self.wait(&self.filled, state, LINGER);
        }
        if state.failed || state.pending.is_empty() {
            return false;
        }
        std::mem::swap(&mut state.pending, batch);
        state.urgent = false;
        state.writing = true;
        true
    }
}

/// Writes all of `bytes`, also to a destination that somebody has set to not block: a terminal shared with others, say.
pub(crate) fn write_patiently(output: &mut (impl Write + ?Sized), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(PATIENCE),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn everything_arrives_in_order_and_a_prompt_is_not_kept_back() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (pump, mut input) = Pump::start(Box::new(writer), Ending::new().unwrap()).unwrap();
        for byte in b"one\ntwo\nlogin: " {
            input.write_all(&[*byte]).unwrap();
        }
        let mut seen = [0; 15];
        reader.read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"one\ntwo\nlogin: ");
        assert!(pump.finish(LONG));
    }

    #[test]
    fn a_reader_that_does_not_read_holds_neither_the_end_nor_the_guest_after_it() {
        let (_reader, writer) = io::pipe().unwrap();
        let ending = Ending::new().unwrap();
        let (pump, mut input) = Pump::start(Box::new(writer), Arc::clone(&ending)).unwrap();
        let (done, finished) = mpsc::channel();
        std::thread::spawn(move || {
            for _ in 0..64 {
                input.write_all(&[b'x'; CAPACITY / 8]).unwrap();
            }
            done.send(()).unwrap();
        });
        assert!(finished.recv_timeout(Duration::from_millis(100)).is_err(), "the guest waits for room");
        ending.signal(End::TimeLimit);
        finished.recv_timeout(LONG).unwrap();
        assert!(!pump.finish(Duration::from_millis(10)), "and what is stuck is said to be");
    }

    #[test]
    fn a_destination_that_fails_ends_the_machine() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let ending = Ending::new().unwrap();
        let (pump, mut input) = Pump::start(Box::new(writer), Arc::clone(&ending)).unwrap();
        input.write_all(b"lost\n").unwrap();
        assert!(pump.finish(LONG));
        assert!(matches!(ending.reason(), Some(End::ConsoleLost(_))));
        input.write_all(b"dropped").unwrap();
    }
}
