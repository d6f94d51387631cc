//! `search` and `probe`: from a UUID, a label or a file to a device, and back.

use super::device;
use super::shell::Shell;
use crate::loader::system::{Mounted, normal};

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Uuid,
    Label,
    File,
}

/// What the words of a `search` say.
struct Query {
    by: By,
    name: Option<String>,
    variable: Option<String>,
    hints: Vec<String>,
}

/// `search --fs-uuid|--label|--file [--set[=VARIABLE]] [--hint...] NAME`, and `search.fs_uuid NAME [VARIABLE] [HINT...]`.
pub(super) fn search(shell: &mut Shell<'_>, command: &str, arguments: &[String]) -> i32 {
    let query = if command == "search" { long(arguments) } else { short(command, arguments) };
    let Some(name) = &query.name else { return 1 };
    let by_hint = query.hints.iter().filter_map(|hint| device::find(shell.system, hint));
    let candidates = by_hint.chain(0..shell.system.volumes.len());
    let found = candidates.into_iter().find(|index| {
        shell.system.volumes.get(*index).is_some_and(|mounted| is_it(shell, *index, mounted, query.by, name))
    });
    match found.and_then(|index| shell.system.volumes.get(index)) {
        Some(mounted) => {
            if let Some(variable) = &query.variable {
                shell.set(variable, &device::name(&mounted.volume));
            }
            0
        }
        None => {
            let kind = match query.by {
                By::Uuid => "file system with the UUID",
                By::Label => "file system with the label",
                By::File => "file system with the file",
            };
            shell.note(&format!("there is no {kind} {name}"));
            1
        }
    }
}

fn is_it(shell: &Shell<'_>, index: usize, mounted: &Mounted, by: By, name: &str) -> bool {
    match by {
        By::Uuid => mounted.uuid.as_ref().is_some_and(|uuid| uuid.eq_ignore_ascii_case(name)),
        By::Label => mounted.label.as_deref() == Some(name),
        By::File => shell.system.is_file(index, &normal(name)),
    }
}

fn long(arguments: &[String]) -> Query {
    let mut query = Query { by: By::File, name: None, variable: None, hints: Vec::new() };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (option, value) =
            argument.split_once('=').map_or((argument.as_str(), None), |(name, value)| (name, Some(value)));
        match option {
            "--fs-uuid" | "-u" => query.by = By::Uuid,
            "--label" | "--fs-label" | "-l" => query.by = By::Label,
            "--file" | "-f" => query.by = By::File,
            // A variable's name only follows behind `=`.
            "--set" | "-s" => query.variable = Some(value.unwrap_or("root").to_owned()),
            "--hint" | "-h" => query.hints.extend(value.map(str::to_owned).or_else(|| rest.next().cloned())),
            "--hint-bios" | "--hint-efi" | "--hint-baremetal" => {
                query.hints.extend(value.map(str::to_owned).or_else(|| rest.next().cloned()));
            }
            "--hint-ieee1275" | "--hint-arc" if value.is_none() => {
                rest.next();
            }
            option if option.starts_with('-') => {}
            // The name may be followed by hints.
            _ if query.name.is_none() => query.name = Some(argument.clone()),
            _ => query.hints.push(argument.clone()),
        }
    }
    query
}

fn short(command: &str, arguments: &[String]) -> Query {
    let by = match command {
        "search.fs_uuid" | "search_fs_uuid" => By::Uuid,
        "search.fs_label" | "search_label" | "search.label" => By::Label,
        _ => By::File,
    };
    let mut words = arguments.iter().cloned();
    let name = words.next();
    let variable = words.next();
    Query { by, name, variable, hints: words.collect() }
}

/// `probe --set=VARIABLE --fs-uuid|--label|--fs DEVICE`.
pub(super) fn probe(shell: &mut Shell<'_>, arguments: &[String]) -> i32 {
    let mut variable = None;
    let mut wanted = "";
    let mut device = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--set" | "-s" => variable = rest.next().cloned(),
            argument if argument.starts_with("--set=") => variable = argument.strip_prefix("--set=").map(str::to_owned),
            "--fs-uuid" | "-u" => wanted = "uuid",
            "--label" | "-l" => wanted = "label",
            "--fs" | "-f" => wanted = "fs",
            "--part-uuid" => wanted = "partuuid",
            argument if argument.starts_with('-') => return 1,
            name => device = Some(name.to_owned()),
        }
    }
    let index = device.and_then(|name| device::find(shell.system, &name));
    let Some(mounted) = index.and_then(|index| shell.system.volumes.get(index)) else { return 1 };
    let value = match wanted {
        "uuid" => mounted.uuid.clone(),
        "label" => mounted.label.clone(),
        "fs" => mounted.filesystem.as_ref().map(|fs| fs.kind().replace("ext4", "ext2").replace("vfat", "fat")),
        "partuuid" => mounted.volume.partition().and_then(|partition| partition.partuuid.clone()),
        _ => None,
    };
    match (value, variable) {
        (Some(value), Some(variable)) => {
            shell.set(&variable, &value);
            0
        }
        (Some(_), None) => 0,
        (None, _) => 1,
    }
}
