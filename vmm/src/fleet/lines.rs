//! Several consoles in one stream: whole lines, each with the name of the machine that it comes from.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::console::{INIT_WORDS, write_patiently};

/// The most bytes of a line; a longer one goes on in the next.
const MAX_LINE: usize = 4096;
/// The most characters of a name that are shown.
const MAX_NAME: usize = 24;

/// Where all consoles go.
#[derive(Clone)]
pub(super) struct Stream(Arc<Mutex<Box<dyn Write + Send>>>);

impl Stream {
    pub(super) fn new(output: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(output)))
    }

    fn write(&self, lines: &[u8]) -> io::Result<()> {
        let mut output = lock(&self.0);
        write_patiently(&mut *output, lines)?;
        output.flush()
    }
}

/// The names as they stand in front of lines: without what a terminal takes for a command, and all of one width.
pub(super) fn labels<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Vec<String> {
    let plain = |name: &str| -> String {
        name.chars().map(|c| if c.is_control() { '?' } else { c }).take(MAX_NAME).collect::<String>()
    };
    let width = names.clone().map(|name| plain(name).chars().count()).max().unwrap_or_default();
    names.map(|name| format!("{:width$} | ", plain(name))).collect()
}

/// One machine's console; clones share it.
#[derive(Clone)]
pub(super) struct Lines(Arc<Mutex<State>>);

struct State {
    label: String,
    stream: Stream,
    /// The beginning of a line.
    begun: Vec<u8>,
    /// A carriage return ended a line; a line feed behind it ends nothing more.
    returned: bool,
    /// Called once, when the guest's kernel has said that it starts init.
    on_init: Option<Box<dyn FnOnce() + Send>>,
}

impl Lines {
    /// A console whose lines begin with `label`; `on_init` is called when the guest's kernel says that it starts init.
    pub(super) fn new(label: String, stream: Stream, on_init: Box<dyn FnOnce() + Send>) -> Self {
        let (begun, on_init) = (Vec::new(), Some(on_init));
        Self(Arc::new(Mutex::new(State { label, stream, begun, returned: false, on_init })))
    }

    /// Writes what was begun, as a line, though it has no end.
    pub(super) fn finish(&self) -> io::Result<()> {
        let mut state = lock(&self.0);
        let mut lines = Vec::new();
        if !state.begun.is_empty() {
            state.end_line(&mut lines);
        }
        state.stream.write(&lines)
    }
}

impl Write for Lines {
    /// Takes all of `bytes`, and writes the lines that they end.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.0);
        let mut lines = Vec::new();
        bytes.iter().for_each(|byte| state.take(*byte, &mut lines));
        if !lines.is_empty() {
            state.stream.write(&lines)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl State {
    /// Adds a byte. A carriage return ends a line as well: what follows would be written over the name.
    fn take(&mut self, byte: u8, lines: &mut Vec<u8>) {
        let returned = std::mem::replace(&mut self.returned, byte == b'\r');
        match byte {
            b'\n' if !returned => self.end_line(lines),
            b'\n' => {}
            b'\r' => self.end_line(lines),
            // Back to the start of the line, up, and their like, also over the name.
            0x07 | 0x08 | 0x0b | 0x0c => {}
            _ => {
                self.begun.push(byte);
                if self.begun.len() >= MAX_LINE {
                    self.end_line(lines);
                }
            }
        }
    }

    fn end_line(&mut self, lines: &mut Vec<u8>) {
        if self.begun.windows(INIT_WORDS.len()).any(|words| words == INIT_WORDS)
            && let Some(on_init) = self.on_init.take()
        {
            on_init();
        }
        lines.extend_from_slice(self.label.as_bytes());
        lines.append(&mut self.begun);
        lines.push(b'\n');
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // As little as a slow terminal takes.
            let some = bytes.get(..bytes.len().min(3)).unwrap_or_default();
            lock(&self.0).write(some)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(lock(&self.0).clone()).unwrap()
        }
    }

    fn said(bytes: &[&[u8]]) -> String {
        let kept = Kept::default();
        let mut lines = Lines::new("a | ".into(), Stream::new(Box::new(kept.clone())), Box::new(|| {}));
        bytes.iter().for_each(|bytes| lines.write_all(bytes).unwrap());
        lines.finish().unwrap();
        kept.text()
    }

    #[test]
    fn each_line_has_its_machines_name_wherever_it_was_cut() {
        assert_eq!(said(&[b"on", b"e\r\ntw", b"o\n", b"\n", b"login: "]), "a | one\na | two\na | \na | login: \n");
        assert_eq!(said(&[b"one\r", b"\ntwo\r\n"]), "a | one\na | two\n", "cut between the two ends of a line");
        assert_eq!(said(&[]), "");
    }

    #[test]
    fn nobody_writes_over_a_name_and_no_line_is_endless() {
        assert_eq!(said(&[b"real\rb | forged\n"]), "a | real\na | b | forged\n");
        assert_eq!(said(&[b"x\x08\x08\x08\x08\x08b\n"]), "a | xb\n");
        let long = said(&[&vec![b'x'; MAX_LINE * 3]]);
        assert_eq!(long.lines().count(), 3);
        assert!(long.lines().all(|line| line.len() == MAX_LINE + 4));
    }

    #[test]
    fn lines_of_several_machines_are_not_mixed() {
        let kept = Kept::default();
        let stream = Stream::new(Box::new(kept.clone()));
        std::thread::scope(|scope| {
            for name in ["a", "b", "c"] {
                let mut lines = Lines::new(format!("{name} | "), stream.clone(), Box::new(|| {}));
                scope.spawn(move || {
                    for _ in 0..200 {
                        let text = name.repeat(30);
                        lines.write_all(text.get(..11).unwrap().as_bytes()).unwrap();
                        lines.write_all(text.get(11..).unwrap().as_bytes()).unwrap();
                        lines.write_all(b"\r\n").unwrap();
                    }
                });
            }
        });
        let text = kept.text();
        assert_eq!(text.lines().count(), 600);
        for line in text.lines() {
            let (name, rest) = line.split_once(" | ").unwrap();
            assert_eq!(rest, name.repeat(30));
        }
    }

    #[test]
    fn init_is_seen_once() {
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        let on_init = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let mut lines = Lines::new(String::new(), Stream::new(Box::new(io::sink())), on_init);
        lines.write_all(b"[    0.5] Run /sbin/init as ").unwrap();
        assert_eq!(seen.load(Ordering::Relaxed), 0);
        lines.write_all(b"init process\nRun /init as init process\n").unwrap();
        assert_eq!(seen.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn labels_are_of_one_width_and_command_no_terminal() {
        let labels = labels(["db", "front\x1b[2J", &"long".repeat(20)].into_iter());
        assert!(labels.iter().all(|label| label.chars().count() == MAX_NAME + 3 && !label.contains('\x1b')));
    }
}
