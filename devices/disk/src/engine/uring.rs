//! Requests that the kernel carries out while nobody waits for it.
#![allow(unsafe_code)] // buffers are handed to the kernel: each block says why they are there until it is done

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use io_uring::squeue::Entry;
use io_uring::{IoUring, opcode, types};
use vm_memory::VolatileSlice;
use vmm_sys_util::eventfd::EventFd;

use super::pool::cancelled;
use super::task::Task;
use crate::PlainRun;
use crate::buffers::{Cursor, clear, total};
use crate::sys::{Direction, MAX_BUFFERS};

/// Entries of the submission queue, a power of two; there are twice as many for completions.
const ENTRIES: u32 = 128;
/// Marks completions of nothing but a cancellation.
const CANCELLATION: u64 = u64::MAX;

/// The buffers of one entry, as the kernel wants them.
struct Vectors(Vec<libc::iovec>);

// SAFETY: the pointers are to memory of the process, not of a thread.
unsafe impl Send for Vectors {}

impl Vectors {
    fn new(slices: &[VolatileSlice<'_>]) -> Self {
        let vector = |slice: &VolatileSlice<'_>| {
            let guard = slice.ptr_guard_mut();
            libc::iovec { iov_base: guard.as_ptr().cast(), iov_len: guard.len() }
        };
        Self(slices.iter().take(MAX_BUFFERS).map(vector).collect())
    }
}

