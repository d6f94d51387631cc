//! Where an active device runs: on a thread of its own, or, for tests, on the thread that notifies it.
//!
//! The thread owns the device and gives it back when it ends. It sleeps until a queue is notified, the device's backend has
//! something, or it shall stop. Everything that the host may refuse for want of file descriptors is in `Wakeups`, which are
//! made with the transport, before there is a guest; a device that has an event brings it along.

use std::io;
use std::mem;
use std::os::fd::AsRawFd;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::EventFd;

use super::device::{ActiveDevice, DeviceInterrupt, NeedsReset, Served, Stop};

/// A worker's stack in bytes: a serving loop and a logger's formatting.
const STACK: usize = 128 * 1024;
/// The longest name that Linux shows for a thread, in bytes.
const NAME: usize = 15;
/// The epoll token of the stop event; those of queues are their indices.
const STOP: u64 = u64::MAX;
/// The epoll token of the device's own event.
const BACKEND: u64 = u64::MAX - 1;

/// Where active devices run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// On a thread for each device, which sleeps until a queue's event is signalled.
    Thread,
    /// On whichever thread writes the notification register: for tests and fuzzers, which must repeat exactly.
    Inline,
}

/// A device that could not be started, and why.
pub(crate) struct StartError {
    pub device: Box<dyn ActiveDevice>,
    pub error: io::Error,
}

impl Runner {
    /// Starts `device` on its queues.
    pub(crate) fn start(
        self,
        name: &str,
        device: Box<dyn ActiveDevice>,
        wakeups: &Arc<Wakeups>,
        interrupt: &Arc<dyn DeviceInterrupt>,
    ) -> Result<Running, StartError> {
        match self {
            Self::Thread => Worker::start(name, device, wakeups, interrupt).map(Running::Thread),
            Self::Inline => {
                let mut inline = Inline { device, interrupt: Arc::clone(interrupt), broken: false };
                (0..wakeups.count()).for_each(|index| inline.serve(index));
                Ok(Running::Inline(inline))
            }
        }
    }
}

/// What wakes the thread of a device, and what it sleeps on; outlives the thread and serves the next one.
pub(crate) struct Wakeups {
    queues: Vec<EventFd>,
    /// For a thread that sleeps. A blocking one, so that a broken device can simply wait for it.
    stop_event: EventFd,
    /// For a thread that works.
    stop: Stop,
    epoll: Epoll,
}

impl Wakeups {
    /// One event for each of `queues` queues, and one to stop.
    ///
    /// # Errors
    /// When the process is out of file descriptors.
    pub fn new(queues: usize) -> io::Result<Self> {
        let event = || EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC);
        let queues = (0..queues).map(|_| event()).collect::<io::Result<Vec<_>>>()?;
        let stop_event = EventFd::new(libc::EFD_CLOEXEC)?;
        let epoll = Epoll::new()?;
        let watch = |event: &EventFd, trigger: EventSet, token: u64| {
            epoll.ctl(ControlOperation::Add, event.as_raw_fd(), EpollEvent::new(EventSet::IN | trigger, token))
        };
        watch(&stop_event, EventSet::empty(), STOP)?;
        for (token, event) in (0..).zip(&queues) {
            // Edge-triggered: each notification wakes the thread once, and its counter need not be read.
            watch(event, EventSet::EDGE_TRIGGERED, token)?;
        }
        Ok(Self { queues, stop_event, stop: Stop::default(), epoll })
    }

    /// The events of the queues.
    pub fn queues(&self) -> &[EventFd] {
        &self.queues
    }

    /// How many queues there are.
    fn count(&self) -> u16 {
        u16::try_from(self.queues.len()).unwrap_or(u16::MAX)
    }

    /// Watches the event of `device`, if it has one.
    fn watch_backend(&self, device: &dyn ActiveDevice) -> io::Result<()> {
        let Some(event) = device.event() else { return Ok(()) };
        let edges = EpollEvent::new(EventSet::IN | EventSet::EDGE_TRIGGERED, BACKEND);
        self.epoll.ctl(ControlOperation::Add, event, edges)
    }

    /// Does so no more.
    fn forget_backend(&self, device: &dyn ActiveDevice) {
        if let Some(event) = device.event() {
            // Fails only if it is not watched.
            let _ = self.epoll.ctl(ControlOperation::Delete, event, EpollEvent::default());
        }
    }

    /// Tells the thread to end, whatever it does.
    fn request_stop(&self) {
        self.stop.request();
        // The counter is 0: whoever ended because of it has read it.
        let _ = self.stop_event.write(1);
    }

    /// Waits for [`Wakeups::request_stop`], and takes the event so that it does not stop the next thread too.
    fn wait_for_stop(&self) {
        while self.stop_event.read().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {}
    }
}

/// A device that is running.
pub(crate) enum Running {
    Thread(Worker),
    Inline(Inline),
}

impl Running {
    /// Says that the driver made buffers available in queue `index`, whose event is `event`.
    pub fn notify(&mut self, index: u16, event: &EventFd) {
        match self {
            // Fails only when the counter is full, and then the event is signalled anyway.
            Self::Thread(_) => drop(event.write(1)),
            Self::Inline(inline) => inline.serve(index),
        }
    }

