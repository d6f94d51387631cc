//! The terminal: in raw mode while a guest has it, and as it was before on every way out.
#![allow(unsafe_code)]

use std::io::{self, IsTerminal};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::sync::{Mutex, PoisonError};

use libc::termios;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::emulate_default_handler;

/// How the terminal was before, and how it is now; nothing while it is as it was.
static CHANGED: Mutex<Option<Changed>> = Mutex::new(None);

#[derive(Clone, Copy)]
struct Changed {
    before: termios,
    raw: termios,
}

/// Keeps the terminal in raw mode; dropping it gives the terminal back.
#[derive(Debug)]
pub struct RawMode;

impl RawMode {
    /// Puts the terminal on standard input in raw mode: each key goes to the guest at once, Ctrl-C included. Nothing where
    /// standard input is no terminal, or belongs to another job.
    pub fn enter() -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        if !stdin.is_terminal() || !in_foreground() {
            return Ok(None);
        }
        let before = settings()?;
        let mut raw = before;
        // SAFETY: `raw` holds valid settings.
        unsafe { libc::cfmakeraw(&raw mut raw) };
        *CHANGED.lock().unwrap_or_else(PoisonError::into_inner) = Some(Changed { before, raw });
        apply(&raw)?;
        restore_on_panic();
        Ok(Some(Self))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Keeps the terminal from showing what is typed; dropping it gives the terminal back, and so does a signal that ends the
/// process.
pub struct Silent(Option<Handle>);

impl Silent {
    /// Changes the terminal on standard input, which must be one.
    pub fn enter() -> io::Result<Self> {
        let ignored = crate::signals::ignored();
        let heeded = [SIGINT, SIGTERM, SIGHUP, SIGQUIT].into_iter().filter(|signal| !ignored.contains(signal));
        let mut signals = Signals::new(heeded)?;
        let silent = Self(Some(signals.handle()));
        std::thread::Builder::new().name("signals".into()).stack_size(64 << 10).spawn(move || {
            if let Some(signal) = signals.forever().next() {
                restore();
                let _ = emulate_default_handler(signal);
            }
        })?;
        let before = settings()?;
        let mut raw = before;
        raw.c_lflag &= !libc::ECHO;
        *CHANGED.lock().unwrap_or_else(PoisonError::into_inner) = Some(Changed { before, raw });
        apply(&raw)?;
        Ok(silent)
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        if let Some(watch) = self.0.take() {
            watch.close();
        }
        restore();
    }
}

/// How the terminal on standard input is now.
fn settings() -> io::Result<termios> {
    let mut settings = MaybeUninit::<termios>::uninit();
    // SAFETY: the descriptor is open, and the settings are read only when the call has filled them.
    unsafe {
        if libc::tcgetattr(io::stdin().as_raw_fd(), settings.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(settings.assume_init())
    }
}

/// What ends a line on standard error: in raw mode the terminal does not return the carriage by itself.
pub fn line_end() -> &'static str {
    match CHANGED.try_lock() {
        Ok(changed) if changed.is_none() => "\n",
        _ => "\r\n",
    }
}

fn restore() {
    let changed = CHANGED.lock().unwrap_or_else(PoisonError::into_inner).take();
    // A terminal that is gone, or has gone to another job, needs no settings of ours.
    if let Some(changed) = changed.filter(|_| in_foreground()) {
        let _ = apply(&changed.before);
    }
}

/// Puts the terminal in raw mode again after the process was stopped and continued: the shell has changed it meanwhile.
pub fn resume() {
    let changed = *CHANGED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(changed) = changed.filter(|_| in_foreground()) {
        let _ = apply(&changed.raw);
    }
}

/// A panic ends the process without dropping anything.
fn restore_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        restore();
        report(info);
    }));
}

fn apply(settings: &termios) -> io::Result<()> {
    // SAFETY: the descriptor is open and the settings are valid.
    match unsafe { libc::tcsetattr(io::stdin().as_raw_fd(), libc::TCSANOW, settings) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether the terminal listens to this job: a job in the background that touches it would be stopped.
pub fn in_foreground() -> bool {
    // SAFETY: neither call touches memory.
    unsafe { libc::tcgetpgrp(io::stdin().as_raw_fd()) == libc::getpgrp() }
}
