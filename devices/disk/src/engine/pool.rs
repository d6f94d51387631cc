//! Threads that do one task after another by a blocking disk. They come when there is work, and go when there is none.

use std::collections::VecDeque;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use vmm_sys_util::eventfd::EventFd;

use super::task::Task;
use crate::Disk;

/// The most threads of one pool.
pub(super) const MAX_THREADS: usize = 4;
/// For how long a thread waits for work before it goes.
const PATIENCE: Duration = Duration::from_secs(5);
/// A thread's stack in bytes: decompressors keep what is large elsewhere.
const STACK: usize = 128 * 1024;

/// A task that is over.
#[derive(Debug)]
pub(super) struct Finished {
    pub id: usize,
    pub result: io::Result<()>,
}

struct Job {
    id: usize,
    task: Task,
}

/// The threads, and what they have to do.
pub(super) struct Pool {
    name: String,
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// There is work, or none will come any more.
    work: Condvar,
    /// A task is over, or a thread.
    rest: Condvar,
    /// Tells the owner that tasks are over.
    event: Arc<EventFd>,
    /// Work that takes long shall be cut short.
    cancelled: AtomicBool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    finished: Vec<Finished>,
    /// Threads that do a task.
    busy: usize,
    /// Threads that wait for one.
    idle: usize,
    /// Threads that will look for another task.
    hands: usize,
    /// Threads that still have the disk.
    alive: usize,
    ended: bool,
}

impl Pool {
    /// A pool without threads. `event` is signalled when tasks are over.
    pub fn new(name: &str, disk: Arc<dyn Disk>, event: Arc<EventFd>) -> Self {
        let shared = Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            rest: Condvar::new(),
            event,
            cancelled: AtomicBool::new(false),
        };
        Self { name: format!("{name}-io"), disk, shared: Arc::new(shared) }
    }

    /// Has `task` done. Without a single thread, and none to be had, the caller does it.
    pub fn submit(&self, id: usize, task: Task) {
        let mut state = self.shared.lock();
        state.waiting.push_back(Job { id, task });
        if state.waiting.len() > state.idle && state.hands < MAX_THREADS {
            if self.spawn().is_ok() {
                state.hands += 1;
                state.alive += 1;
            } else if state.hands == 0
                && let Some(job) = state.take()
            {
                drop(state);
                return self.shared.carry_out(self.disk.as_ref(), job);
            }
        }
        let wake = state.idle > 0;
        drop(state);
        if wake {
            self.shared.work.notify_one();
        }
    }

    /// Moves what is over to `finished`.
    pub fn take_finished(&self, finished: &mut Vec<Finished>) {
        finished.append(&mut self.shared.lock().finished);
    }

    /// Forgets what waits, cuts short what takes long and waits for what is being done. No result is left.
    pub fn drain(&self) {
        self.shared.cancelled.store(true, Ordering::Release);
        let mut state = self.shared.lock();
        state.waiting.clear();
        while state.busy > 0 {
            state = self.shared.rest.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.finished.clear();
        drop(state);
        self.shared.cancelled.store(false, Ordering::Release);
    }

    fn spawn(&self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let disk = Arc::clone(&self.disk);
        // Nobody joins it: the pool waits until it is over in another way, and its stack is free as soon as it is.
        thread::Builder::new().name(self.name.clone()).stack_size(STACK).spawn(move || shared.run(disk))?;
        Ok(())
    }
}

impl Drop for Pool {
    /// When this returns, no thread has the disk any more.
    fn drop(&mut self) {
        self.drain();
        let mut state = self.shared.lock();
        state.ended = true;
        self.shared.work.notify_all();
        while state.alive > 0 {
            state = self.shared.rest.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, disk: Arc<dyn Disk>) {
        while let Some(job) = self.next() {
            self.carry_out(disk.as_ref(), job);
        }
        drop(disk);
        self.lock().alive -= 1;
        self.rest.notify_all();
    }

    /// The next task; `None` when the thread shall end.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.take() {
                return Some(job);
            }
            let mut tired = state.ended;
            if !tired {
                state.idle += 1;
                let (guard, timeout) = self.work.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner);
                state = guard;
                state.idle -= 1;
                tired = timeout.timed_out() && state.waiting.is_empty();
            }
            if tired {
                state.hands -= 1;
                return None;
            }
        }
    }

    fn carry_out(&self, disk: &dyn Disk, job: Job) {
        let Job { id, task } = job;
        let go_on = || if self.cancelled.load(Ordering::Acquire) { Err(cancelled()) } else { Ok(()) };
        // A disk that panics must not take a request with it, for whose end somebody waits.
        let result = panic::catch_unwind(AssertUnwindSafe(|| task.perform(disk, go_on)));
        let result = result.unwrap_or_else(|_| Err(io::Error::other("the disk panicked")));
        // Before anybody hears of the end, so that nobody's memory is held afterwards.
        drop(task);
        let mut state = self.lock();
        state.busy -= 1;
        let news = state.finished.is_empty();
        state.finished.push(Finished { id, result });
        drop(state);
        if self.cancelled.load(Ordering::Acquire) {
            self.rest.notify_all();
        }
        if news {
            // Fails only when the counter is full, and then the event is signalled anyway.
            let _ = self.event.write(1);
        }
    }
}

impl State {
    fn take(&mut self) -> Option<Job> {
        let job = self.waiting.pop_front()?;
        self.busy += 1;
        Some(job)
    }
}

/// What a request ends with that was not done because its end was wanted.
pub(super) fn cancelled() -> io::Error {
    io::Error::from_raw_os_error(libc::ECANCELED)
}