/// Moves what can be moved without waiting for a device: to and from the host's page cache. Returns how many bytes that
/// were: fewer than asked for where the cache does not have them.
///
/// # Errors
/// `EAGAIN` where nothing can be moved so, `EOPNOTSUPP` where the file system cannot tell, and whatever it says else.
pub(super) fn transfer_cached(
    file: &File,
    direction: Direction,
    offset: u64,
    slices: &[VolatileSlice<'_>],
) -> io::Result<u64> {
    let offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    let vectors = Vectors::new(slices);
    let count = libc::c_int::try_from(vectors.0.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let (fd, vectors) = (file.as_raw_fd(), vectors.0.as_ptr());
    let moved = match direction {
        // SAFETY: each vector is one of `slices`, which stay mapped as long as they are borrowed; nothing assumes that
        // their bytes stay as they are.
        Direction::Read => unsafe { libc::preadv2(fd, vectors, count, offset, libc::RWF_NOWAIT) },
        // SAFETY: as above; the kernel only reads from the vectors.
        Direction::Write => unsafe { libc::pwritev2(fd, vectors, count, offset, libc::RWF_NOWAIT) },
    };
    u64::try_from(moved).map_err(|_| io::Error::last_os_error())
}

/// What a request does to files.
#[derive(Debug)]
pub(super) enum Plain {
    /// Moves bytes of these runs, from the `done`th one on.
    Transfer { direction: Direction, runs: Vec<PlainRun>, done: u64 },
    /// Brings a file's bytes to stable storage.
    Sync(Arc<File>),
}

/// A request that the kernel has.
struct Flight {
    /// Owns the buffers.
    task: Task,
    plain: Plain,
    /// What the kernel was given last. On the heap, it stays where it is while this moves.
    vectors: Vectors,
}

/// What became of a request.
#[derive(Debug)]
pub(super) enum Landed {
    /// It is over.
    Done(io::Result<()>),
    /// The kernel does not do it this way; somebody else has to.
    Refused(Task),
}

/// An io_uring and what is in flight on it.
pub(super) struct Ring {
    ring: IoUring,
    /// By the numbers that their owner gave them.
    flights: HashMap<usize, Flight>,
    /// Nothing new is begun, not even the rest of a request.
    ending: bool,
}

impl Ring {
    /// A ring that signals `event` when something is over.
    ///
    /// # Errors
    /// Where the kernel has none, or does not allow it.
    pub fn new(event: &EventFd) -> io::Result<Self> {
        let ring = IoUring::new(ENTRIES)?;
        ring.submitter().register_eventfd(event.as_raw_fd())?;
        Ok(Self { ring, flights: HashMap::new(), ending: false })
    }

    /// Takes a request, which [`Ring::start`] is going to start. There may be [`ENTRIES`] in flight.
    pub fn begin(&mut self, id: usize, task: Task, plain: Plain) -> Option<Landed> {
        self.go_on(id, Flight { task, plain, vectors: Vectors(Vec::new()) })
    }

    /// Hands the next part of a request to the kernel, or says that there is none.
    fn go_on(&mut self, id: usize, mut flight: Flight) -> Option<Landed> {
        let entry = match flight.aim() {
            Ok(Some(entry)) => entry.user_data(id as u64),
            Ok(None) => return Some(Landed::Done(Ok(()))),
            Err(error) => return Some(Landed::Done(Err(error))),
        };
        self.flights.insert(id, flight);
        self.push(&entry);
        None
    }

    fn push(&mut self, entry: &Entry) {
        // SAFETY: what the entry points to, vectors and the memory that they name, belongs to a flight, and so it stays
        // until the flight is taken from the table: when the kernel has said that this entry is over. A ring is not
        // dropped before all of them are. Its file is open, and the kernel has a handle of its own once it took the entry.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            // Full: each flight has one entry, so others are cancellations.
            self.start();
        }
    }

    /// Starts what was taken.
    pub fn start(&mut self) {
        while !self.ring.submission().is_empty() {
            match self.ring.submit() {
                Ok(_) => (),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                // The kernel is short of memory for a moment. There is no way to take entries back.
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Moves what is over to `landed`.
    pub fn take_landed(&mut self, landed: &mut Vec<(usize, Landed)>) {
        if self.flights.is_empty() {
            return;
        }
        // Bound first: the queue must be let go before a request goes on.
        while let Some(entry) = { self.ring.completion().next() } {
            // A cancellation's number is none of theirs.
            if let Ok(id) = usize::try_from(entry.user_data())
                && let Some(flight) = self.flights.remove(&id)
                && let Some(end) = self.advance(id, flight, entry.result())
            {
                landed.push((id, end));
            }
        }
        // The rest of what the kernel did in part.
        self.start();
    }

    /// Goes on after the kernel's `result`: a number of bytes, or a negated error number.
    fn advance(&mut self, id: usize, mut flight: Flight, result: i32) -> Option<Landed> {
        if self.ending {
            return Some(Landed::Done(Err(cancelled())));
        }
        let moved = match u64::try_from(result) {
            Ok(moved) => moved,
            Err(_) if result == -libc::EINTR => 0,
            Err(_) => return Some(flight.fail(io::Error::from_raw_os_error(result.saturating_neg()))),
        };
        match &mut flight.plain {
            Plain::Sync(_) if result >= 0 => return Some(Landed::Done(Ok(()))),
            // The file was cut while it was in use, or the device is full.
            Plain::Transfer { direction: Direction::Read, .. } if result == 0 => {
                return Some(Landed::Done(Err(io::ErrorKind::UnexpectedEof.into())));
            }
            Plain::Transfer { .. } if result == 0 => {
                return Some(Landed::Done(Err(io::ErrorKind::WriteZero.into())));
            }
            Plain::Transfer { done, .. } => *done += moved,
            Plain::Sync(_) => (),
        }
        self.go_on(id, flight)
    }

    /// Cancels what can be, and waits for the rest. Nothing is left in flight.
    pub fn drain(&mut self) {
        self.ending = true;
        self.start();
        let ids: Vec<u64> = self.flights.keys().map(|id| *id as u64).collect();
        for id in ids {
            self.push(&opcode::AsyncCancel::new(id).build().user_data(CANCELLATION));
        }
        self.start();
        while !self.flights.is_empty() {
            // Every error passes: a signal, or a shortage for a moment.
            if self.ring.submit_and_wait(1).is_err() {
                thread::sleep(Duration::from_millis(1));
            }
            self.take_landed(&mut Vec::new());
        }
        self.ending = false;
    }
}

impl Drop for Ring {
    /// The kernel has none of the buffers any more when this returns.
    fn drop(&mut self) {
        self.drain();
    }
}

impl Flight {
    /// The entry for what is to be done next; `None` if that is nothing.
    fn aim(&mut self) -> io::Result<Option<Entry>> {
        let (direction, runs, done) = match &mut self.plain {
            Plain::Sync(file) => {
                let file = types::Fd(file.as_raw_fd());
                return Ok(Some(opcode::Fsync::new(file).flags(types::FsyncFlags::DATASYNC).build()));
            }
            Plain::Transfer { direction, runs, done } => (*direction, runs, done),
        };
        let slices = self.task.buffers().map(|buffers| buffers.slices()).transpose()?.unwrap_or_default();
        let mut cursor = Cursor::new(&slices);
        cursor.take(*done);
        let mut start = 0;
        for run in runs.iter() {
            let skip = done.saturating_sub(start);
            start += run.len();
            if *done >= start {
                continue;
            }
            let piece = cursor.take(run.len() - skip);
            match run {
                PlainRun::Zeroes { .. } if direction == Direction::Read => {
                    clear(&piece)?;
                    *done += total(&piece);
                }
                // Nothing can be written there.
                PlainRun::Zeroes { .. } => return Err(io::ErrorKind::InvalidInput.into()),
                PlainRun::InFile { file, offset, .. } => {
                    self.vectors = Vectors::new(&piece);
                    return Ok(Some(self.vectors.entry(direction, file, offset + skip)?));
                }
            }
        }
        Ok(None)
    }

    /// What an error makes of the request.
    fn fail(self, error: io::Error) -> Landed {
        match error.raw_os_error() {
            // An operation that this kernel does not have, or not for this file; a cancellation that nobody asked for.
            Some(libc::EINVAL | libc::EOPNOTSUPP | libc::EAGAIN | libc::ECANCELED) => Landed::Refused(self.task),
            _ => Landed::Done(Err(error)),
        }
    }
}

impl Vectors {
    fn entry(&self, direction: Direction, file: &File, offset: u64) -> io::Result<Entry> {
        let file = types::Fd(file.as_raw_fd());
        let count = u32::try_from(self.0.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        Ok(match direction {
            Direction::Read => opcode::Readv::new(file, self.0.as_ptr(), count).offset(offset).build(),
            Direction::Write => opcode::Writev::new(file, self.0.as_ptr(), count).offset(offset).build(),
        })
    }
}
