//! What GRUB would start: cases in `cases/`, read here and, where it is installed, by GRUB itself.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod case;
mod judge;

use super::*;
use crate::loader::testing::MemoryFs;
use case::{Case, cases};

/// Titles of menus and entry, then the words of `linux` and `initrd`, each a line.
fn started(system: &System, menu: &GrubMenu) -> Vec<String> {
    let Some(path) = menu.chosen() else { return vec!["nothing".to_owned()] };
    let mut lines = Vec::new();
    let mut here = menu;
    for index in path {
        let entry = &here.entries[index];
        lines.push(entry.title.clone());
        match &entry.what {
            What::Menu(menu) => here = menu,
            What::Linux(linux) => {
                let place = |(volume, path): &(usize, String)| {
                    format!("({}){path}", device::name(&system.volumes[*volume].volume))
                };
                let words = linux.cmdline.split_once(' ').map_or("", |(_, words)| words);
                let words = words.replace('"', "").replace("\\\\", "\\");
                lines.push(format!("linux {} {words}", place(&linux.kernel)).trim_end().to_owned());
                let initrds: Vec<_> = linux.initrds.iter().map(place).collect();
                if !initrds.is_empty() {
                    lines.push(format!("initrd {}", initrds.join(" ")));
                }
            }
            What::Other(what) => panic!("{what} was chosen"),
        }
    }
    lines
}

fn run(case: &Case) -> (Vec<String>, Vec<String>) {
    let system = case.system();
    let limits = Limits::default();
    let menu = read(&system, 0, "/boot/grub/grub.cfg", false, &limits);
    (started(&system, &menu), limits.notes())
}

#[test]
fn the_entry_that_grub_would_start_is_chosen() {
    let cases = cases();
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    for case in cases {
        let (lines, notes) = run(&case);
        assert_eq!(lines, case.expected, "{}; {notes:?}", case.name);
    }
}

