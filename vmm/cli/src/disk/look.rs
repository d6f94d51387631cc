//! `ovum disk info`, `check` and `map`: nothing is changed.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ovum_disk::image::{Image, Place};
use ovum_disk::{Access, Disk, check};
use serde::Serialize;

use super::args::{ImageArgs, SourceArgs};
use crate::failure::Failure;
use crate::report::{self, Status, printable};
use crate::units::Size;

/// Opens an image to read it.
pub fn open(path: &Path, source: &SourceArgs) -> Result<Arc<Image>, Failure> {
    Ok(match &source.base {
        Some(base) => {
            let below = ovum_disk::open(base, None, Access::ReadOnly)?;
            ovum_disk::open_above(path, source.format, base, below)?
        }
        None => ovum_disk::open(path, source.format, Access::ReadOnly)?,
    })
}

/// What `info` says of one image of a chain.
#[derive(Serialize)]
struct Info {
    files: Vec<PathBuf>,
    /// Bytes that a guest sees.
    size: u64,
    /// Bytes of the files.
    file_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_size: Option<u64>,
    details: serde_json::Map<String, serde_json::Value>,
}

impl Info {
    fn of(image: &Image) -> Self {
        let layout = image.layout();
        Self {
            files: layout.storages().iter().map(|storage| storage.name().into()).collect(),
            size: image.size(),
            file_size: layout.storages().iter().map(|storage| storage.size()).sum(),
            block_size: layout.block_size(),
            details: layout.details().into_iter().map(|(name, value)| (name.replace(' ', "_"), value.into())).collect(),
        }
    }

    fn show(&self, text: &mut String) {
        let mut line = |name: &str, value: &str| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name:<20}{}", printable(value));
        };
        for file in &self.files {
            line("file", &file.display().to_string());
        }
        line("disk size", &format!("{} ({} bytes)", Size(self.size), self.size));
        line("file size", &format!("{} bytes", self.file_size));
        if let Some(size) = self.block_size {
            line("block size", &Size(size).to_string());
        }
        for (name, value) in &self.details {
            line(&name.replace('_', " "), value.as_str().unwrap_or_default());
        }
    }
}

/// `ovum disk info`
pub fn info(args: &ImageArgs) -> Result<Status, Failure> {
    #[derive(Serialize)]
    struct Report {
        format: String,
        #[serde(flatten)]
        image: Info,
        below: Vec<Info>,
    }
    let image = open(&args.image, &args.source)?;
    let below = std::iter::successors(image.below(), |image| image.below()).map(|image| Info::of(image)).collect();
    let report = Report { format: image.format().to_string(), image: Info::of(&image), below };
    if args.json {
        return Ok(report::to_stdout(&report::to_json(&report)));
    }
    let mut text = format!("{:<20}{}\n", "format", report.format);
    report.image.show(&mut text);
    for below in &report.below {
        text.push_str("\nbelow it:\n");
        below.show(&mut text);
    }
    Ok(report::to_stdout(&text))
}

/// `ovum disk check`
pub fn check(args: &ImageArgs) -> Result<Status, Failure> {
    #[derive(Serialize)]
    struct Finding {
        file: String,
        offset: u64,
        field: &'static str,
        problem: String,
    }
    #[derive(Serialize)]
    struct Report {
        damage: u64,
        leaked_bytes: u64,
        findings: Vec<Finding>,
    }
    let image = open(&args.image, &args.source)?;
    let mut report = Report { damage: 0, leaked_bytes: 0, findings: Vec::new() };
    let mut lines = String::new();
    for image in std::iter::successors(Some(&image), |image| image.below()) {
        let found = check::check(image.layout()).map_err(|error| Failure::io("cannot read", &args.image, &error))?;
        report.damage += found.count;
        report.leaked_bytes += found.leaked;
        for damage in found.damage {
            let _ = writeln!(lines, "{}", printable(&damage.to_string()));
            let ovum_disk::Damage { file, offset, field, problem } = damage;
            report.findings.push(Finding { file, offset, field, problem });
        }
    }
    let _ = match report.damage {
        0 => writeln!(lines, "nothing is damaged"),
        count => writeln!(lines, "damage: {count}"),
    };
    if report.leaked_bytes > 0 {
        let _ = writeln!(lines, "{} bytes are marked as used and are not (harmless)", report.leaked_bytes);
    }
    let text = if args.json { report::to_json(&report) } else { lines };
    match report::to_stdout(&text) {
        Status::Done if report.damage > 0 => Ok(Status::WrongUsage),
        status => Ok(status),
    }
}

