//! `linux` and `initrd`: what an entry loads.

use super::shell::{Loaded, Shell};

/// The most archives that one kernel is given.
const MAX_INITRDS: usize = 32;

/// `linux FILE ARGUMENTS...`
pub(super) fn linux(shell: &mut Shell<'_>, arguments: &[String]) -> i32 {
    shell.loaded = Loaded::default();
    let Some((file, _)) = arguments.split_first() else { return 1 };
    match shell.locate(file).filter(|file| shell.system.is_file(file.volume, &file.path)) {
        Some(location) => {
            shell.loaded.kernel = Some((location, arguments.to_vec()));
            0
        }
        None => {
            shell.loaded.other = Some(format!("the kernel {file} is not there"));
            1
        }
    }
}

/// `initrd FILE...`: all of them, in place of those before.
pub(super) fn initrd(shell: &mut Shell<'_>, arguments: &[String]) -> i32 {
    if shell.loaded.kernel.is_none() {
        return 1;
    }
    let mut initrds = Vec::new();
    for file in arguments {
        match shell.locate(file).filter(|file| shell.system.is_file(file.volume, &file.path)) {
            Some(location) if initrds.len() < MAX_INITRDS => initrds.push(location),
            Some(_) => return 1,
            None => {
                // GRUB says so, waits for a key, and starts the kernel without any.
                shell.note(&format!("the initramfs {file} is not there"));
                return 1;
            }
        }
    }
    shell.loaded.initrds = initrds;
    0
}

/// The kernel's command line as GRUB puts it together: words with blanks in double quotes, quotes and backslashes behind a
/// backslash (grub-core/lib/cmdline.c).
pub(super) fn command_line(words: &[String]) -> String {
    let mut line = String::from("BOOT_IMAGE=");
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            line.push(' ');
        }
        let quoted = word.contains(' ');
        if quoted {
            line.push('"');
        }
        for (at, character) in word.char_indices() {
            let is_hex = word.get(at..).is_some_and(|rest| rest.starts_with("\\x"));
            if matches!(character, '\\' | '\'' | '"') && !is_hex {
                line.push('\\');
            }
            line.push(character);
        }
        if quoted {
            line.push('"');
        }
    }
    line
}
