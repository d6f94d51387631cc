//! systemd-boot: `loader/loader.conf`, entries on the EFI system partition and on an extended boot loader partition, and
//! unified kernel images in `EFI/Linux`.

use std::cmp::Ordering;

use super::{Entry, compare, compare_names, read_folder, uki};
use crate::loader::Limits;
use crate::loader::found::{Candidate, File, Found};
use crate::loader::system::{System, normal};

/// The most images in `EFI/Linux`.
const MAX_IMAGES: usize = 64;
/// Architectures that entries may say they are for.
const ARCHITECTURES: [&str; 2] = ["x64", "x86-64"];

/// An entry and what it is sorted by.
struct Sorted {
    candidate: Candidate,
    sort_key: Option<String>,
    machine_id: String,
    version: String,
}

/// The entries on `volumes`, the EFI system partition first, and the one that `loader.conf` chooses.
pub(crate) fn find(system: &System, volumes: &[usize], limits: &Limits) -> Option<Found> {
    let mut entries = Vec::new();
    for volume in volumes {
        let files = read_folder(system, *volume, "/loader/entries", limits);
        let files = files.into_iter().filter_map(|entry| typed(system, *volume, entry, limits));
        entries.extend(files);
        entries.extend(images(system, *volume, limits));
    }
    entries.sort_by(order);
    let settings = volumes.first().and_then(|esp| system.text(*esp, "/loader/loader.conf").ok()).unwrap_or_default();
    let pattern = settings.lines().filter_map(|line| line.trim().strip_prefix("default")).next_back();
    let pattern = pattern.filter(|rest| rest.starts_with(char::is_whitespace)).map(str::trim);
    let chosen = pattern.and_then(|pattern| entries.iter().position(|entry| is_meant(pattern, &entry.candidate.id)));
    let why = match (pattern, chosen) {
        (Some(pattern), Some(_)) => format!("loader.conf chooses {pattern}"),
        (Some(pattern), None) => format!("the first of systemd-boot's menu, which has no {pattern}"),
        (None, _) => "the first of systemd-boot's menu".to_owned(),
    };
    let entries: Vec<_> = entries.into_iter().map(|entry| entry.candidate).collect();
    (!entries.is_empty()).then_some(Found { entries, default: chosen.unwrap_or(0), why })
}

/// An entry of type 1: a file with keys and values.
fn typed(system: &System, volume: usize, entry: Entry, limits: &Limits) -> Option<Sorted> {
    if entry.architecture.as_ref().is_some_and(|name| !ARCHITECTURES.contains(&name.to_ascii_lowercase().as_str())) {
        return None;
    }
    let title = entry.title.clone().unwrap_or_else(|| entry.file.clone());
    let candidate = match (&entry.linux, &entry.efi) {
        (Some(kernel), _) => {
            let kernel = normal(kernel);
            let initrds: Vec<_> = entry.initrds.iter().map(|path| normal(path)).collect();
            if let Some(missing) = [&kernel].into_iter().chain(&initrds).find(|path| !system.is_file(volume, path)) {
                limits.note(&format!(
                    "{}: the entry {} names {missing}, which is not there",
                    system.name(volume),
                    entry.file
                ));
                return None;
            }
            Candidate {
                id: entry.file.clone(),
                title,
                source: format!("{}: /loader/entries/{}.conf", system.name(volume), entry.file),
                kernel: File::At(volume, kernel),
                initrds: initrds.into_iter().map(|path| File::At(volume, path)).collect(),
                cmdline: entry.options.unwrap_or_default(),
            }
        }
        (None, Some(image)) => {
            let image = uki::read(system, volume, &normal(&image.replace('\\', "/"))).ok().flatten()?;
            let cmdline = entry.options.unwrap_or_else(|| image.cmdline.clone());
            Candidate { id: entry.file.clone(), title, cmdline, ..image }
        }
        (None, None) => return None,
    };
    Some(Sorted {
        candidate,
        sort_key: entry.sort_key,
        machine_id: entry.machine_id.unwrap_or_default(),
        version: entry.version.unwrap_or_default(),
    })
}

/// Entries of type 2: unified kernel images.
fn images(system: &System, volume: usize, limits: &Limits) -> Vec<Sorted> {
    let mut images = Vec::new();
    let names = system.names(volume, "/EFI/Linux");
    for name in names.iter().filter(|name| name.to_ascii_lowercase().ends_with(".efi")).take(MAX_IMAGES) {
        match uki::read(system, volume, &format!("/EFI/Linux/{name}")) {
            Ok(Some(candidate)) => {
                let version = candidate.id.clone();
                images.push(Sorted { candidate, sort_key: None, machine_id: String::new(), version });
            }
            Ok(None) => limits.note(&format!("{}: /EFI/Linux/{name} is no unified kernel image", system.name(volume))),
            Err(problem) => limits.note(&problem),
        }
    }
    images
}

/// "Sorting" in the specification: those with a sort key first, by it and then the latest version first; the others by
/// their files' names, the latest first.
fn order(one: &Sorted, other: &Sorted) -> Ordering {
    let by_name = || compare_names(&other.candidate.id, &one.candidate.id);
    match (&one.sort_key, &other.sort_key) {
        (Some(a), Some(b)) => a
            .cmp(b)
            .then_with(|| one.machine_id.cmp(&other.machine_id))
            .then_with(|| compare(&other.version, &one.version))
            .then_with(by_name),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => by_name(),
    }
}

/// Whether `default` means this entry: a pattern, with or without the end of the file's name.
fn is_meant(pattern: &str, id: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    let id = id.to_ascii_lowercase();
    matches(&pattern, &id) || matches(&pattern, &format!("{id}.conf"))
}

/// Matches `*` and `?`, going back only to the last `*`.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut done, mut star) = (0, 0, None);
    while let Some(character) = text.get(done) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, done));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == character => {
                at += 1;
                done += 1;
            }
            _ => match star {
                Some((place, taken)) => {
                    at = place + 1;
                    done = taken + 1;
                    star = Some((place, done));
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|character| *character == '*')
}
