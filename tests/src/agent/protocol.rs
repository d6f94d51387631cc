//! What the harness and the agent say to each other: a stream of frames, each a JSON head and a tail of raw bytes.
//!
//! ```text
//! u32 length of the head | u32 length of the tail | head | tail        (little endian)
//! ```
//!
//! Requests carry a number; everything that answers a request carries the same one, so that many can be under way.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The largest head or tail that either side sends.
pub const MAX_PART: usize = 1 << 20;
/// File contents travel in blocks of this size; blocks of zeroes do not travel at all.
pub const BLOCK: usize = 256 << 10;

/// What the harness asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Request {
    /// Start a process. Answers: `Started`, then `Output` and `Probed`, then `Ended`; or `Failed`.
    Spawn {
        /// The number by which the process is known from here on.
        id: u32,
        /// What to start.
        command: Command,
    },
    /// The tail goes to the process's standard input; an empty tail ends the input.
    Input {
        /// The process.
        id: u32,
    },
    /// Send a signal to the process.
    Signal {
        /// The process.
        id: u32,
        /// The signal's number.
        signal: i32,
    },
    /// Begin a file: empty, of `size` bytes, all zero. Answer: `Done` or `Failed`.
    Create {
        /// The number by which the file is known until `Close`.
        id: u32,
        /// Where; missing folders on the way are made.
        path: String,
        /// Permissions.
        mode: u32,
        /// Size in bytes.
        size: u64,
    },
    /// The tail is a part of the file. Not answered; what goes wrong is told at `Close`.
    Block {
        /// The file.
        id: u32,
        /// Where in the file.
        offset: u64,
    },
    /// The file is complete. Answer: `Done` or `Failed`.
    Close {
        /// The file.
        id: u32,
    },
    /// Send a file. Answers: `Block`s, then `Done`, whose tail is the size as decimal digits; or `Failed`.
    Fetch {
        /// The number by which the answers are known.
        id: u32,
        /// Which file.
        path: String,
    },
    /// Read a small file, such as one of /proc. Answer: `Done` with the contents as its tail; or `Failed`.
    Read {
        /// The number by which the answer is known.
        id: u32,
        /// Which file.
        path: String,
    },
    /// Answer: `Done` with CLOCK_MONOTONIC in nanoseconds as decimal digits.
    Clock {
        /// The number by which the answer is known.
        id: u32,
    },
}

/// A process to start.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Command {
    /// The program and its arguments.
    pub arguments: Vec<String>,
    /// Added to the agent's own environment.
    pub environment: BTreeMap<String, String>,
    /// The working folder; the agent's own when absent.
    pub folder: Option<String>,
    /// Run as this user and not as the agent's own.
    pub user: Option<u32>,
    /// Standard input, output and error are a terminal.
    pub terminal: bool,
    /// Standard output is a pipe that nobody reads any more.
    pub closed_output: bool,
    /// When this text appears on standard output, the process is stopped, looked at (`Probed`), and let go on.
    pub probe_at: Option<String>,
}

/// What the agent says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Event {
    /// The agent is ready; sent once, at its start.
    Hello,
    /// The process runs.
    Started {
        /// The process.
        id: u32,
        /// Its number in its system.
        pid: i32,
        /// When it was about to be started, CLOCK_MONOTONIC, ns.
        at: u64,
    },
    /// The tail was read from the process.
    Output {
        /// The process.
        id: u32,
        /// Whether it came from standard error.
        error: bool,
        /// When it was read, CLOCK_MONOTONIC, ns.
        at: u64,
    },
    /// The process was looked at while it stood still.
    Probed {
        /// The process.
        id: u32,
        /// What was seen.
        probe: Probe,
    },
    /// The process has ended and all of its output was sent.
    Ended {
        /// The process.
        id: u32,
        /// How it ended.
        end: End,
    },
    /// The tail is a part of the file that was asked for.
    Block {
        /// The `Fetch`.
        id: u32,
        /// Where in the file.
        offset: u64,
    },
    /// The request was carried out.
    Done {
        /// The request.
        id: u32,
    },
    /// The request was not carried out.
    Failed {
        /// The request.
        id: u32,
        /// Why.
        why: String,
    },
}

/// How a process ended and what it used.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct End {
    /// The exit status, or `None` when a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// When its end was seen, CLOCK_MONOTONIC, ns.
    pub at: u64,
    /// Microseconds in user mode, guest mode included.
    pub user_us: u64,
    /// Microseconds in the kernel.
    pub system_us: u64,
    /// The largest resident set, KiB.
    pub max_rss_kib: u64,
}

/// A stopped VMM from outside.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Probe {
    /// /proc/PID/smaps.
    pub smaps: String,
    /// KVM's counters of this process's virtual machine, from debugfs. Empty when they cannot be read.
    pub kvm: BTreeMap<String, u64>,
}

impl Event {
    /// The number of the request that this belongs to.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        match self {
            Self::Hello => None,
            Self::Started { id, .. }
            | Self::Output { id, .. }
            | Self::Probed { id, .. }
            | Self::Ended { id, .. }
            | Self::Block { id, .. }
            | Self::Done { id }
            | Self::Failed { id, .. } => Some(*id),
        }
    }
}

/// Writes one frame.
///
/// # Errors
/// What the stream says.
pub fn write_frame<H: Serialize>(stream: &mut impl Write, head: &H, tail: &[u8]) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    let length = |part: &[u8]| u32::try_from(part.len()).map_err(io::Error::other);
    let mut frame = Vec::with_capacity(8 + head.len() + tail.len());
    frame.extend(length(&head)?.to_le_bytes());
    frame.extend(length(tail)?.to_le_bytes());
    frame.extend_from_slice(&head);
    frame.extend_from_slice(tail);
    stream.write_all(&frame)
}

/// Reads one frame; `None` when the stream ended.
///
/// # Errors
/// What the stream says, or that it is not one of frames.
pub fn read_frame<H: DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<(H, Vec<u8>)>> {
    let mut lengths = [0_u8; 8];
    match stream.read_exact(&mut lengths) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let [a, b, c, d, e, f, g, h] = lengths;
    let mut part = |length: [u8; 4]| {
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_PART {
            return Err(io::Error::other(format!("a frame of {length} bytes")));
        }
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    let head = part([a, b, c, d])?;
    let tail = part([e, f, g, h])?;
    Ok(Some((serde_json::from_slice(&head)?, tail)))
}

#[cfg(test)]
mod tests {
    use super::{Event, read_frame, write_frame};

    #[test]
    fn frames_survive_the_way() {
        let mut stream = Vec::new();
        write_frame(&mut stream, &Event::Hello, b"").unwrap();
        write_frame(&mut stream, &Event::Output { id: 7, error: true, at: 9 }, b"text").unwrap();
        let mut stream = stream.as_slice();
        assert!(matches!(read_frame::<Event>(&mut stream).unwrap(), Some((Event::Hello, _))));
        let (head, tail) = read_frame::<Event>(&mut stream).unwrap().unwrap();
        assert_eq!((head.id(), tail.as_slice()), (Some(7), b"text".as_slice()));
        assert!(read_frame::<Event>(&mut stream).unwrap().is_none());
    }
}
