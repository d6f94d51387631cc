//! A look at the markup before the parser has it: nesting and counts, so that no document costs more than its size allows.
//!
//! The parser compares each attribute of an element with those before it, and each namespace that an element declares with
//! those that it inherits. Both are cheap for few and slow for thousands.

use super::super::DescriptorError;
use super::Lines;

/// How deep elements may stand in each other. VirtualBox's machine settings, inside its exports, are the deepest known.
pub const MAX_DEPTH: usize = 256;
/// Attributes of one element.
pub const MAX_ATTRIBUTES: usize = 256;
/// Attributes of all elements together.
pub const MAX_ATTRIBUTES_IN_ALL: usize = 1 << 19;
/// Namespaces that may be declared where an element stands: by itself and by those around it.
pub const MAX_NAMESPACES: usize = 64;

/// Checks the limits.
///
/// # Errors
/// Beyond one of them, and for a document type declaration.
pub fn check(text: &str, lines: &Lines) -> Result<(), DescriptorError> {
    let bytes = text.as_bytes();
    let refuse = |at: usize, cause: String, remedy: &str| DescriptorError {
        line: Some(lines.at(at)),
        element: None,
        cause,
        remedy: remedy.to_owned(),
    };
    let too_much =
        |at: usize, cause: String| refuse(at, cause, "no real descriptor is like that; get it from its maker");
    // For each element that is open, the namespaces that are declared there.
    let mut open: Vec<usize> = Vec::new();
    let (mut at, mut attributes_in_all) = (0, 0);
    while let Some(start) = find(bytes, at, b"<") {
        let rest = bytes.get(start..).unwrap_or_default();
        if rest.starts_with(b"<!--") {
            at = after(bytes, start + 4, b"-->");
        } else if rest.starts_with(b"<![CDATA[") {
            at = after(bytes, start + 9, b"]]>");
        } else if rest.starts_with(b"<?") {
            at = after(bytes, start + 2, b"?>");
        } else if rest.starts_with(b"<!") {
            let remedy = "remove the declaration; OVF descriptors have none, and entities are an attack";
            return Err(refuse(start, "it has a document type declaration (<!DOCTYPE>)".to_owned(), remedy));
        } else if rest.starts_with(b"</") {
            open.pop();
            at = after(bytes, start + 2, b">");
        } else {
            let tag = Tag::of(bytes, start + 1);
            attributes_in_all += tag.attributes;
            let namespaces = open.last().copied().unwrap_or(0) + tag.namespaces;
            if tag.attributes > MAX_ATTRIBUTES || attributes_in_all > MAX_ATTRIBUTES_IN_ALL {
                let cause = format!(
                    "it has too many attributes; {MAX_ATTRIBUTES} of an element and {MAX_ATTRIBUTES_IN_ALL} in all are allowed"
                );
                return Err(too_much(start, cause));
            }
            if namespaces > MAX_NAMESPACES {
                return Err(too_much(start, format!("more than {MAX_NAMESPACES} XML namespaces are declared here")));
            }
            if !tag.empty {
                open.push(namespaces);
            }
            if open.len() > MAX_DEPTH {
                return Err(too_much(start, format!("its elements are nested more than {MAX_DEPTH} deep")));
            }
            at = tag.end;
        }
    }
    Ok(())
}

/// A start tag.
struct Tag {
    /// Where it ends.
    end: usize,
    /// Attributes, declarations of namespaces included.
    attributes: usize,
    namespaces: usize,
    /// It ends with `/>`.
    empty: bool,
}

impl Tag {
    fn of(bytes: &[u8], start: usize) -> Self {
        let mut tag = Self { end: bytes.len(), attributes: 0, namespaces: 0, empty: false };
        let mut quote = None;
        // Where the name before a `=` began.
        let mut name = start;
        for (at, byte) in bytes.iter().enumerate().skip(start) {
            match (quote, byte) {
                (Some(open), close) if open == close => (quote, name) = (None, at + 1),
                (Some(_), _) => {}
                (None, b'"' | b'\'') => quote = Some(byte),
                (None, b'=') => {
                    tag.attributes += 1;
                    let name = bytes.get(name..at).unwrap_or_default().trim_ascii();
                    tag.namespaces += usize::from(name.starts_with(b"xmlns"));
                }
                (None, b'>') => {
                    tag.empty = at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'/');
                    tag.end = at + 1;
                    break;
                }
                (None, white) if white.is_ascii_whitespace() => name = at + 1,
                _ => {}
            }
        }
        tag
    }
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    match what {
        [byte] => rest.iter().position(|found| found == byte),
        _ => rest.windows(what.len()).position(|found| found == what),
    }
    .map(|at| from + at)
}

/// Just behind the next `what`; the end, if there is none: the parser will say so.
fn after(bytes: &[u8], from: usize, what: &[u8]) -> usize {
    find(bytes, from, what).map_or(bytes.len(), |at| at + what.len())
}
