//! A bar for what takes long, where somebody looks.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is over sooner needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar that appears after a second, on a terminal only.
pub struct Progress {
    started: Instant,
    total: u64,
    bar: Option<ProgressBar>,
    wanted: bool,
}

impl Progress {
    /// Nothing is shown yet; `total` is in bytes.
    pub fn new(total: u64) -> Self {
        Self { started: Instant::now(), total, bar: None, wanted: stderr().is_terminal() }
    }

    /// `done` bytes are done.
    pub fn set(&mut self, done: u64) {
        if !self.wanted || self.started.elapsed() < PATIENCE {
            return;
        }
        self.bar.get_or_insert_with(|| bar(self.total)).set_position(done);
    }
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
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
