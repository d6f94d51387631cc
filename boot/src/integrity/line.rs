//! A line `ALGORITHM(NAME)= HEX`, of which manifests and signatures are made.

use std::fmt;

use super::digest::Algorithm;
use crate::package::name;

/// The most bytes that a line may have: a name, and the signature of a key that is too large for use.
const MAX_LINE: usize = 16 << 10;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) algorithm: Algorithm,
    /// The file.
    pub(super) name: String,
    /// What the hexadecimal digits stand for.
    pub(super) value: Vec<u8>,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineProblem {
    /// It does not have the form.
    Form,
    /// It is longer than any line that is made on purpose.
    Long,
    /// The algorithm is none that is known.
    Algorithm(String),
    /// What should be hexadecimal digits are none, or an odd number of them.
    Hex,
}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("it is not of the form ALGORITHM(FILE)= DIGEST"),
            Self::Long => write!(f, "it has more than {MAX_LINE} bytes"),
            Self::Algorithm(name) => write!(f, "the algorithm {name} is none of SHA1, SHA256, SHA384 and SHA512"),
            Self::Hex => f.write_str("what follows the = is not a row of hexadecimal digits"),
        }
    }
}

/// The lines of a text with their numbers, from 1, without what ends them and without blanks around them.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    text.split(|byte| *byte == b'\n').map(|line| line.trim_ascii()).enumerate().map(|(index, line)| (index + 1, line))
}

/// Reads a line. Names may have parentheses and = in them, so they end at the last that can be meant.
pub(super) fn read(line: &[u8]) -> Result<Line, LineProblem> {
    if line.len() > MAX_LINE {
        return Err(LineProblem::Long);
    }
    let text = name::text(line);
    let (algorithm, rest) = text.split_once('(').ok_or(LineProblem::Form)?;
    let (name, hex) = rest.rsplit_once('=').ok_or(LineProblem::Form)?;
    let name = name.trim_end().strip_suffix(')').ok_or(LineProblem::Form)?.trim();
    let algorithm = algorithm.trim();
    if name.is_empty() || algorithm.is_empty() {
        return Err(LineProblem::Form);
    }
    // OpenSSL writes the key's kind before it when it signs.
    let plain = ["RSA-", "ECDSA-", "EC-"].iter().find_map(|kind| algorithm.strip_prefix(kind)).unwrap_or(algorithm);
    let known = Algorithm::of_name(plain).ok_or_else(|| LineProblem::Algorithm(shortened(algorithm)))?;
    Ok(Line { algorithm: known, name: name.to_owned(), value: unhex(hex.trim())? })
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

fn unhex(digits: &str) -> Result<Vec<u8>, LineProblem> {
    let value = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(value(high)? << 4 | value(low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(pair).collect();
    bytes.filter(|bytes| !bytes.is_empty()).ok_or(LineProblem::Hex)
}
