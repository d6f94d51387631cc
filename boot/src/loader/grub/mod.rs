//! GRUB 2: its configuration is a script, which is run here as GRUB would run it, without changing anything.
//!
//! [`lexer`], [`syntax`]: the language. [`shell`]: variables, functions, constructs. [`commands`], [`search`], [`load`],
//! [`entries`]: what commands do. [`device`]: names of volumes. [`select`]: which entry starts. [`block`]: grubenv.

pub(crate) mod block;
mod commands;
mod device;
mod entries;
mod lexer;
mod load;
mod search;
mod select;
mod shell;
mod syntax;
mod test_command;
#[cfg(test)]
mod tests;
mod variables;

use device::Location;
use shell::{Flow, Item, Loaded, Shell};
use variables::Variables;

use super::Limits;
use super::system::{System, folder};

/// The most entries that all menus may have together.
const MAX_ITEMS: usize = 512;
/// Menus within menus, and files that take each other's place, go so deep.
const MAX_MENUS: usize = 8;

/// A menu, all of whose entries were run.
#[derive(Debug, Default)]
pub(super) struct GrubMenu {
    pub entries: Vec<GrubEntry>,
    /// The index of the one that starts by itself.
    pub default: usize,
    /// Those that take its place if it loads nothing.
    pub fallback: Vec<usize>,
    /// Why that one, in a few words.
    pub why: String,
}

/// An entry of a menu.
#[derive(Debug)]
pub(super) struct GrubEntry {
    pub title: String,
    pub id: String,
    pub what: What,
}

/// What an entry leads to.
#[derive(Debug)]
pub(super) enum What {
    /// A Linux kernel.
    Linux(Linux),
    /// Another menu.
    Menu(GrubMenu),
    /// Nothing that can be started here, and what it is instead.
    Other(String),
}

/// A kernel with what belongs to it: volumes by their index, and paths on them.
#[derive(Debug)]
pub(super) struct Linux {
    pub kernel: (usize, String),
    pub initrds: Vec<(usize, String)>,
    pub cmdline: String,
}

/// Runs the configuration file at `path` of a volume, and every entry of its menu.
pub(super) fn read(system: &System, volume: usize, path: &str, efi: bool, limits: &Limits) -> GrubMenu {
    let mut variables = Variables::at_start(efi);
    if let Some(mounted) = system.volumes.get(volume) {
        let device = device::name(&mounted.volume);
        variables.set("prefix", &format!("({device}){}", folder(path)));
        variables.set("root", &device);
    }
    let file = Location { volume, path: path.to_owned() };
    run_file(Shell::new(system, limits, variables), &file, 0)
}

/// Runs a file, or the one that takes its place, and the entries of its menu.
fn run_file(mut shell: Shell<'_>, file: &Location, depth: usize) -> GrubMenu {
    shell.run_file(file);
    finish(shell, depth)
}

/// The menu that a shell has come to.
fn finish(mut shell: Shell<'_>, depth: usize) -> GrubMenu {
    if let Some(next) = shell.next_file.take() {
        if depth >= MAX_MENUS {
            shell.limits.end("GRUB's menus and files lead into each other without end");
            return GrubMenu::default();
        }
        let menu = run_file(shell.inner(shell.variables.exported()), &next, depth + 1);
        // A file without a menu gives the screen back.
        if !menu.entries.is_empty() {
            return menu;
        }
    }
    if shell.booted || (shell.items.is_empty() && shell.loaded.kernel.is_some()) {
        let what = linux(&shell.loaded);
        let entry = GrubEntry { title: "grub.cfg".to_owned(), id: "grub.cfg".to_owned(), what };
        return GrubMenu {
            entries: vec![entry],
            why: "the only thing that grub.cfg starts".to_owned(),
            ..Default::default()
        };
    }
    show(&shell, depth)
}

/// Chooses, and runs every entry.
fn show(shell: &Shell<'_>, depth: usize) -> GrubMenu {
    let names: Vec<_> = shell.items.iter().map(|item| select::Names { title: &item.title, id: &item.id }).collect();
    let value = shell.variables.get("default");
    let (chosen, rest) = value.map_or((None, None), |value| select::select(&names, value, shell.has_bls));
    let why = match (value, chosen) {
        (Some(value), Some(_)) if !value.is_empty() => format!("GRUB's variable default is {value}"),
        (Some(value), None) if !value.is_empty() => format!("the first of GRUB's menu, which has no entry {value}"),
        _ => "the first of GRUB's menu".to_owned(),
    };
    let default = chosen.unwrap_or(0);
    let fallback = shell.variables.get("fallback").unwrap_or_default();
    let fallback = fallback.split_ascii_whitespace().take(MAX_MENUS);
    let fallback = fallback.filter_map(|name| select::select(&names, name, shell.has_bls).0).collect();
    let run = |(index, item): (usize, &Item)| {
        let rest = if index == default { rest } else { None };
        GrubEntry { title: item.title.clone(), id: item.id.clone(), what: entry(shell, item, rest, depth) }
    };
    GrubMenu { entries: shell.items.iter().enumerate().map(run).collect(), default, fallback, why }
}

/// Runs an entry.
fn entry(shell: &Shell<'_>, item: &Item, default: Option<&str>, depth: usize) -> What {
    if depth >= MAX_MENUS {
        return What::Other("a menu too deep in others".to_owned());
    }
    let variables = if item.submenu { shell.variables.exported() } else { shell.variables.clone() };
    let mut inner = shell.inner(variables);
    inner.set("chosen", &item.id.replace('>', ">>"));
    inner.variables.export("chosen");
    match default {
        Some(default) => inner.set("default", default),
        None => inner.variables.unset("default"),
    }
    let flow = inner.call(&item.body, item.arguments.clone());
    if inner.next_file.is_some() || !inner.items.is_empty() {
        let menu = finish(inner, depth + 1);
        return if menu.entries.is_empty() { What::Other("an empty menu".to_owned()) } else { What::Menu(menu) };
    }
    if flow == Flow::End && !inner.booted && inner.loaded.other.is_none() {
        return What::Other(shell.limits.ended().unwrap_or_else(|| "nothing".to_owned()));
    }
    linux(&inner.loaded)
}

fn linux(loaded: &Loaded) -> What {
    let place = |location: &Location| (location.volume, location.path.clone());
    match &loaded.kernel {
        Some((kernel, words)) => What::Linux(Linux {
            kernel: place(kernel),
            initrds: loaded.initrds.iter().map(place).collect(),
            cmdline: load::command_line(words),
        }),
        None => What::Other(loaded.other.clone().unwrap_or_else(|| "nothing that boots".to_owned())),
    }
}

impl GrubMenu {
    /// The entry that would start, by the indexes that lead to it through the menus; none if none of those that would be
    /// tried loads a kernel.
    pub fn chosen(&self) -> Option<Vec<usize>> {
        std::iter::once(self.default).chain(self.fallback.iter().copied()).find_map(|index| {
            match &self.entries.get(index)?.what {
                What::Linux(_) => Some(vec![index]),
                What::Menu(menu) => menu.chosen().map(|rest| [vec![index], rest].concat()),
                What::Other(_) => None,
            }
        })
    }
}
