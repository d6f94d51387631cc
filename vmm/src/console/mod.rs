//! The guest's serial port, and what its output tells about the boot.

mod pump;

use std::fs::File;
use std::io::{self, Write};

use crate::timeline::{Event, Timeline};

pub(crate) use pump::{Pump, PumpWriter, write_patiently};

/// The far end of the guest's serial port.
pub struct Console {
    /// Takes what the guest writes, line by line as a rule, on a thread of its own.
    pub output: Box<dyn Write + Send>,
    /// Gives what the guest reads; something that can be polled: a pipe, a socket, a terminal.
    pub input: Option<File>,
}

impl Console {
    /// Nobody listens and nobody types.
    pub fn none() -> Self {
        Self { output: Box::new(io::sink()), input: None }
    }
}

/// Passes the guest's output on, and notes its first byte and the kernel's word that it starts init.
pub(crate) struct WatchedOutput {
    output: PumpWriter,
    timeline: Timeline,
    init: Matcher,
}

impl WatchedOutput {
    pub(crate) fn new(output: PumpWriter, timeline: Timeline) -> Self {
        Self { output, timeline, init: Matcher::default() }
    }
}

impl Write for WatchedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.timeline.mark(Event::FirstConsoleByte);
        if bytes.iter().any(|byte| self.init.push(*byte)) {
            self.timeline.mark(Event::Init);
        }
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// The end of the line with which Linux says that it starts init.
pub(crate) const INIT_WORDS: &[u8] = b"as init process";

/// Finds the end of the line with which Linux says that it starts init ("Run /init as init process"). A kernel that was
/// told to be quiet does not say it.
#[derive(Debug, Default)]
struct Matcher {
    matched: usize,
    done: bool,
}

impl Matcher {
    const TEXT: &'static [u8] = INIT_WORDS;

    /// Takes a byte; true once, when it ends the text for the first time.
    fn push(&mut self, byte: u8) -> bool {
        if self.done {
            return false;
        }
        // Its first letter occurs nowhere else in the text, so a match that fails can only begin anew with this byte.
        self.matched = match Self::TEXT.get(self.matched) {
            Some(expected) if *expected == byte => self.matched + 1,
            _ => usize::from(Self::TEXT.first() == Some(&byte)),
        };
        self.done = self.matched == Self::TEXT.len();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_about_init_is_found_wherever_it_is_cut() {
        let mut matcher = Matcher::default();
        let hits =
            b"[ 0.5] Run as as init proas init process\nas init process".iter().filter(|b| matcher.push(**b)).count();
        assert_eq!(hits, 1);
    }

    #[test]
    fn output_is_passed_on_and_timed() {
        let timeline = Timeline::start();
        let (_pump, writer) = Pump::start(Box::new(io::sink()), crate::ending::Ending::new().unwrap()).unwrap();
        let mut output = WatchedOutput::new(writer, timeline.clone());
        output.write_all(b"Run /init").unwrap();
        assert!(!timeline.moments().iter().any(|moment| moment.event == Event::Init));
        output.write_all(b" as init process").unwrap();
        assert!(timeline.moments().iter().any(|moment| moment.event == Event::Init));
    }
}
