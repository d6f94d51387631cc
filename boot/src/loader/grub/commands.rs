//! GRUB's commands, as far as they decide what boots. What only draws, waits or loads modules does nothing and succeeds.

use super::MAX_ITEMS;
use super::device::Location;
use super::load;
use super::search;
use super::shell::{Flow, Item, Shell};
use super::syntax::Script;
use super::test_command::{self, Files};
use crate::filesystem::FileKind;
use crate::loader::grub::{block, entries};

/// Succeed, and change nothing that matters here.
const IGNORED: &str = " echo insmod rmmod load_video loadfont terminal_input terminal_output terminal serial gfxmode \
    background_image background_color play sleep clear gettext list_env save_env password password_pbkdf2 authenticate \
    play pager date cat version videoinfo videomode lsmod lsfonts keymap drivemap parttool gptsync nativedisk outb outl \
    outw write_byte write_word write_dword cutmem badram acpi devicetree trust distrust hashsum all_video vbeinfo \
    cpuid hwmatch rdmsr lspci lsacpi lsefi true : ";

/// Fail: they ask for what is not there, or do what cannot be done here.
const REFUSED: &str = " false keystatus regexp cryptomount loopback smbios usb verify_detached verify file cmp read ";

/// End GRUB or start what is no Linux.
const ELSEWHERE: &str = " chainloader halt reboot exit fwsetup multiboot multiboot2 xen_hypervisor ntldr freedos plan9 kfreebsd \
    knetbsd kopenbsd xnu_kernel xnu_kernel64 appleloader efiemu_loadcore legacy_kernel ";

/// Runs a command; `None` if it is none that is known.
pub(super) fn run(shell: &mut Shell<'_>, name: &str, arguments: &[String], block: Option<&Script>) -> Option<Flow> {
    shell.status = match name {
        "menuentry" | "submenu" => i32::from(!entry(shell, name == "submenu", arguments, block)),
        "set" => set(shell, arguments),
        "unset" => each(arguments, |name| shell.variables.unset(name)),
        "export" => each(arguments, |name| shell.variables.export(name)),
        "test" => i32::from(!test_command::evaluate(arguments, &*shell)),
        "[" => match arguments.split_last() {
            Some((last, words)) if last == "]" => i32::from(!test_command::evaluate(words, &*shell)),
            _ => 1,
        },
        "load_env" => load_env(shell, arguments),
        "increment" | "decrement" => {
            each(arguments.get(..1).unwrap_or_default(), |variable| count(shell, variable, name))
        }
        "ls" => i32::from(arguments.last().is_some_and(|path| shell.kind(path).is_none())),
        "probe" => search::probe(shell, arguments),
        "blscfg" | "bls_import" => entries::add(shell),
        "linux" | "linux16" | "linuxefi" => load::linux(shell, arguments),
        "initrd" | "initrd16" | "initrdefi" => load::initrd(shell, arguments),
        "setparams" => {
            shell.arguments = arguments.to_vec();
            0
        }
        "shift" => {
            let count = number(arguments, 1).min(shell.arguments.len());
            shell.arguments.drain(..count);
            0
        }
        name if name == "search" || name.starts_with("search.") || name.starts_with("search_") => {
            search::search(shell, name, arguments)
        }
        name if is_one_of(name, IGNORED) => 0,
        name if is_one_of(name, REFUSED) => 1,
        name if is_one_of(name, ELSEWHERE) => {
            shell.loaded.other = Some(format!("{name} {}", arguments.join(" ")).trim_end().to_owned());
            shell.loaded.kernel = None;
            0
        }
        name => return control(shell, name, arguments),
    };
    let is_over = matches!(name, "halt" | "reboot" | "exit" | "fwsetup");
    Some(if is_over { Flow::End } else { Flow::Next })
}

/// Commands that say where the script goes on.
fn control(shell: &mut Shell<'_>, name: &str, arguments: &[String]) -> Option<Flow> {
    let count = || u32::try_from(number(arguments, 1)).unwrap_or(u32::MAX).max(1);
    Some(match name {
        "break" => Flow::Break(count()),
        "continue" => Flow::Continue(count()),
        "return" => {
            shell.status = i32::try_from(number(arguments, usize::try_from(shell.status).unwrap_or(1))).unwrap_or(1);
            Flow::Return
        }
        "boot" => {
            shell.booted = shell.loaded.kernel.is_some();
            shell.status = i32::from(!shell.booted);
            if shell.booted { Flow::End } else { Flow::Next }
        }
        "eval" => {
            let text = arguments.join(" ");
            shell.status = 0;
            shell.run_text(&text, "eval")
        }
        "source" | "." | "extract_entries_source" => match arguments.first().and_then(|name| shell.locate(name)) {
            Some(file) => {
                shell.status = 0;
                shell.run_file(&file)
            }
            None => failed(shell, name, arguments),
        },
        "configfile" | "normal" | "extract_entries_configfile" => {
            let default = format!("{}/grub.cfg", shell.value("prefix"));
            let file = arguments.first().map_or(default.as_str(), String::as_str);
            match shell.locate(file).filter(|file| shell.system.is_file(file.volume, &file.path)) {
                Some(file) => {
                    shell.next_file = Some(file);
                    Flow::End
                }
                None => failed(shell, name, arguments),
            }
        }
        "normal_exit" => Flow::Return,
        _ => return None,
    })
}

