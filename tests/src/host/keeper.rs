//! Keeps a child process: it never outlives this process, and what it prints is at hand when something goes wrong.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::failure::{Context as _, Failure, Result};
use crate::sys;

/// The last bytes of a child's output that are kept.
const LOG: usize = 64 << 10;

/// A child process that is killed when this is dropped, and when this process ends in whatever way.
pub(crate) struct Keeper {
    child: Arc<Mutex<Child>>,
    log: Arc<Mutex<Vec<u8>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Keeper {
    /// Starts `command` with its standard output and error collected.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        sys::die_with_parent(&mut command);
        let log = Arc::new(Mutex::new(Vec::new()));
        let (started, result) = channel();
        let thread_log = Arc::clone(&log);
        // The child dies with the thread that starts it, so that thread must not be one of a test that ends.
        thread::spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => return drop(started.send(Err(error))),
            };
            // The command holds the files that the child was given; they must not stay open here.
            drop(command);
            let streams = (child.stdout.take(), child.stderr.take());
            let _ = started.send(Ok(Arc::new(Mutex::new(child))));
            let error_log = Arc::clone(&thread_log);
            let errors = thread::spawn(move || collect(streams.1, &error_log));
            collect(streams.0, &thread_log);
            let _ = errors.join();
        });
        let child = result.recv().map_err(|_| Failure::new("the keeper's thread ended"))?;
        Ok(Self { child: child.doing(format!("starting {name}"))?, log })
    }

    /// What the child printed last.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&lock(&self.log)).into_owned()
    }
}

fn collect(stream: Option<impl Read>, log: &Mutex<Vec<u8>>) {
    let Some(mut stream) = stream else { return };
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        let mut log = lock(log);
        log.extend_from_slice(&buffer[..length]);
        let surplus = log.len().saturating_sub(LOG);
        log.drain(..surplus);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}
