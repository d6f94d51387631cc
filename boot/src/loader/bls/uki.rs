//! Unified kernel images: a program of UEFI that carries kernel, initramfs and command line in sections.

use std::sync::Arc;

use ovum_disk::storage::{self, Storage};

use super::pe::{self, Section};
use crate::loader::Part;
use crate::loader::found::{Candidate, File};
use crate::loader::system::System;

/// The most that is read of a section of text, in bytes.
const MAX_TEXT: u64 = 64 << 10;

/// The kernel in the image at `path`; `None` if it is no unified kernel image.
///
/// # Errors
/// One line: it cannot be opened.
pub(crate) fn read(system: &System, volume: usize, path: &str) -> Result<Option<Candidate>, String> {
    let image = system.part(volume, path)?;
    let Some(sections) = pe::sections(&*image.storage) else { return Ok(None) };
    let find = |name: &str| sections.iter().find(|section| section.name == name);
    let Some(kernel) = find(".linux").and_then(|section| part(&image, section)) else { return Ok(None) };
    let archives = [".ucode", ".initrd"].iter().filter_map(|name| part(&image, find(name)?)).map(File::Bytes);
    let text = |name: &str| find(name).and_then(|section| text(&*image.storage, section));
    let file = path.rsplit('/').next().unwrap_or(path);
    let release = text(".osrel").unwrap_or_default();
    let title =
        release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).map(|name| name.trim_matches(['"', '\'']));
    let title = title.unwrap_or(file).to_owned();
    let version = text(".uname").map(|version| format!(" ({})", version.trim())).unwrap_or_default();
    Ok(Some(Candidate {
        id: file.to_owned(),
        title: format!("{title}{version}"),
        source: format!("{}: {path}", system.name(volume)),
        initrds: archives.collect(),
        cmdline: text(".cmdline").unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "),
        kernel: File::Bytes(kernel),
    }))
}

fn part(image: &Part, section: &Section) -> Option<Part> {
    let name = format!("{} in {}", section.name, image.name);
    let bytes = storage::Part::new(&section.name, image.storage.clone(), section.range.clone())?;
    Some(Part { name, storage: Arc::new(bytes) })
}

fn text(image: &dyn Storage, section: &Section) -> Option<String> {
    let len = (section.range.end - section.range.start).min(MAX_TEXT);
    let mut bytes = vec![0; usize::try_from(len).ok()?];
    storage::read_bytes(image, section.range.start, &mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned())
}
