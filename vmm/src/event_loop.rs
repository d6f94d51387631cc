//! The control plane: waits for the end of the machine, its time limit, and what is typed on its console.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ovum_devices::legacy::Serial;
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::EventFd;

use crate::ending::{End, Ending};

/// What is typed, and the serial port that it goes to.
pub(crate) struct ConsoleInput {
    pub(crate) serial: Arc<Mutex<Serial>>,
    /// Signalled when the serial port has room again.
    pub(crate) room: EventFd,
    pub(crate) source: Option<File>,
}

/// How long input may lie unread, in milliseconds, before the guest is reminded of it.
const REMINDER: i32 = 1000;

/// Whose turn it is, as epoll's user data.
const ENDING: u64 = 0;
const ROOM: u64 = 1;
const INPUT: u64 = 2;

/// Runs until the machine ends.
pub(crate) fn run(ending: &Ending, console: &ConsoleInput, deadline: Option<Instant>) -> io::Result<()> {
    let epoll = Epoll::new()?;
    watch(&epoll, ending.event().as_raw_fd(), ENDING)?;
    watch(&epoll, console.room.as_raw_fd(), ROOM)?;
    let mut typing = console.source.as_ref().map(|source| Typing::new(source, console, &epoll)).transpose()?;
    while ending.reason().is_none() {
        let Some(timeout) = milliseconds_until(deadline) else {
            ending.signal(End::TimeLimit);
            break;
        };
        let mut events = [EpollEvent::default(); 3];
        let unread = typing.is_some() && serial(console).has_unread_input();
        let patience = if unread && !(0..=REMINDER).contains(&timeout) { REMINDER } else { timeout };
        let count = match epoll.wait(patience, &mut events) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        if count == 0 && unread {
            serial(console).remind();
        }
        for event in events.iter().take(count) {
            match (event.data(), &mut typing) {
                (INPUT, Some(typing)) => typing.read()?,
                (ROOM, Some(typing)) => {
                    console.room.read()?;
                    typing.deliver()?;
                }
                (ROOM, None) => drop(console.room.read()),
                _ => {}
            }
        }
    }
    Ok(())
}

fn serial(console: &ConsoleInput) -> MutexGuard<'_, Serial> {
    console.serial.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch(epoll: &Epoll, fd: RawFd, data: u64) -> io::Result<()> {
    epoll.ctl(ControlOperation::Add, fd, EpollEvent::new(EventSet::IN, data))
}

/// epoll's timeout until `deadline`: -1 for ever, nothing when it has passed. Rounded up, so that it does not spin.
fn milliseconds_until(deadline: Option<Instant>) -> Option<i32> {
    let Some(deadline) = deadline else { return Some(-1) };
    let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
    let rounded = left.saturating_add(Duration::from_nanos(999_999)).as_millis();
    Some(i32::try_from(rounded).unwrap_or(i32::MAX))
}

/// Input on its way to the guest. The source is only watched while everything that came from it was taken, so nothing
/// is lost and nothing piles up.
struct Typing<'a> {
    source: &'a File,
    serial: &'a Mutex<Serial>,
    epoll: &'a Epoll,
    pending: Vec<u8>,
    watched: bool,
}

impl<'a> Typing<'a> {
    /// More than a serial port takes at once, and little enough to be of no weight.
    const CHUNK: usize = 256;

    fn new(source: &'a File, console: &'a ConsoleInput, epoll: &'a Epoll) -> io::Result<Self> {
        watch(epoll, source.as_raw_fd(), INPUT)?;
        Ok(Self { source, serial: &console.serial, epoll, pending: Vec::new(), watched: true })
    }

    /// Takes what has come.
    fn read(&mut self) -> io::Result<()> {
        let mut chunk = [0; Self::CHUNK];
        let len = match self.source.read(&mut chunk) {
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
                return Ok(());
            }
            // Whoever typed is gone. The guest goes on without.
            Ok(0) | Err(_) => return self.set_watched(false),
            Ok(len) => len,
        };
        self.pending.extend(chunk.iter().take(len));
        self.deliver()
    }

    /// Gives the guest what it takes.
    fn deliver(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let taken = self.serial.lock().unwrap_or_else(PoisonError::into_inner).enqueue(&self.pending);
        self.pending.drain(..taken.min(self.pending.len()));
        self.set_watched(self.pending.is_empty())
    }

    fn set_watched(&mut self, watched: bool) -> io::Result<()> {
        if watched != self.watched {
            let operation = if watched { ControlOperation::Add } else { ControlOperation::Delete };
            self.epoll.ctl(operation, self.source.as_raw_fd(), EpollEvent::new(EventSet::IN, INPUT))?;
            self.watched = watched;
        }
        Ok(())
    }
}
