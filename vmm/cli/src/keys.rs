//! The keys by which a person at the terminal talks to Ovum and not to the guest: Ctrl-A, then a letter.

/// Ctrl-A.
const ESCAPE: u8 = 0x01;

/// What the keys are; lines end as a terminal in raw mode needs it.
pub const HELP: &str = "\r\n\
    Ctrl-A x       end the machine\r\n\
    Ctrl-A h       show these keys\r\n\
    Ctrl-A Ctrl-A  send Ctrl-A to the guest\r\n";

/// What a chunk of typed bytes asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Typed {
    /// What the guest gets.
    pub to_guest: Vec<u8>,
    /// Whether to show the keys.
    pub help: bool,
    /// Whether to end the machine; nothing after it counts.
    pub end: bool,
}

/// Tells the keys from the guest's input, across chunks.
#[derive(Debug, Default)]
pub struct Keys {
    escaped: bool,
}

impl Keys {
    /// Reads a chunk.
    pub fn read(&mut self, bytes: &[u8]) -> Typed {
        let mut typed = Typed::default();
        for &byte in bytes {
            match (std::mem::take(&mut self.escaped), byte) {
                (false, ESCAPE) => self.escaped = true,
                (false, other) | (true, other @ ESCAPE) => typed.to_guest.push(other),
                (true, b'x' | b'X') => {
                    typed.end = true;
                    break;
                }
                (true, b'h' | b'H' | b'?') => typed.help = true,
                // Not one of ours: it was meant for the guest.
                (true, other) => typed.to_guest.extend([ESCAPE, other]),
            }
        }
        typed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_across_chunks_and_the_rest_is_the_guests() {
        let mut keys = Keys::default();
        assert_eq!(keys.read(b"ls\r").to_guest, b"ls\r");
        assert_eq!(keys.read(b"\x01"), Typed::default());
        assert_eq!(keys.read(b"ha"), Typed { to_guest: b"a".to_vec(), help: true, end: false });
        assert_eq!(keys.read(b"\x01\x01\x01b").to_guest, b"\x01\x01b");
        assert!(keys.read(b"\x01xrest").end);
    }
}
