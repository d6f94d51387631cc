//! A disk for tests, whose requests end when the test says so.

use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vm_memory::VolatileSlice;

use crate::Disk;
use crate::buffers::{fill, gather, total};

/// How long to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A disk in memory. A request at an offset that is held ends when it is let go; one at an offset that is spoilt fails.
#[derive(Debug, Default)]
pub struct Gated {
    state: Mutex<State>,
    changed: Condvar,
    flushes: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    held: HashSet<u64>,
    spoilt: HashSet<u64>,
    begun: Vec<u64>,
}

impl Gated {
    /// A disk of `size` zeroes, which holds requests at the offsets `held`.
    pub fn new(size: usize, held: impl IntoIterator<Item = u64>) -> Arc<Self> {
        let state = State { bytes: vec![0; size], held: held.into_iter().collect(), ..State::default() };
        Arc::new(Self { state: Mutex::new(state), ..Self::default() })
    }

    /// Lets requests at `offset` end.
    pub fn let_go(&self, offset: u64) {
        self.lock().held.remove(&offset);
        self.changed.notify_all();
    }

    /// From now on, requests at `offset` fail.
    pub fn spoil(&self, offset: u64) {
        self.lock().spoilt.insert(offset);
    }

    /// The offsets of all reads and writes that have begun, in their order.
    #[must_use]
    pub fn begun(&self) -> Vec<u64> {
        self.lock().begun.clone()
    }

    /// Waits until `count` reads and writes have begun. Says whether they did in time.
    #[must_use]
    pub fn wait_begun(&self, count: usize) -> bool {
        let wait = self.changed.wait_timeout_while(self.lock(), PATIENCE, |state| state.begun.len() < count);
        !wait.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// A copy of the disk's bytes.
    #[must_use]
    pub fn contents(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// How often the disk was flushed.
    #[must_use]
    pub fn flushes(&self) -> usize {
        self.flushes.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as it has to, and then works on the bytes in a range.
    fn pass(&self, offset: u64, len: u64, work: impl FnOnce(&mut [u8]) -> io::Result<()>) -> io::Result<()> {
        let mut state = self.lock();
        state.begun.push(offset);
        self.changed.notify_all();
        let wait = self.changed.wait_while(state, |state| state.held.contains(&offset));
        state = wait.unwrap_or_else(PoisonError::into_inner);
        if state.spoilt.contains(&offset) {
            return Err(io::Error::other("spoilt"));
        }
        let at = |offset: u64| usize::try_from(offset).map_err(io::Error::other);
        let range = at(offset)?..at(offset.saturating_add(len))?;
        work(state.bytes.get_mut(range).ok_or(io::ErrorKind::InvalidInput)?)
    }
}

impl Disk for Gated {
    fn size(&self) -> u64 {
        self.lock().bytes.len() as u64
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        self.pass(offset, total(into), |bytes| fill(into, bytes))
    }

    fn write_at(&self, offset: u64, from: &[VolatileSlice<'_>]) -> io::Result<()> {
        self.pass(offset, total(from), |bytes| gather(from, bytes))
    }

    fn flush(&self) -> io::Result<()> {
        self.flushes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn discard(&self, range: Range<u64>) -> io::Result<()> {
        self.write_zeroes(range, true)
    }

    fn write_zeroes(&self, range: Range<u64>, _may_unmap: bool) -> io::Result<()> {
        self.pass(range.start, range.end.saturating_sub(range.start), |bytes| {
            bytes.fill(0);
            Ok(())
        })
    }
}
