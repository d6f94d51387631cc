//! Disk requests in flight: submitted by a thread that does not wait for them, and taken back when they are over, in any
//! order.
//!
//! ```text
//! submit(token, operation) --at once, if it need not wait------------------> completions
//!        |-- plain bytes of a file, and the host has io_uring --> uring --^
//!        `-- everything else ------------------------------------> pool --^   (each signals the event)
//! ```
//!
//! Buffers are guest memory. What is in flight holds a handle of it, and [`Engine::drain`] and the end of an [`Engine`] wait
//! until the host is done with all of them: so whoever unmaps the memory only has to drop the engine first.
//!
//! A flush brings to stable storage what was completed before the flush was submitted; two requests in flight have no order.

mod guest;
mod pool;
mod task;
#[cfg(any(test, feature = "test-support"))]
pub mod testing;
mod uring;

use std::borrow::Cow;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use vm_memory::{GuestMemoryMmap, VolatileSlice};
use vmm_sys_util::eventfd::EventFd;

use crate::buffers::{Cursor, clear, total};
use crate::sys::Direction;
use crate::{Disk, PlainRun};
pub use guest::address_of;
use pool::{Finished, Pool};
pub use task::Operation;
use task::{PIECE, Task};
use uring::{Landed, Plain, Ring};

/// The most requests in flight.
pub const LIMIT: usize = 128;

/// The most bytes that are moved on the caller's thread where that may mean to wait, because nothing else waits then.
const SHORT: u64 = 128 * 1024;

/// What may carry out a request that its caller does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The kernel by io_uring, where it can; threads do the rest.
    Best,
    /// Threads.
    Threads,
}

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// It is to be over when [`Engine::submit`] returns.
    Now,
    /// No other is to follow at once: where nothing is in flight either, the caller may do something short itself.
    Alone,
    /// One of several.
    Among,
}

/// A request that is over.
#[derive(Debug)]
pub struct Completion<T> {
    /// What was submitted with it.
    pub token: T,
    /// How it ended; see the methods of [`Disk`]. Buffers of a read that failed may be partly filled.
    pub result: io::Result<()>,
}

/// A disk, with requests in flight; each has a token by which its submitter knows it again.
pub struct Engine<T> {
    disk: Arc<dyn Disk>,
    backend: Backend,
    /// Without it (the process was out of descriptors), all is done at once.
    asynchronous: Option<Asynchronous>,
    durable: bool,
    /// Whether files tell what is in the page cache; `false` once one did not.
    tells: Tells,
    /// The tokens of what is in flight, by its number.
    tokens: Vec<Option<T>>,
    free: Vec<usize>,
    completions: Vec<Completion<T>>,
}

struct Tells {
    read: bool,
    write: bool,
}

struct Asynchronous {
    event: Arc<EventFd>,
    pool: Pool,
    ring: Kernel,
}

/// What is known of the kernel's io_uring.
enum Kernel {
    Unasked,
    Gives(Box<Ring>),
    Refuses,
}

