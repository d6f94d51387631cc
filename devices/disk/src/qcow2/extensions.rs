//! Header extensions, and what may be the name of a backing file.

use std::ops::Range;

use super::spec::{self, extension};
use crate::Format;
use crate::error::{Damage, LayoutError};
use crate::image::tables::Tables;
use crate::storage::Storage;

/// What the extensions say, as far as Ovum knows them.
#[derive(Debug, Default)]
pub struct Extensions {
    backing_format: Option<Vec<u8>>,
    /// Numbers of incompatible features, and their names.
    features: Vec<(u8, String)>,
    pub has_bitmaps: bool,
}

impl Extensions {
    /// What to call an incompatible feature.
    pub fn feature(&self, bit: u8) -> String {
        let name = self.features.iter().find(|(of, _)| *of == bit).map(|(_, name)| name.clone());
        name.unwrap_or_else(|| format!("bit {bit}"))
    }

    /// The format of the backing file, where it is declared.
    pub fn backing_format(&self) -> Result<Option<Format>, LayoutError> {
        let Some(bytes) = &self.backing_format else { return Ok(None) };
        let text = String::from_utf8_lossy(bytes);
        match text.parse() {
            Ok(format) => Ok(Some(format)),
            Err(_) => Err(LayoutError::Unsupported {
                what: format!("the image below it is declared to be {text:?}, which Ovum does not read"),
                remedy: "make an image that stands alone, with: qemu-img convert -O qcow2",
            }),
        }
    }
}

/// Reads the extensions in `range` of the file, up to the one that says that it is the last.
pub fn read(storage: &dyn Storage, tables: &Tables, range: Range<u64>) -> Result<Extensions, LayoutError> {
    let mut extensions = Extensions::default();
    let mut at = range.start;
    // The range ends with the first cluster at the latest, and each extension takes at least 8 bytes of it.
    while at.saturating_add(8) <= range.end {
        let [kind, len] = halves(tables.array(at)?);
        if kind == extension::END {
            break;
        }
        let start = at + 8;
        let end = start.saturating_add(u64::from(len));
        if end > range.end {
            let problem = format!("{len} bytes reach past the end of the extensions, {}", range.end);
            return Err(Damage::new(storage, at + 4, "header extension", problem).into());
        }
        match kind {
            extension::BACKING_FORMAT => extensions.backing_format = Some(bytes(tables, start..end, 64)?),
            extension::FEATURE_NAMES => extensions.features = feature_names(tables, start..end)?,
            extension::BITMAPS => extensions.has_bitmaps = true,
            _ => (),
        }
        at = end.next_multiple_of(8);
    }
    Ok(extensions)
}

fn halves(bytes: [u8; 8]) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = bytes;
    [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])]
}

/// The bytes in `range`, at most `most` of them.
fn bytes(tables: &Tables, range: Range<u64>, most: u64) -> Result<Vec<u8>, LayoutError> {
    let len = usize::try_from((range.end - range.start).min(most)).unwrap_or(0);
    let mut bytes = vec![0; len];
    tables.read(range.start, &mut bytes)?;
    Ok(bytes)
}

fn feature_names(tables: &Tables, range: Range<u64>) -> Result<Vec<(u8, String)>, LayoutError> {
    // There are 64 bits of each of three kinds.
    let table = bytes(tables, range, 3 * 64 * spec::FEATURE_NAME as u64)?;
    let name = |entry: &[u8]| match entry {
        [0, bit, name @ ..] => {
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            Some((*bit, String::from_utf8_lossy(name.get(..end)?).into_owned()))
        }
        _ => None,
    };
    Ok(table.chunks_exact(spec::FEATURE_NAME).filter_map(name).collect())
}

/// The name of a file beside the image, from what a header says. QEMU takes what stands before a colon for a protocol and
/// opens servers, pipes and whole graphs of drivers by such names.
pub fn plain_name(name: &[u8]) -> Result<String, LayoutError> {
    let text = String::from_utf8_lossy(name);
    let refuse = || {
        Err(LayoutError::Unsupported {
            what: format!("the image below it, {text:?}, is not named by a plain file name"),
            remedy: "if you trust it, name the file: qemu-img rebase -u -b FILE -F FORMAT",
        })
    };
    let plain = text.strip_prefix("file:").unwrap_or(&text);
    let has_protocol = plain.find(':').is_some_and(|colon| !plain.get(..colon).unwrap_or_default().contains('/'));
    if plain.is_empty() || has_protocol || std::str::from_utf8(name).is_err() || plain.contains('\0') {
        return refuse();
    }
    Ok(plain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_files() {
        for (name, plain) in [("base.raw", "base.raw"), ("../a:b", "../a:b"), ("file:x/y", "x/y"), ("/a/b", "/a/b")] {
            assert_eq!(plain_name(name.as_bytes()).unwrap(), plain);
        }
        let refused: [&[u8]; 8] = [
            b"json:{\"driver\":\"file\",\"filename\":\"/etc/passwd\"}",
            b"nbd://host/disk",
            b"nbd:unix:/sock",
            b"fat:rw:/",
            b"file:nbd:x",
            b"",
            b"a\0b",
            b"\xff\xfe",
        ];
        for name in refused {
            assert!(matches!(plain_name(name), Err(LayoutError::Unsupported { .. })), "{name:?}");
        }
    }
}
