//! SYSLINUX, EXTLINUX and ISOLINUX: their configuration file (doc/syslinux.txt of the project).

#[cfg(test)]
mod tests;

use super::Limits;
use super::found::{Candidate, File, Found};
use super::system::{System, folder, normal};

/// Where the file is looked for, in the order of the programs themselves.
const PATHS: [&str; 14] = [
    "/boot/extlinux/extlinux.conf",
    "/extlinux/extlinux.conf",
    "/boot/syslinux/extlinux.conf",
    "/syslinux/extlinux.conf",
    "/boot/extlinux.conf",
    "/extlinux.conf",
    "/boot/syslinux/syslinux.cfg",
    "/syslinux/syslinux.cfg",
    "/boot/extlinux/syslinux.cfg",
    "/syslinux.cfg",
    "/boot/isolinux/isolinux.cfg",
    "/isolinux/isolinux.cfg",
    "/isolinux.cfg",
    "/EFI/syslinux/syslinux.cfg",
];
/// The most labels.
const MAX_LABELS: usize = 256;
/// Files may include files so deep.
const MAX_INCLUDES: usize = 8;

/// The entries of the first configuration file on a volume.
pub(super) fn find(system: &System, volume: usize, limits: &Limits) -> Option<Found> {
    let path = PATHS.iter().find(|path| system.is_file(volume, path))?;
    let mut reader = Reader { system, volume, limits, base: folder(path).to_owned(), config: Config::default() };
    reader.file(path, 0);
    let found = reader.config.found(system, volume, path, folder(path));
    (!found.entries.is_empty()).then_some(found)
}

#[derive(Debug, Default)]
struct Config {
    default: Option<String>,
    on_timeout: Option<String>,
    menu_default: Option<usize>,
    /// Arguments for labels that have none of their own.
    append: String,
    labels: Vec<Label>,
}

#[derive(Debug, Default)]
struct Label {
    name: String,
    title: Option<String>,
    kernel: Option<String>,
    initrd: Option<String>,
    append: Option<String>,
}

struct Reader<'s> {
    system: &'s System,
    volume: usize,
    limits: &'s Limits,
    base: String,
    config: Config,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, depth: usize) {
        let text = match self.system.text(self.volume, path) {
            Ok(text) => text,
            Err(problem) => return self.limits.note(&problem),
        };
        self.limits.read(text.len());
        let mut in_text = false;
        for line in text.lines().map(str::trim) {
            if !self.limits.step() {
                return;
            }
            let (key, value) =
                line.split_once(char::is_whitespace).map_or((line, ""), |(key, value)| (key, value.trim()));
            let key = key.to_ascii_lowercase();
            if in_text {
                in_text = key != "endtext";
                continue;
            }
            match key.as_str() {
                "text" => in_text = true,
                "include" => self.include(value, depth),
                "menu" => self.menu(value, depth),
                key => self.config.line(key, value, self.limits),
            }
        }
    }

    fn include(&mut self, value: &str, depth: usize) {
        if depth >= MAX_INCLUDES {
            return self.limits.note("syslinux: files include each other without end");
        }
        let path = value.split_whitespace().next().unwrap_or_default();
        self.file(&absolute(path, &self.base), depth + 1);
    }

    /// `MENU DEFAULT`, `MENU LABEL`, `MENU INCLUDE`; the rest is about looks.
    fn menu(&mut self, value: &str, depth: usize) {
        let (key, value) =
            value.split_once(char::is_whitespace).map_or((value, ""), |(key, value)| (key, value.trim()));
        match key.to_ascii_lowercase().as_str() {
            "default" if value.is_empty() => {
                self.config.menu_default = self.config.labels.len().checked_sub(1);
            }
            "default" => self.config.default = Some(value.to_owned()),
            "label" => {
                if let Some(label) = self.config.labels.last_mut() {
                    label.title = Some(value.replace('^', ""));
                }
            }
            "include" => self.include(value, depth),
            _ => {}
        }
    }
}