/// GRUB's own emulator runs the same cases: `cargo test -p ovum-boot grub -- --ignored`.
#[test]
#[ignore = "takes half a minute, and needs grub-emu and mke2fs"]
fn grub_itself_starts_the_same() {
    let Some(grub) = judge::Grub::find() else {
        eprintln!("grub-emu or mke2fs is not there; nothing was compared");
        return;
    };
    let mut wrong = Vec::new();
    for case in cases() {
        let lines = grub.run(&case);
        if lines != case.expected {
            wrong.push(format!("{}:\n  GRUB {lines:?}\n  ours {:?}", case.name, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn menu_of(text: &str) -> (GrubMenu, Limits) {
    let fs = MemoryFs::new("u").with("/boot/grub/grub.cfg", text).with("/boot/vmlinuz", "kernel");
    let system = crate::loader::testing::system(false, vec![fs]);
    let limits = Limits::default();
    let menu = read(&system, 0, "/boot/grub/grub.cfg", false, &limits);
    (menu, limits)
}

#[test]
fn partitions_are_found_by_all_their_names() {
    for (gpt, devices) in
        [(true, ["hd0,gpt2", "hd0,2", "(hd0,gpt2)"]), (false, ["hd0,msdos2", "hd0,2", "(hd0,msdos2)"])]
    {
        let system = crate::loader::testing::system(gpt, vec![MemoryFs::new("a"), MemoryFs::new("b")]);
        for device in devices {
            assert_eq!(device::find(&system, device), Some(1), "{device}");
        }
        for device in ["hd0", "hd1,2", "hd0,3", "hd0,", "", "lvm/a-b", "hd", "hdx,y"] {
            assert_eq!(device::find(&system, device), None, "{device}");
        }
    }
}

#[test]
fn the_command_line_has_what_grub_puts_in() {
    let (menu, _) = menu_of("menuentry A { linux (hd0,1)/boot/vmlinuz \"a b\" 'q\"q' back\\\\slash \\\\x20 }");
    let What::Linux(linux) = &menu.entries[0].what else { panic!("{menu:?}") };
    assert_eq!(linux.cmdline, r#"BOOT_IMAGE=(hd0,1)/boot/vmlinuz "a b" q\"q back\\slash \x20"#);
}

#[test]
fn what_starts_no_linux_says_so() {
    let text = "menuentry Windows { chainloader +1 }\nmenuentry Off { halt }\nmenuentry Gone { linux /gone }\n\
                menuentry Xen { multiboot2 /xen.gz x; module2 /boot/vmlinuz }\nmenuentry Empty { true }";
    let (menu, _) = menu_of(text);
    let whats = menu.entries.iter().map(|entry| match &entry.what {
        What::Other(what) => what.as_str(),
        _ => "a kernel",
    });
    let expected =
        ["chainloader +1", "halt", "the kernel /gone is not there", "multiboot2 /xen.gz x", "nothing that boots"];
    assert_eq!(whats.collect::<Vec<_>>(), expected);
    assert!(menu.chosen().is_none());
}

#[test]
fn scripts_that_do_not_end_are_ended() {
    for (text, why) in [
        ("while true; do true; done", "does not end"),
        ("function f { f; }\nf", "calls itself"),
        ("source /boot/grub/grub.cfg", "calls itself"),
        ("configfile /boot/grub/grub.cfg", "without end"),
        ("menuentry A { configfile /boot/grub/grub.cfg }", ""),
        ("submenu A { source /boot/grub/grub.cfg }", ""),
        ("a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\nwhile true; do a=$a$a$a$a; done", "too"),
        ("a=x\nwhile true; do a=$a$a; b$a=1; done", "too"),
        ("while true; do menuentry A { linux /boot/vmlinuz }; done", "only the first 512 entries"),
        ("function f { set -- \"$@\" \"$@\"; setparams \"$@\" \"$@\"; f \"$@\" \"$@\"; }\nf a b c", "too long"),
    ] {
        let (_, limits) = menu_of(text);
        let notes = limits.notes();
        assert!(why.is_empty() || notes.iter().any(|note| note.contains(why)), "{text}: {notes:?}");
    }
}

#[test]
fn nesting_has_an_end() {
    for text in
        ["if true; then ".repeat(50_000), "{ ".repeat(50_000), "menuentry a { ".repeat(50_000), "$".repeat(50_000)]
    {
        let (menu, limits) = menu_of(&text);
        assert!(menu.entries.is_empty() && !limits.notes().is_empty());
    }
}

/// An installation of Fedora 40, as far as it matters: grub.cfg without entries, `blscfg`, `kernelopts`.
fn fedora(grubenv: &str) -> (System, Vec<String>) {
    let config = "set default=\"${saved_entry}\"\nload_env\nset default=\"${saved_entry}\"\n\
        if [ -s $prefix/nothing ]; then\nset boot_once=true\nfi\nsearch --no-floppy --fs-uuid --set=boot b007\n\
        set root=$boot\nif [ -z \"${kernelopts}\" ]; then\n  set kernelopts=\"root=UUID=4007 ro \"\nfi\ninsmod blscfg\nblscfg\n";
    let bls = |version: &str, options: &str| {
        format!(
            "title Fedora ({version})\nversion {version}\nlinux /vmlinuz-{version}\ninitrd /initrd-{version} $tuned_initrd\n\
             options {options}\ngrub_users $grub_users\ngrub_arg --unrestricted\ngrub_class fedora\n"
        )
    };
    let mut fs = MemoryFs::new("b007").with("/grub2/grub.cfg", config);
    for version in ["6.8.9", "6.8.10", "5.99.1"] {
        fs = fs
            .with(&format!("/vmlinuz-{version}"), "kernel")
            .with(&format!("/initrd-{version}"), "archive")
            .with(&format!("/loader/entries/0123abcd-{version}.conf"), bls(version, "$kernelopts quiet $tuned_params"));
    }
    fs = fs.with("/loader/entries/0123abcd-0-rescue.conf", bls("6.8.9", "root=/dev/sda1 rescue"));
    let env = format!("# GRUB Environment Block\n{grubenv}\n####");
    let system = crate::loader::testing::system(true, vec![MemoryFs::new("e5b"), fs.with("/grub2/grubenv", env)]);
    let limits = Limits::default();
    let menu = read(&system, 1, "/grub2/grub.cfg", true, &limits);
    let ids = menu.entries.iter().map(|entry| entry.id.clone());
    let lines = started(&system, &menu).into_iter().chain(ids).collect();
    (system, lines)
}

#[test]
fn entries_in_files_are_sorted_and_chosen_as_fedoras_grub_does() {
    let (_, lines) = fedora("kernelopts=root=UUID=r007 ro rhgb");
    let newest = [
        "Fedora (6.8.10)",
        "linux (hd0,gpt2)/vmlinuz-6.8.10 root=UUID=r007 ro rhgb quiet",
        "initrd (hd0,gpt2)/initrd-6.8.10",
        "0123abcd-6.8.10",
        "0123abcd-6.8.9",
        "0123abcd-5.99.1",
        "0123abcd-0-rescue",
    ];
    assert_eq!(lines, newest);
    for (saved, title) in [
        ("saved_entry=0123abcd-5.99.1", "Fedora (5.99.1)"),
        ("saved_entry=1", "Fedora (6.8.9)"),
        ("saved_entry=0123abcd-gone", "Fedora (6.8.10)"),
        ("saved_entry=Fedora (6.8.9)", "Fedora (6.8.9)"),
    ] {
        assert_eq!(fedora(saved).1[0], title, "{saved}");
    }
}
