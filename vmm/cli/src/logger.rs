//! Where the library's log goes: standard error. `OVUM_LOG` says how much of it (error, warn, info, debug, trace, off).

use std::io::Write;

use log::{LevelFilter, Log, Metadata, Record};

use crate::terminal;

struct Stderr;

/// Makes standard error the place of the log.
pub fn install() {
    let level = std::env::var("OVUM_LOG").ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::Warn);
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(level);
    }
}

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let level = record.level().as_str().to_ascii_lowercase();
            // One write for each line; a log that cannot be written is no reason to end a machine.
            let line = format!("ovum: {level}: {}{}", record.args(), terminal::line_end());
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }

    fn flush(&self) {}
}
