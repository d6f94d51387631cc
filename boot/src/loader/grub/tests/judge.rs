//! GRUB's own emulator, run on the disks of a case.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::case::Case;

/// Programs that are there.
pub struct Grub {
    emulator: PathBuf,
    mke2fs: PathBuf,
}

/// What GRUB reads first: the emulator has no `linux` and no `initrd`, so functions say what they would be given.
const PRELUDE: &str = r#"
function linux { if [ -f "$1" ]; then echo "@@linux|$root|$@@@"; else false; fi; }
function initrd { for f in "$@"; do if [ -f $f ]; then true; else return 1; fi; done; echo "@@initrd|$root|$@@@"; }
set root=hd0
set prefix=(hd0)/boot/grub
set timeout=0
export timeout
configfile $prefix/grub.cfg
"#;

impl Grub {
    /// The programs on the path, or where `OVUM_GRUB_EMU` says.
    pub fn find() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<_> = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).collect();
        let find = |name: &str| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
        let emulator = std::env::var_os("OVUM_GRUB_EMU").map(PathBuf::from).or_else(|| find("grub-emu"))?;
        Some(Self { emulator, mke2fs: find("mke2fs")? })
    }

    /// Titles and words, as in a case's expectation.
    pub fn run(&self, case: &Case) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let mut map = String::new();
        for (index, disk) in case.disks.iter().enumerate() {
            let root = folder.path().join(format!("root{index}"));
            for (path, text) in &disk.files {
                let path = root.join(path.trim_start_matches('/'));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            let image = folder.path().join(format!("disk{index}"));
            let mut mke2fs = Command::new(&self.mke2fs);
            mke2fs.args(["-q", "-t", "ext2", "-d"]).arg(&root);
            if let Some(uuid) = &disk.uuid {
                mke2fs.args(["-U", uuid]);
            }
            if let Some(label) = &disk.label {
                mke2fs.args(["-L", label]);
            }
            assert!(mke2fs.arg(&image).arg("2M").stdout(Stdio::null()).status().unwrap().success());
            map.push_str(&format!("(hd{index}) {}\n", image.display()));
        }
        let own = folder.path().join("own");
        fs::create_dir(&own).unwrap();
        fs::write(own.join("grub.cfg"), PRELUDE).unwrap();
        fs::write(folder.path().join("map"), map).unwrap();
        said(&self.emulate(&own, &folder.path().join("map")))
    }

    fn emulate(&self, own: &Path, map: &Path) -> String {
        let mut command = Command::new("timeout");
        command.arg("20").arg(&self.emulator).args(["-r", "host", "-d"]).arg(own).arg("-m").arg(map);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let mut screen = Vec::new();
        let mut bytes = [0; 4096];
        // It ends when nothing is left to be tried, and would wait for a key then.
        let is_over = |screen: &[u8]| {
            [&b"Press any key"[..], b"BASH-like"].iter().any(|end| screen.windows(end.len()).any(|part| part == *end))
        };
        while let Ok(len @ 1..) = output.read(&mut bytes) {
            screen.extend_from_slice(&bytes[..len]);
            if is_over(&screen) {
                break;
            }
        }
        // SIGTERM goes on to what `timeout` started.
        Command::new("kill").arg(child.id().to_string()).status().unwrap();
        child.wait().unwrap();
        String::from_utf8_lossy(&screen).into_owned()
    }
}

/// Picks from the screen what was chosen and what was loaded first.
fn said(screen: &str) -> Vec<String> {
    let screen = screen.replace(['\r', '\n'], "");
    let mut text = String::new();
    let mut rest = screen.as_str();
    // Colours and places of the cursor: ESC [ numbers letter.
    while let Some((before, escape)) = rest.split_once('\u{1b}') {
        text.push_str(before);
        let end = escape.find(|character: char| character.is_ascii_alphabetic()).map_or(escape.len(), |end| end + 1);
        rest = &escape[end..];
        text.push('\n');
    }
    text.push_str(rest);
    let mut titles = Vec::new();
    let mut lines = Vec::new();
    for part in
        text.replace("  Booting `", "\n\u{1}").replace("Falling back to `", "\n\u{2}").replace("@@", "\n").split('\n')
    {
        let title = |part: &str| {
            part.split("error: ").next().unwrap().rsplit_once('\'').map_or(part, |(title, _)| title).to_owned()
        };
        if part.starts_with(['\u{1}', '\u{2}']) {
            if !lines.is_empty() {
                break;
            }
            if part.starts_with('\u{2}') {
                titles.clear();
            }
            titles.push(title(&part[1..]));
        } else if let Some((command, words)) =
            part.split_once('|').filter(|(command, _)| ["linux", "initrd"].contains(command))
        {
            let (root, words) = words.split_once('|').unwrap();
            let words = words.split(' ').enumerate().map(|(index, word)| {
                let is_file = command == "initrd" || index == 0;
                match word.strip_prefix('/') {
                    Some(path) if is_file => format!("({root})/{path}"),
                    _ => word.to_owned(),
                }
            });
            let words: Vec<_> = words.collect();
            lines.push(format!("{command} {}", words.join(" ")).trim_end().to_owned());
        }
    }
    if lines.is_empty() {
        return vec!["nothing".to_owned()];
    }
    // What failed before, and led to nothing else, is no menu on the way.
    titles.extend(lines);
    titles
}
