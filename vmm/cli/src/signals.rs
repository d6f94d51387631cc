//! Those who end the process from outside: SIGINT, SIGTERM, SIGHUP, SIGQUIT; and SIGCONT, after which the terminal is set up
//! again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use crate::terminal;

/// Turns signals into the end of a machine, for as long as it lives.
pub struct Watch {
    caught: Arc<AtomicI32>,
    handle: Handle,
}

impl Watch {
    /// Calls `stop` at each signal, which is to end the machine.
    pub fn start(stop: impl Fn() + Send + 'static) -> io::Result<Self> {
        let ignored = ignored();
        let heeded = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCONT].into_iter().filter(|signal| !ignored.contains(signal));
        let mut signals = Signals::new(heeded)?;
        let caught = Arc::new(AtomicI32::new(0));
        let (handle, seen) = (signals.handle(), Arc::clone(&caught));
        std::thread::Builder::new().name("signals".into()).stack_size(64 << 10).spawn(move || {
            for signal in signals.forever() {
                if signal == SIGCONT {
                    terminal::resume();
                    continue;
                }
                seen.store(signal, Ordering::Release);
                stop();
            }
        })?;
        Ok(Self { caught, handle })
    }

    /// The signal that ended the machine, if one did.
    pub fn caught(&self) -> Option<i32> {
        Some(self.caught.load(Ordering::Acquire)).filter(|signal| *signal != 0)
    }
}

/// The signals that this process was started to ignore: `nohup` means SIGHUP to be ignored, and a script's background job
/// is not to be ended by the Ctrl-C of the foreground.
pub fn ignored() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let bits = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    (1..=64).filter(|signal| bits >> (signal - 1) & 1 == 1).collect()
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.handle.close();
    }
}