impl Config {
    fn line(&mut self, key: &str, value: &str, limits: &Limits) {
        let value = || value.to_owned();
        match (key, self.labels.last_mut()) {
            ("default", _) => self.default = Some(value()),
            ("ontimeout", _) => self.on_timeout = Some(value()),
            ("label", _) if limits.another_entry(MAX_LABELS) => {
                self.labels.push(Label { name: value(), ..Label::default() });
            }
            ("append", None) => self.append = value(),
            ("append", Some(label)) => label.append = Some(value()),
            ("linux" | "kernel", Some(label)) => label.kernel = Some(value()),
            ("initrd", Some(label)) => label.initrd = Some(value()),
            _ => {}
        }
    }

    fn found(&self, system: &System, volume: usize, path: &str, base: &str) -> Found {
        let mut entries = Vec::new();
        // The place of each label among the entries.
        let mut places = Vec::new();
        for label in &self.labels {
            let candidate = self.candidate(label, system, volume, path, base);
            places.push(candidate.is_some().then_some(entries.len()));
            entries.extend(candidate);
        }
        // What follows the label's name in DEFAULT is only more arguments.
        let named = |name: &Option<String>| {
            let name = name.as_ref()?;
            let position = self.labels.iter().position(|label| label.name == *name);
            let first =
                || self.labels.iter().position(|label| Some(label.name.as_str()) == name.split_whitespace().next());
            places.get(position.or_else(first)?).copied().flatten()
        };
        let menu = self.menu_default.and_then(|index| places.get(index).copied().flatten());
        let choices = [
            (named(&self.on_timeout), "ONTIMEOUT says so"),
            (menu, "MENU DEFAULT says so"),
            (named(&self.default), "DEFAULT says so"),
        ];
        let chosen = choices.into_iter().find_map(|(index, why)| Some((index?, why)));
        let (default, why) = chosen.unwrap_or((0, "the first label"));
        Found { entries, default, why: format!("{why} in {path}") }
    }

    fn candidate(&self, label: &Label, system: &System, volume: usize, path: &str, base: &str) -> Option<Candidate> {
        // A label without a kernel is one itself; modules of the loader are none.
        let kernel = label.kernel.as_deref().unwrap_or(&label.name);
        let kernel = absolute(kernel, base);
        if [".c32", ".bin", ".0", ".bs", ".bss"].iter().any(|end| kernel.ends_with(end))
            || !system.is_file(volume, &kernel)
        {
            return None;
        }
        let arguments = match label.append.as_deref() {
            Some("-") => "",
            Some(append) => append,
            None => &self.append,
        };
        // `initrd=` among the arguments is the loader's own way to name archives.
        let mut inline = arguments.split_whitespace().filter_map(|word| word.strip_prefix("initrd="));
        let archives = label.initrd.as_deref().or_else(|| inline.next_back()).unwrap_or_default();
        let archives = archives.split(',').filter(|archive| !archive.is_empty()).map(|archive| absolute(archive, base));
        let archives: Vec<_> = archives.collect();
        if !archives.iter().all(|archive| system.is_file(volume, archive)) {
            return None;
        }
        Some(Candidate {
            id: label.name.clone(),
            title: label.title.clone().unwrap_or_else(|| label.name.clone()),
            source: format!("{}: {path}", system.name(volume)),
            cmdline: format!("BOOT_IMAGE={kernel} {arguments}").trim_end().to_owned(),
            kernel: File::At(volume, kernel),
            initrds: archives.into_iter().map(|archive| File::At(volume, archive)).collect(),
        })
    }
}

/// A path, which counts from the folder of the first configuration file if it does not begin at the root.
fn absolute(path: &str, base: &str) -> String {
    // Names of UEFI and of old DOS have backslashes.
    let path = path.replace('\\', "/");
    if path.starts_with('/') { normal(&path) } else { normal(&format!("{base}/{path}")) }
}