fn failed(shell: &mut Shell<'_>, name: &str, arguments: &[String]) -> Flow {
    shell.note(&format!("{name} {}: there is no such file", arguments.join(" ")));
    shell.status = 1;
    Flow::Next
}

fn is_one_of(name: &str, list: &str) -> bool {
    list.split_ascii_whitespace().any(|known| known == name)
}

fn each(arguments: &[String], mut action: impl FnMut(&str)) -> i32 {
    arguments.iter().for_each(|argument| action(argument));
    0
}

/// The first argument as a number.
fn number(arguments: &[String], otherwise: usize) -> usize {
    arguments.first().and_then(|argument| argument.parse().ok()).unwrap_or(otherwise)
}

fn set(shell: &mut Shell<'_>, arguments: &[String]) -> i32 {
    if let Some((name, value)) = arguments.first().and_then(|argument| argument.split_once('=')) {
        shell.set(name, value);
    }
    0
}

fn count(shell: &mut Shell<'_>, variable: &str, way: &str) {
    let value: i64 = shell.value(variable).parse().unwrap_or(0);
    let value = if way == "increment" { value.saturating_add(1) } else { value.saturating_sub(1) };
    shell.set(variable, &value.to_string());
}

/// `load_env [-f FILE] [NAME...]`: all variables of the block, or those that are named.
fn load_env(shell: &mut Shell<'_>, arguments: &[String]) -> i32 {
    let mut file = None;
    let mut wanted: Vec<&str> = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "-f" | "--file" => file = rest.next().cloned(),
            argument if argument.starts_with("--file=") => file = argument.strip_prefix("--file=").map(str::to_owned),
            argument if argument.starts_with('-') => {}
            name => wanted.push(name),
        }
    }
    let file = file.unwrap_or_else(|| format!("{}/grubenv", shell.value("prefix")));
    let Some(file) = shell.locate(&file) else { return 1 };
    let Ok(text) = shell.system.text(file.volume, &file.path) else { return 1 };
    for (name, value) in block::read(&text) {
        if wanted.is_empty() || wanted.contains(&name.as_str()) {
            shell.set(&name, &value);
        }
    }
    0
}

/// `menuentry TITLE [--id ID] [--class C] [--users U] ... { ... }`: what is no option goes to the script as an argument.
fn entry(shell: &mut Shell<'_>, submenu: bool, arguments: &[String], block: Option<&Script>) -> bool {
    let mut id = None;
    let mut positional = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (option, inline) =
            argument.split_once('=').map_or((argument.as_str(), None), |(name, value)| (name, Some(value)));
        match option {
            "--id" => id = inline.map(str::to_owned).or_else(|| rest.next().cloned()),
            "--class" | "--users" | "--hotkey" | "--source" if inline.is_none() => {
                rest.next();
            }
            "--unrestricted" | "--class" | "--users" | "--hotkey" | "--source" => {}
            "--" => positional.extend(rest.by_ref().cloned()),
            _ => positional.push(argument.clone()),
        }
    }
    let (Some(title), Some(block)) = (positional.first().cloned(), block) else {
        shell.note("an entry of the menu has no title or no commands");
        return false;
    };
    if !shell.limits.another_entry(MAX_ITEMS) {
        return false;
    }
    let id = id.unwrap_or_else(|| title.clone());
    shell.items.push(Item { title, id, arguments: positional, body: block.clone(), submenu });
    true
}

impl Shell<'_> {
    fn kind(&self, name: &str) -> Option<FileKind> {
        let Location { volume, path } = self.locate(name)?;
        self.system.kind(volume, &path)
    }
}

impl Files for Shell<'_> {
    fn file_len(&self, name: &str) -> Option<u64> {
        let Location { volume, path } = self.locate(name)?;
        self.system.len(volume, &path)
    }

    fn is_directory(&self, name: &str) -> bool {
        self.kind(name) == Some(FileKind::Directory)
    }
}
