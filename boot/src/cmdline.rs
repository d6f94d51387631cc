//! The kernel's command line: words that are separated by spaces, where a later word wins over an earlier one with the
//! same key (Documentation/admin-guide/kernel-parameters.rst).

use std::fmt;

use thiserror::Error;

/// Why a text cannot be a kernel's command line.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CmdlineError {
    /// A byte that the kernel would misread.
    #[error("the kernel command line holds {what} at offset {offset}")]
    BadCharacter {
        /// What stands there.
        what: &'static str,
        /// Where, in bytes from the start of the text.
        offset: usize,
    },
    /// The kernel would cut it off.
    #[error("the kernel command line has {length} bytes; this kernel takes at most {limit}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The longest that the kernel takes, in bytes, without the closing NUL.
        limit: usize,
    },
}

impl CmdlineError {
    /// One line that says what to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::BadCharacter { .. } => "use printable ASCII on one line only".to_owned(),
            Self::TooLong { length, limit } => {
                format!("leave out at least {} bytes", length.saturating_sub(*limit))
            }
        }
    }
}

/// A command line of printable ASCII. Its length is checked when the kernel is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cmdline {
    text: String,
}

impl Cmdline {
    /// Takes `text` as the whole command line.
    ///
    /// # Errors
    /// [`CmdlineError::BadCharacter`] for a NUL, a newline, another control character or anything but ASCII.
    pub fn new(text: &str) -> Result<Self, CmdlineError> {
        let mut cmdline = Self::default();
        cmdline.append(text)?;
        Ok(cmdline)
    }

    /// Adds words at the end, where they win over those that are there. Behind a word `--` they go to init instead.
    ///
    /// # Errors
    /// As [`Cmdline::new`].
    pub fn append(&mut self, words: &str) -> Result<(), CmdlineError> {
        let words = check(words)?;
        if !self.text.is_empty() && !words.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(words);
        Ok(())
    }

    /// Adds words at the start, where all that is there wins over them.
    ///
    /// # Errors
    /// As [`Cmdline::new`].
    pub fn prepend(&mut self, words: &str) -> Result<(), CmdlineError> {
        let mut cmdline = Self::new(words)?;
        cmdline.append(&self.text)?;
        *self = cmdline;
        Ok(())
    }

    /// Whether the kernel is given `key`, alone or with a value.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.parameters().any(|(name, _)| same_key(name, key))
    }

    /// The value of `key` that wins; `None` when it is absent or has no value. Quotes around the value are kept.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.parameters().filter(|(name, _)| same_key(name, key)).last().and_then(|(_, value)| value)
    }

    /// Checks the length against what the kernel takes (see [`crate::Kernel::cmdline_size`]).
    ///
    /// # Errors
    /// [`CmdlineError::TooLong`].
    pub fn check_length(&self, limit: usize) -> Result<(), CmdlineError> {
        if self.text.len() > limit {
            return Err(CmdlineError::TooLong { length: self.text.len(), limit });
        }
        Ok(())
    }

    /// The text, without a closing NUL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The keys and values that the kernel itself reads: those before a word `--`.
    fn parameters(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        words(&self.text).take_while(|word| *word != "--").map(|word| match word.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (word, None),
        })
    }
}

impl fmt::Display for Cmdline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Splits as lib/cmdline.c, next_arg, does: at blanks that are not inside double quotes.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |character: char| {
        quoted ^= character == '"';
        !quoted && character.is_ascii_whitespace()
    })
    .filter(|word| !word.is_empty())
}

/// The kernel takes `-` and `_` in keys as the same (kernel/params.c, parameqn).
fn same_key(one: &str, other: &str) -> bool {
    let dashed = |byte: u8| if byte == b'_' { b'-' } else { byte };
    one.bytes().map(dashed).eq(other.bytes().map(dashed))
}

/// Refuses what the kernel would misread; gives the text without blanks around it.
fn check(text: &str) -> Result<&str, CmdlineError> {
    let bad = text.char_indices().find_map(|(offset, character)| {
        let what = match character {
            '\0' => "a NUL",
            '\n' | '\r' => "a line break",
            '\t' | ' '..='~' => return None,
            '\u{1}'..='\u{7f}' => "a control character",
            _ => "a character that is not ASCII",
        };
        Some(CmdlineError::BadCharacter { what, offset })
    });
    match bad {
        Some(error) => Err(error),
        None => Ok(text.trim_ascii()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined_so_that_the_later_wins() {
        let mut cmdline = Cmdline::new("console=ttyS0 panic=-1").unwrap();
        cmdline.append("  panic=5 ").unwrap();
        cmdline.append("").unwrap();
        cmdline.prepend("quiet").unwrap();
        assert_eq!(cmdline.as_str(), "quiet console=ttyS0 panic=-1 panic=5");
        assert_eq!(cmdline.value("panic"), Some("5"));
        assert_eq!(Cmdline::new("").unwrap().as_str(), "");
    }

    #[test]
    fn keys_are_found_as_the_kernel_finds_them() {
        let cmdline =
            Cmdline::new("ro dyndbg=\"file drivers/usb console=x\" log-buf_len=1M consoles=1 -- console=y").unwrap();
        assert!(!cmdline.contains_key("console"));
        assert!(cmdline.contains_key("ro"));
        assert_eq!(cmdline.value("ro"), None);
        assert_eq!(cmdline.value("log_buf_len"), Some("1M"));
        assert_eq!(cmdline.value("dyndbg"), Some("\"file drivers/usb console=x\""));
    }

    #[test]
    fn what_the_kernel_would_misread_is_refused_with_its_place() {
        for (text, what, offset) in [
            ("a\0b", "a NUL", 1),
            ("ab\n", "a line break", 2),
            ("ab\rc", "a line break", 2),
            ("a\x1b[0m", "a control character", 1),
            ("a\x7f", "a control character", 1),
            ("na\u{ef}ve", "a character that is not ASCII", 2),
        ] {
            assert_eq!(Cmdline::new(text), Err(CmdlineError::BadCharacter { what, offset }), "{text:?}");
        }
        assert!(Cmdline::new("a\tb").is_ok());
    }

    #[test]
    fn the_length_is_checked_without_the_closing_nul() {
        let cmdline = Cmdline::new(&"x".repeat(2047)).unwrap();
        assert_eq!(cmdline.check_length(2047), Ok(()));
        let error = cmdline.check_length(2040).unwrap_err();
        assert_eq!(error.to_string(), "the kernel command line has 2047 bytes; this kernel takes at most 2040");
        assert_eq!(error.remedy(), "leave out at least 7 bytes");
    }
}
