//! A bar for what takes long, where somebody looks; and what is left on the terminal and in the folder when a signal ends it.

use std::fs;
use std::io::{self, IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::emulate_default_handler;

use crate::signals;

/// What is over sooner needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar that appears after a second, on a terminal only.
pub struct Progress {
    started: Instant,
    total: u64,
    bar: Arc<OnceLock<ProgressBar>>,
    wanted: bool,
    watch: Option<Handle>,
}

impl Progress {
    /// Nothing is shown yet; `total` is in bytes. A signal that ends the process takes the bar away, and the
    /// files `unfinished`.
    pub fn new(total: u64, unfinished: &[&Path]) -> Self {
        let wanted = stderr().is_terminal();
        let bar = Arc::default();
        let watch = (wanted || !unfinished.is_empty()).then(|| {
            let unfinished = unfinished.iter().map(|path| path.to_path_buf()).collect();
            watch(Arc::clone(&bar), unfinished)
        });
        // Without it, a signal ends the process untidily.
        let watch = watch.and_then(Result::ok);
        Self { started: Instant::now(), total, bar, wanted, watch }
    }

    /// `done` bytes are done.
    pub fn set(&mut self, done: u64) {
        if !self.wanted || self.started.elapsed() < PATIENCE {
            return;
        }
        self.bar.get_or_init(|| bar(self.total)).set_position(done);
    }
}

/// Waits for a signal, tidies up and lets it end the process.
fn watch(bar: Arc<OnceLock<ProgressBar>>, unfinished: Vec<PathBuf>) -> io::Result<Handle> {
    let ignored = signals::ignored();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !ignored.contains(signal)))?;
    let handle = signals.handle();
    std::thread::Builder::new().name("signals".into()).stack_size(256 << 10).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            if let Some(bar) = bar.get() {
                bar.finish_and_clear();
            }
            // Nobody is left to be told when these fail.
            unfinished.into_iter().for_each(|path| drop(fs::remove_file(path)));
            let _ = emulate_default_handler(signal);
        }
    })?;
    Ok(handle)
}

fn bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    // The template is constant and right; without it, the default one is.
    match ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.close();
        }
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
