//! References: the files of the package (DSP0243 7.1).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::appliance::{Compression, FileReference};
use super::reader::Reader;
use super::units::shown;
use super::xml::Element;
use super::{DescriptorError, codes};

/// The files, found by id.
#[derive(Default)]
pub struct Files {
    /// In their order.
    pub list: Vec<FileReference>,
    by_id: HashMap<String, usize>,
    by_href: HashMap<String, usize>,
}

impl Files {
    /// The file with this id.
    pub fn by_id(&self, id: &str) -> Option<&FileReference> {
        self.by_id.get(id).and_then(|index| self.list.get(*index))
    }

    /// The file with this id, or with this href: oVirt refers to files by either.
    pub fn find(&self, id: &str) -> Option<&FileReference> {
        self.by_id(id).or_else(|| self.by_href.get(id).and_then(|index| self.list.get(*index)))
    }
}

/// Reads every References element.
///
/// # Errors
/// When a file has no href, an id that another has, a size that is no number, a compression that is not known, or an href that
/// leads out of the package.
pub fn read(envelope: Element<'_>, reader: &mut Reader<'_>) -> Result<Files, DescriptorError> {
    let mut files = Files::default();
    for element in envelope.all("References").flat_map(|references| references.all("File")) {
        let file = file(element, reader)?;
        let index = files.list.len();
        match files.by_id.entry(file.id.clone()) {
            Entry::Occupied(_) => {
                let cause = format!("another file has the id \"{}\" too", shown(&file.id));
                return Err(element.attr_error("id", cause, "give each file an id of its own"));
            }
            Entry::Vacant(entry) => entry.insert(index),
        };
        files.by_href.entry(file.href.clone()).or_insert(index);
        files.list.push(file);
    }
    Ok(files)
}

fn file(element: Element<'_>, reader: &mut Reader<'_>) -> Result<FileReference, DescriptorError> {
    let href = element.word("href").ok_or_else(|| {
        element.attr_error("href", "the file has no name", "write where the file lies in the package")
    })?;
    inside(href).map_err(|why| {
        let cause = format!("\"{}\" {why}", shown(href));
        element.attr_error("href", cause, "name a file of the package, relative to the descriptor")
    })?;
    if is_remote(href) {
        let message = format!("\"{}\" lies on a server; only files of the package are read", shown(href));
        reader.warn(codes::HREF_REMOTE, element, message);
    }
    let id = element.word("id").unwrap_or_else(|| {
        let message = format!("the file \"{}\" has no id; its name is taken", shown(href));
        reader.warn(codes::ID_MISSING, element, message);
        href
    });
    let compression = match element.word("compression") {
        None => Compression::Identity,
        Some(word) if word.eq_ignore_ascii_case("identity") => Compression::Identity,
        Some(word) if word.eq_ignore_ascii_case("gzip") => Compression::Gzip,
        Some(word) if word.eq_ignore_ascii_case("bzip2") => Compression::Bzip2,
        Some(other) => {
            let cause = format!("the compression \"{}\" is not known", shown(other));
            return Err(element.attr_error("compression", cause, "pack the file with gzip, or not at all"));
        }
    };
    let chunk_size = element.number("chunkSize")?;
    if chunk_size == Some(0) {
        let remedy = "write how big the parts of the file are, or remove the attribute if it is in one part";
        return Err(element.attr_error("chunkSize", "a file cannot be cut into parts of nothing", remedy));
    }
    Ok(FileReference {
        id: id.to_owned(),
        href: href.to_owned(),
        size: element.number("size")?,
        compression,
        chunk_size,
        line: element.line(),
    })
}

/// The scheme of a URI that has one: `http` of `http://host/file`.
fn scheme(href: &str) -> Option<&str> {
    let (scheme, _) = href.split_once(':')?;
    let begins = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    (begins && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))).then_some(scheme)
}

/// Whether a file is to be got from a server. Such a file is shown, and refused when it is to be read.
fn is_remote(href: &str) -> bool {
    scheme(href).is_some_and(|scheme| ["http", "https", "ftp"].iter().any(|known| scheme.eq_ignore_ascii_case(known)))
}

/// Whether an href stays inside the package (DSP0243 7.1: no `.` or `..`, relative to the descriptor).
fn inside(href: &str) -> Result<(), &'static str> {
    if is_remote(href) {
        return Ok(());
    }
    if scheme(href).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file")) || href.starts_with(['/', '\\']) {
        return Err("is absolute");
    }
    // A percent sign that escapes nothing is one: some writers do not escape at all.
    let plain = unescaped(href);
    for path in [href.as_bytes(), &plain] {
        if path.split(|byte| matches!(byte, b'/' | b'\\')).any(|part| part == b"..") || path.first() == Some(&b'/') {
            return Err("leads out of the package");
        }
        if path.split(|byte| *byte == b'/').next_back().is_none_or(|part| matches!(part, b"" | b".")) {
            return Err("names a folder");
        }
        if path.iter().any(|byte| byte.is_ascii_control()) {
            return Err("has control characters in it");
        }
    }
    Ok(())
}

/// Percent-encoding undone.
fn unescaped(href: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut plain = Vec::with_capacity(href.len());
    let mut rest = href.as_bytes();
    while let [first, after @ ..] = rest {
        (plain, rest) = match after {
            [high, low, behind @ ..] if *first == b'%' => match (digit(high), digit(low)) {
                (Some(high), Some(low)) => (with(plain, high << 4 | low), behind),
                _ => (with(plain, *first), after),
            },
            _ => (with(plain, *first), after),
        };
    }
    plain
}

fn with(mut bytes: Vec<u8>, byte: u8) -> Vec<u8> {
    bytes.push(byte);
    bytes
}