    /// Ends the work and returns the device. `None` if its thread has come to grief.
    pub fn stop(self) -> Option<Box<dyn ActiveDevice>> {
        match self {
            Self::Thread(mut worker) => worker.join(),
            Self::Inline(inline) => Some(inline.device),
        }
    }
}

/// A device that is served by its caller.
pub(crate) struct Inline {
    device: Box<dyn ActiveDevice>,
    interrupt: Arc<dyn DeviceInterrupt>,
    broken: bool,
}

impl Inline {
    /// Serves one round. What is left waits for the next notification.
    fn serve(&mut self, index: u16) {
        // Nobody can ask for a stop while the only thread is here.
        if !self.broken && self.device.serve(index, &Stop::default()).is_err() {
            self.broken = true;
            self.interrupt.needs_reset();
        }
    }
}

/// A thread that serves a device. Stops when it is dropped.
pub(crate) struct Worker {
    /// Gives back the device that it was handed.
    thread: Option<JoinHandle<Option<Box<dyn ActiveDevice>>>>,
    wakeups: Arc<Wakeups>,
}

impl Worker {
    fn start(
        name: &str,
        device: Box<dyn ActiveDevice>,
        wakeups: &Arc<Wakeups>,
        interrupt: &Arc<dyn DeviceInterrupt>,
    ) -> Result<Self, StartError> {
        wakeups.stop.clear();
        if let Err(error) = wakeups.watch_backend(device.as_ref()) {
            return Err(StartError { device, error });
        }
        let busy = Vec::new();
        let serving = Serving { wakeups: Arc::clone(wakeups), interrupt: Arc::clone(interrupt), busy };
        let name = name.chars().filter(char::is_ascii_graphic).take(NAME).collect();
        // Handed over once the thread is there, since a thread that cannot be started keeps what it was given.
        let (hand_over, handed) = mpsc::channel();
        let run = move || handed.recv().ok().map(|device| serving.run(device));
        let thread = match thread::Builder::new().name(name).stack_size(STACK).spawn(run) {
            Ok(thread) => thread,
            Err(error) => {
                wakeups.forget_backend(device.as_ref());
                return Err(StartError { device, error });
            }
        };
        match hand_over.send(device) {
            Ok(()) => Ok(Self { thread: Some(thread), wakeups: Arc::clone(wakeups) }),
            // Cannot be: the thread waits for it.
            Err(mpsc::SendError(device)) => Err(StartError { device, error: io::ErrorKind::BrokenPipe.into() }),
        }
    }

    /// Ends the thread and returns the device, as soon as the host is done with what it has begun for it. `None` if the
    /// thread panicked.
    fn join(&mut self) -> Option<Box<dyn ActiveDevice>> {
        let thread = self.thread.take()?;
        self.wakeups.request_stop();
        let device = thread.join().ok().flatten()?;
        self.wakeups.forget_backend(device.as_ref());
        Some(device)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.join();
    }
}

/// What a worker's thread has beside its device.
struct Serving {
    wakeups: Arc<Wakeups>,
    interrupt: Arc<dyn DeviceInterrupt>,
    /// Queues that wait for the backend, those that have waited longest first.
    busy: Vec<u16>,
}

impl Serving {
    fn run(mut self, mut device: Box<dyn ActiveDevice>) -> Box<dyn ActiveDevice> {
        let served = self.serve_until_stop(device.as_mut());
        device.finish();
        if served.is_err() {
            self.interrupt.needs_reset();
        }
        // The thread of a broken device sleeps here until the reset, or the end of the machine.
        self.wakeups.wait_for_stop();
        device
    }

    fn serve_until_stop(&mut self, device: &mut dyn ActiveDevice) -> Result<(), NeedsReset> {
        // Buffers may have been made available before anybody watched.
        for index in 0..self.wakeups.count() {
            self.serve(device, index)?;
        }
        let mut ready = [EpollEvent::default(); 16];
        loop {
            let count = match self.wakeups.epoll.wait(-1, &mut ready) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Cannot be, with a valid descriptor and buffer; but never spin on it.
                Err(_) => return Err(NeedsReset),
            };
            let tokens = ready.iter().take(count).map(EpollEvent::data);
            if tokens.clone().any(|token| token == STOP) {
                return Ok(());
            }
            for token in tokens {
                match u16::try_from(token) {
                    Ok(index) => self.serve(device, index)?,
                    // Of the others only the backend is left.
                    Err(_) => self.wake(device)?,
                }
            }
        }
    }

    /// Serves a round of queue `index`.
    fn serve(&mut self, device: &mut dyn ActiveDevice, index: u16) -> Result<(), NeedsReset> {
        match device.serve(index, &self.wakeups.stop)? {
            Served::Drained => (),
            Served::More => {
                if let Some(event) = self.wakeups.queues.get(usize::from(index)) {
                    // Come back after the other queues, and after a look at the stop event.
                    let _ = event.write(1);
                }
            }
            Served::Busy => {
                if !self.busy.contains(&index) {
                    self.busy.push(index);
                }
            }
        }
        Ok(())
    }

    /// Lets the device take what its backend has, and then the queues that waited for that their turns.
    fn wake(&mut self, device: &mut dyn ActiveDevice) -> Result<(), NeedsReset> {
        device.wake()?;
        for index in mem::take(&mut self.busy) {
            self.serve(device, index)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
