//! From the bytes of a descriptor to its text.

use std::borrow::Cow;

use super::super::DescriptorError;

/// The biggest descriptor that is read, in bytes. The biggest known has some hundred kilobytes, most of them licences.
pub const MAX_BYTES: usize = 16 << 20;

const BOM: &str = "\u{feff}";

/// The text of a descriptor: UTF-8, or UTF-16 as some exporters write it, or Latin-1 if it says so (XML 1.0, 4.3.3).
///
/// # Errors
/// When there is too much of it, or nothing, or when the bytes are not what they claim to be.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, DescriptorError> {
    if bytes.len() > MAX_BYTES {
        let cause = format!("it has {} bytes; a descriptor may have {MAX_BYTES}", bytes.len());
        return Err(error(None, cause, "check that this is a descriptor and not the package or a disk"));
    }
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => Cow::Owned(utf16(rest, u16::from_le_bytes)?),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(utf16(rest, u16::from_be_bytes)?),
        [b'<', 0, ..] => Cow::Owned(utf16(bytes, u16::from_le_bytes)?),
        [0, b'<', ..] => Cow::Owned(utf16(bytes, u16::from_be_bytes)?),
        _ if says_latin1(bytes) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
        _ => Cow::Borrowed(utf8(bytes)?),
    };
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix(BOM).unwrap_or(text)),
        owned @ Cow::Owned(_) => owned,
    };
    recognize(bytes, &text)?;
    Ok(text)
}

fn error(line: Option<u32>, cause: String, remedy: &str) -> DescriptorError {
    DescriptorError { line, element: None, cause, remedy: remedy.to_owned() }
}

fn utf8(bytes: &[u8]) -> Result<&str, DescriptorError> {
    std::str::from_utf8(bytes).map_err(|problem| {
        if let Some(what) = binary(bytes) {
            return not_a_descriptor(what);
        }
        let good = bytes.get(..problem.valid_up_to()).unwrap_or_default();
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        let cause = format!("the bytes from offset {:#x} on are not UTF-8", problem.valid_up_to());
        error(u32::try_from(line).ok(), cause, "save the descriptor as UTF-8")
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, DescriptorError> {
    let (units, rest) = bytes.as_chunks::<2>();
    let text: Option<String> = char::decode_utf16(units.iter().map(|pair| unit(*pair))).map(Result::ok).collect();
    text.filter(|_| rest.is_empty())
        .ok_or_else(|| error(None, "it begins as UTF-16 and is not".to_owned(), "save the descriptor as UTF-8"))
}

/// Whether the XML declaration names ISO 8859-1. It is ASCII in every encoding that comes here.
fn says_latin1(bytes: &[u8]) -> bool {
    let end = bytes.iter().take(200).position(|byte| *byte == b'>').unwrap_or(0);
    let Some(declaration) = bytes.get(..end).filter(|head| head.starts_with(b"<?xml")) else { return false };
    let declaration = declaration.to_ascii_lowercase();
    [&b"iso-8859-1"[..], b"latin1"].iter().any(|name| declaration.windows(name.len()).any(|at| at == *name))
}

/// Files that people take for descriptors.
fn binary(bytes: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if bytes.get(257..262) == Some(b"ustar") {
        return Some("a tar archive, as an OVA is");
    }
    if starts(b"PK\x03\x04") {
        return Some("a zip archive");
    }
    if starts(b"\x1f\x8b") {
        return Some("a gzip file");
    }
    if starts(b"KDMV") {
        return Some("a VMDK disk image");
    }
    starts(b"QFI\xfb").then_some("a qcow2 disk image")
}

fn not_a_descriptor(what: &str) -> DescriptorError {
    let remedy = "name the file that holds the OVF descriptor (.ovf), or the package (.ova) itself";
    error(None, format!("it is {what}, not an OVF descriptor"), remedy)
}

/// Says what a file is that is not XML, or that is the XML of something well known.
fn recognize(bytes: &[u8], text: &str) -> Result<(), DescriptorError> {
    if let Some(what) = binary(bytes) {
        return Err(not_a_descriptor(what));
    }
    let text = text.trim_start();
    let starts = |tag: &str| text.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag));
    if text.is_empty() {
        return Err(error(
            None,
            "it is empty".to_owned(),
            "get the package again; this file was not written to its end",
        ));
    }
    if starts("<!doctype html") || starts("<html") {
        let remedy = "get the package again: a web server gave a page, perhaps an error message, in place of the file";
        return Err(error(Some(1), "it is an HTML page, not an OVF descriptor".to_owned(), remedy));
    }
    if !text.starts_with('<') {
        return Err(not_a_descriptor("no XML"));
    }
    Ok(())
}
