//! Warnings that a guest can cause without end, at most one line per second.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The shortest time between two lines.
const PERIOD: Duration = Duration::from_secs(1);

/// Writes warnings about one device to the log and counts those that came too soon.
#[derive(Debug)]
pub struct Warnings {
    device: String,
    limit: Mutex<RateLimit>,
}

impl Warnings {
    /// Warnings that begin with the name of `device`.
    pub fn new(device: &str) -> Self {
        Self { device: device.to_owned(), limit: Mutex::default() }
    }

    /// Logs `message`, unless another one was logged less than a second ago.
    pub fn warn(&self, message: fmt::Arguments<'_>) {
        let passed = self.limit.lock().unwrap_or_else(PoisonError::into_inner).pass(Instant::now());
        match passed {
            Some(0) => log::warn!("{}: {message}", self.device),
            Some(suppressed) => log::warn!("{}: {message} (and {suppressed} more warnings before)", self.device),
            None => (),
        }
    }
}

/// One line per [`PERIOD`].
#[derive(Debug, Default)]
struct RateLimit {
    last: Option<Instant>,
    suppressed: u64,
}

impl RateLimit {
    /// Whether a line may be written at `now`, and how many were not since the last one.
    fn pass(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < PERIOD) {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_second_and_the_rest_is_counted() {
        let mut limit = RateLimit::default();
        let start = Instant::now();
        assert_eq!(limit.pass(start), Some(0));
        for millisecond in 1..1000 {
            assert_eq!(limit.pass(start + Duration::from_millis(millisecond)), None);
        }
        assert_eq!(limit.pass(start + PERIOD), Some(999));
        assert_eq!(limit.pass(start + PERIOD * 2), Some(0));
    }
}