impl<T> Engine<T> {
    /// An engine for `disk`, which is called `name` in logs and among threads. A ring or threads are made when they are
    /// first needed, and only an eventfd now; if the process is out of descriptors, requests are never in flight.
    #[must_use]
    pub fn new(name: &str, disk: Arc<dyn Disk>, backend: Backend) -> Self {
        let asynchronous = match EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) {
            Ok(event) => {
                let event = Arc::new(event);
                let pool = Pool::new(name, Arc::clone(&disk), Arc::clone(&event));
                Some(Asynchronous { event, pool, ring: Kernel::Unasked })
            }
            Err(error) => {
                log::warn!("{name}: requests are done one after another, for want of an eventfd: {error}");
                None
            }
        };
        let tells = Tells { read: true, write: true };
        let (tokens, free, completions) = (Vec::new(), Vec::new(), Vec::new());
        Self { disk, backend, asynchronous, durable: false, tells, tokens, free, completions }
    }

    /// The disk.
    #[must_use]
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// From now on, each change is on stable storage when it is over.
    pub fn set_durable(&mut self, durable: bool) {
        self.durable = durable;
    }

    /// An eventfd, which is signalled after something in flight came to its end; to be watched for edges, or read. `None` if
    /// nothing is ever in flight.
    #[must_use]
    pub fn event(&self) -> Option<RawFd> {
        self.asynchronous.as_ref().map(|asynchronous| asynchronous.event.as_raw_fd())
    }

    /// How many more requests can be in flight.
    #[must_use]
    pub fn room(&self) -> usize {
        LIMIT - self.in_flight()
    }

    /// How many requests are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.tokens.len() - self.free.len()
    }

    /// Takes a request, whose buffers are in `memory`. It may be over when this returns; else it is in flight, and begins at
    /// the latest with [`Engine::start`]. What there is no room for is done at once.
    ///
    /// Ranges are on the disk, or the request fails.
    pub fn submit(&mut self, token: T, operation: Operation<'_>, memory: &GuestMemoryMmap<()>, haste: Haste) {
        let now = haste == Haste::Now || self.asynchronous.is_none() || self.room() == 0;
        let begun = if now { Begun::Blocking } else { self.begin(operation, haste) };
        let plain = match begun {
            Begun::Over(result) => return self.completions.push(Completion { token, result }),
            Begun::Blocking => {
                let result = operation.perform(self.disk.as_ref(), self.durable, || Ok(()));
                return self.completions.push(Completion { token, result });
            }
            Begun::Plain(plain) => Some(plain),
            Begun::Any => None,
        };
        match Task::new(operation, self.durable, memory) {
            Ok(task) => {
                let id = self.number(token);
                self.launch(id, task, plain);
            }
            Err(error) => self.completions.push(Completion { token, result: Err(error) }),
        }
    }

    /// Starts what was submitted.
    pub fn start(&mut self) {
        if let Some(Asynchronous { ring: Kernel::Gives(ring), .. }) = &mut self.asynchronous {
            ring.start();
        }
    }

    /// Takes what is over.
    pub fn completions(&mut self) -> std::vec::Drain<'_, Completion<T>> {
        self.collect();
        self.completions.drain(..)
    }

    /// Cancels what can be, waits for the rest, and forgets all of it, completions and tokens. When this returns, no buffer
    /// is touched any more.
    pub fn drain(&mut self) {
        if let Some(Asynchronous { pool, ring, .. }) = &mut self.asynchronous {
            if let Kernel::Gives(ring) = ring {
                ring.drain();
            }
            pool.drain();
        }
        self.tokens.clear();
        self.free.clear();
        self.completions.clear();
    }

    /// Does at once what need not wait, and says what is left to do.
    fn begin(&mut self, operation: Operation<'_>, haste: Haste) -> Begun {
        let (direction, offset, slices) = match operation {
            Operation::Read { offset, into } => (Direction::Read, offset, into),
            // A flush is to follow, which is worth more than what could be saved here.
            Operation::Write { .. } if self.durable => return Begun::Any,
            Operation::Write { offset, from } => (Direction::Write, offset, from),
            Operation::Flush => {
                return self.disk.plain_flush().map_or(Begun::Any, |file| Begun::Plain(Plain::Sync(file)));
            }
            Operation::Discard(_) | Operation::WriteZeroes(_) => return Begun::Any,
        };
        let len = total(slices);
        let end = offset.saturating_add(len);
        let runs = match direction {
            _ if len > PIECE => Ok(None),
            Direction::Read => self.disk.plain_read(offset..end),
            Direction::Write => self.disk.plain_write(offset..end),
        };
        let runs = match runs {
            Ok(Some(runs)) => runs,
            Ok(None) => return Begun::Any,
            Err(error) => return Begun::Over(Err(error)),
        };
        let done = self.transfer_cached(direction, &runs, slices);
        if done == len {
            Begun::Over(Ok(()))
        } else if !self.tells.of(direction) && haste == Haste::Alone && self.in_flight() == 0 && len <= SHORT {
            Begun::Blocking
        } else {
            Begun::Plain(Plain::Transfer { direction, runs, done })
        }
    }

    /// Moves what the page cache has, up to the first byte that it does not, and returns how many bytes that were. What
    /// lies nowhere needs no page.
    fn transfer_cached(&mut self, direction: Direction, runs: &[PlainRun], slices: &[VolatileSlice<'_>]) -> u64 {
        let mut done = 0;
        let mut cursor = Cursor::new(slices);
        for run in runs {
            if !self.tells.of(direction) {
                break;
            }
            let piece = if let [_] = runs { Cow::Borrowed(slices) } else { Cow::Owned(cursor.take(run.len())) };
            let moved = match run {
                PlainRun::InFile { file, offset, .. } => uring::transfer_cached(file, direction, *offset, &piece),
                PlainRun::Zeroes { len } if direction == Direction::Read => clear(&piece).map(|()| *len),
                PlainRun::Zeroes { .. } => break,
            };
            match moved {
                Ok(moved) => {
                    done += moved;
                    if moved < run.len() {
                        break;
                    }
                }
                Err(error) => {
                    // Whatever else it is: who is asked next says so.
                    if error.raw_os_error() == Some(libc::EOPNOTSUPP) {
                        self.tells.not(direction);
                    }
                    break;
                }
            }
        }
        done
    }

    /// A number for what is going to be in flight.
    fn number(&mut self, token: T) -> usize {
        if let Some(id) = self.free.pop()
            && let Some(place) = self.tokens.get_mut(id)
        {
            *place = Some(token);
            return id;
        }
        self.tokens.push(Some(token));
        self.tokens.len() - 1
    }

    /// Gives a request to the kernel, if it is `plain`, or to a thread.
    fn launch(&mut self, id: usize, task: Task, plain: Option<Plain>) {
        let Some(asynchronous) = &mut self.asynchronous else { return };
        match plain {
            Some(plain) if let Some(ring) = asynchronous.ring(self.backend) => {
                let landed = ring.begin(id, task, plain);
                landed.into_iter().for_each(|landed| self.land(id, landed));
            }
            _ => asynchronous.pool.submit(id, task),
        }
    }

    /// Collects what is over.
    fn collect(&mut self) {
        let Some(Asynchronous { pool, ring, .. }) = &mut self.asynchronous else { return };
        if self.tokens.len() == self.free.len() {
            return;
        }
        let mut landed = Vec::new();
        if let Kernel::Gives(ring) = ring {
            ring.take_landed(&mut landed);
        }
        let mut finished = Vec::new();
        pool.take_finished(&mut finished);
        finished.into_iter().for_each(|Finished { id, result }| self.complete(id, result));
        landed.into_iter().for_each(|(id, landed)| self.land(id, landed));
    }

    fn land(&mut self, id: usize, landed: Landed) {
        match landed {
            Landed::Done(result) => self.complete(id, result),
            Landed::Refused(task) => self.launch(id, task, None),
        }
    }

    fn complete(&mut self, id: usize, result: io::Result<()>) {
        if let Some(token) = self.tokens.get_mut(id).and_then(Option::take) {
            self.free.push(id);
            self.completions.push(Completion { token, result });
        }
    }
}

