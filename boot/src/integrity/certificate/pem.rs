//! Blocks of PEM (RFC 7468) in a text, read as loosely as OpenSSL does.

use base64ct::{Base64, Encoding};

use crate::integrity::line;

/// Bytes of a line of base64 (RFC 7468, 2).
const LINE: usize = 64;

/// A piece of a text with PEM in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// A line outside of any block, with its number, from 1.
    Line(usize, &'t [u8]),
    /// A block.
    Block {
        /// Where it begins, from 1.
        line: usize,
        /// What it says to be: `CERTIFICATE`.
        label: String,
        /// What was encoded, or nothing if it cannot be decoded.
        bytes: Option<Vec<u8>>,
    },
}

/// The lines and blocks of a text; a block that does not end is one that cannot be decoded.
pub(super) fn pieces(text: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut open: Option<(usize, String, String)> = None;
    for (number, line) in line::lines(text).filter(|(_, line)| !line.is_empty()) {
        match (&mut open, boundary(line, b"BEGIN "), boundary(line, b"END ")) {
            (None, None, _) => pieces.push(Piece::Line(number, line)),
            (None, Some(label), _) => open = Some((number, label, String::new())),
            (Some((begin, label, base64)), _, Some(end)) => {
                let bytes = Base64::decode_vec(base64).ok().filter(|_| *label == end);
                pieces.push(Piece::Block { line: *begin, label: std::mem::take(label), bytes });
                open = None;
            }
            // What is not base64 will not be decoded.
            (Some((.., base64)), ..) => base64.push_str(str::from_utf8(line).unwrap_or("?")),
        }
    }
    pieces.extend(open.map(|(line, label, _)| Piece::Block { line, label, bytes: None }));
    pieces
}

/// The label of a line that begins or ends a block.
fn boundary(line: &[u8], word: &[u8]) -> Option<String> {
    let label = line.strip_prefix(b"-----")?.strip_prefix(word)?.strip_suffix(b"-----")?;
    // It is shown to people.
    Some(String::from_utf8_lossy(label).chars().take(60).collect())
}

/// A block of PEM.
pub(super) fn block(label: &str, bytes: &[u8]) -> String {
    let base64 = Base64::encode_string(bytes);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = base64.as_str();
    while let Some((line, after)) = rest.split_at_checked(LINE.min(rest.len())).filter(|(line, _)| !line.is_empty()) {
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + &format!("-----END {label}-----\n")
}