/// A range of the disk whose bytes are in one place.
#[derive(Serialize, Clone, PartialEq)]
struct Range {
    start: u64,
    length: u64,
    /// How many images down the chain.
    depth: usize,
    /// `data`, `compressed`, `zero` or `hole`.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
}

impl Range {
    /// Takes `next` in, if it goes on where this ends.
    fn join(&mut self, next: &Self) -> bool {
        let goes_on = match (self.offset, next.offset) {
            (Some(here), Some(there)) => self.kind == "data" && here + self.length == there,
            (None, None) => true,
            _ => false,
        };
        let joins = goes_on && (self.depth, self.kind, &self.file) == (next.depth, next.kind, &next.file);
        if joins {
            self.length += next.length;
        }
        joins
    }
}

/// The range at `start`. What a file has as a hole is told from data.
fn range_at(image: &Image, start: u64) -> io::Result<Range> {
    let found = image.locate(start, image.size() - start)?;
    let mut range = Range { start, length: found.len, depth: found.depth, kind: "hole", file: None, offset: None };
    match found.place {
        Place::Nowhere => (),
        Place::Zero => range.kind = "zero",
        Place::Packed(image, packed) => {
            range.kind = "compressed";
            range.file = image.layout().storages().get(packed.storage).map(|storage| storage.name());
            range.offset = Some(packed.offset);
        }
        Place::Stored(storage, at) => {
            let data = storage.data_after(at)?;
            if data.start > at || data.is_empty() {
                range.kind = "zero";
                range.length = if data.is_empty() { found.len } else { found.len.min(data.start - at) };
            } else {
                range.kind = "data";
                range.length = found.len.min(data.end - at);
                range.file = Some(storage.name());
                range.offset = Some(at);
            }
        }
    }
    Ok(range)
}

/// `ovum disk map`: prints as it goes, since a map may be long.
pub fn map(args: &ImageArgs) -> Result<Status, Failure> {
    let image = open(&args.image, &args.source)?;
    let mut printer = Printer { json: args.json, first: true, out: io::stdout().lock() };
    let result = printer.all(&image);
    match result {
        Ok(()) => Ok(Status::Done),
        Err(MapError::Print(error)) => Ok(report::stdout_failed(&error)),
        Err(MapError::Image(error)) => Err(Failure::io("cannot read", &args.image, &error)),
    }
}

enum MapError {
    Image(io::Error),
    Print(io::Error),
}

struct Printer<W> {
    json: bool,
    first: bool,
    out: W,
}

impl<W: io::Write> Printer<W> {
    fn all(&mut self, image: &Image) -> Result<(), MapError> {
        let mut last: Option<Range> = None;
        let mut offset = 0;
        while offset < image.size() {
            let range = range_at(image, offset).map_err(MapError::Image)?;
            offset += range.length;
            if last.as_mut().is_some_and(|last| last.join(&range)) {
                continue;
            }
            if let Some(done) = last.replace(range) {
                self.print(&done).map_err(MapError::Print)?;
            }
        }
        if let Some(last) = last {
            self.print(&last).map_err(MapError::Print)?;
        }
        self.end().map_err(MapError::Print)
    }

    fn print(&mut self, range: &Range) -> io::Result<()> {
        let before = match (self.json, std::mem::take(&mut self.first)) {
            (true, true) => "[",
            (true, false) => ",\n ",
            (false, true) => "       start       length depth kind       place\n",
            (false, false) => "",
        };
        write!(self.out, "{before}")?;
        if self.json {
            return serde_json::to_writer(&mut self.out, range).map_err(io::Error::from);
        }
        write!(self.out, "{:>12} {:>12} {:>5} {:<10}", range.start, range.length, range.depth, range.kind)?;
        match (&range.file, range.offset) {
            (Some(file), Some(offset)) => writeln!(self.out, " {offset} in {}", printable(file)),
            _ => writeln!(self.out),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        match (self.json, self.first) {
            (true, true) => writeln!(self.out, "[]"),
            (true, false) => writeln!(self.out, "]"),
            _ => Ok(()),
        }?;
        self.out.flush()
    }
}