impl<T> Drop for Engine<T> {
    /// No buffer is touched any more when this returns, and nobody has the disk because of this engine.
    fn drop(&mut self) {
        self.drain();
    }
}

/// How far a request came at once.
enum Begun {
    /// It is over.
    Over(io::Result<()>),
    /// The caller does it.
    Blocking,
    /// The kernel can do the rest.
    Plain(Plain),
    /// It is the disk's own affair.
    Any,
}

impl Tells {
    fn of(&self, direction: Direction) -> bool {
        match direction {
            Direction::Read => self.read,
            Direction::Write => self.write,
        }
    }

    fn not(&mut self, direction: Direction) {
        match direction {
            Direction::Read => self.read = false,
            Direction::Write => self.write = false,
        }
    }
}

impl Asynchronous {
    /// The ring, if the kernel gives one. It is asked once.
    fn ring(&mut self, backend: Backend) -> Option<&mut Ring> {
        if let Kernel::Unasked = self.ring {
            self.ring = match backend {
                Backend::Threads => Kernel::Refuses,
                Backend::Best => Ring::new(&self.event).map_or_else(
                    |error| {
                        log::info!("no io_uring ({error}): threads wait for the disk instead");
                        Kernel::Refuses
                    },
                    |ring| Kernel::Gives(Box::new(ring)),
                ),
            };
        }
        match &mut self.ring {
            Kernel::Gives(ring) => Some(ring),
            Kernel::Unasked | Kernel::Refuses => None,
        }
    }
}

#[cfg(test)]
mod tests;
