//! Cases: disks without partitions, files on them, and what GRUB starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use ovum_disk::storage::testing::Memory;

use crate::loader::system::{Mounted, System};
use crate::loader::testing::MemoryFs;
use crate::partition::{Place, Volume};

/// A disk.
#[derive(Debug, Default)]
pub struct Disk {
    pub uuid: Option<String>,
    pub label: Option<String>,
    pub files: BTreeMap<String, String>,
}

#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub disks: Vec<Disk>,
    pub expected: Vec<String>,
}

/// All cases of the folder `cases`.
pub fn cases() -> Vec<Case> {
    let texts = [
        include_str!("../cases/default.txt"),
        include_str!("../cases/devices.txt"),
        include_str!("../cases/language.txt"),
        include_str!("../cases/generated.txt"),
    ];
    texts.iter().flat_map(|text| text.split("\n=== ").skip(1)).map(parse).collect()
}

fn parse(text: &str) -> Case {
    let (name, rest) = text.split_once('\n').unwrap();
    let mut case = Case { name: name.to_owned(), disks: vec![Disk::new()], expected: Vec::new() };
    for section in format!("\n{rest}").split("\n--- ").skip(1) {
        let (head, body) = section.split_once('\n').unwrap_or((section, ""));
        let mut words = head.split(' ');
        match words.next().unwrap() {
            "expect" => case.expected = body.trim_end().lines().map(str::to_owned).collect(),
            "volume" => {
                let mut disk = Disk::new();
                for (key, value) in words.filter_map(|word| word.split_once('=')) {
                    if key == "uuid" { disk.uuid = Some(value.into()) } else { disk.label = Some(value.into()) }
                }
                case.disks.push(disk);
            }
            "generated" => {
                let disk = &mut case.disks[0];
                disk.uuid = Some("11111111-2222-4333-8444-555555555555".to_owned());
                disk.files.insert("/boot/grub/grub.cfg".to_owned(), generated(words.next().unwrap()).to_owned());
                for kind in ["vmlinuz", "initrd.img"] {
                    for version in ["6.1.0-10-amd64", "5.10.0-9-amd64"] {
                        disk.files.insert(format!("/boot/{kind}-{version}"), "x".to_owned());
                    }
                }
            }
            path => {
                let (disk, path) =
                    path.strip_prefix("(hd").and_then(|rest| rest.split_once(')')).unwrap_or(("0", path));
                let is_block = path.ends_with("env") && words.next().is_none();
                let text = if is_block { block(body) } else { body.to_owned() };
                case.disks[disk.parse::<usize>().unwrap()].files.insert(path.to_owned(), text);
            }
        }
    }
    case
}

/// A file that grub-mkconfig made.
fn generated(name: &str) -> &'static str {
    match name {
        "plain" => include_str!("../cases/generated/plain.cfg"),
        "saved" => include_str!("../cases/generated/saved.cfg"),
        "older" => include_str!("../cases/generated/older.cfg"),
        name => panic!("{name} is none of them"),
    }
}

fn block(body: &str) -> String {
    let text = format!("# GRUB Environment Block\n{}\n", body.trim_end());
    format!("{text:#<1024}")
}

impl Disk {
    fn new() -> Self {
        let kernels =
            ["a", "b", "c"].iter().flat_map(|which| ["vmlinuz", "initrd"].map(|kind| format!("/boot/{kind}-{which}")));
        Self { files: kernels.map(|path| (path, "x".to_owned())).collect(), ..Self::default() }
    }
}

impl Case {
    /// The disks, as they are seen by what is tested.
    pub fn system(&self) -> System {
        let volumes = self.disks.iter().enumerate().map(|(disk, contents)| {
            let uuid = contents.uuid.clone().unwrap_or_else(|| format!("00000000-0000-4000-8000-00000000000{disk}"));
            let mut fs = MemoryFs::new(&uuid);
            if let Some(label) = &contents.label {
                fs = fs.labelled(label);
            }
            let fs = contents.files.iter().fold(fs, |fs, (path, text)| fs.with(path, text));
            let storage = Memory::new(vec![0; 4096]);
            let volume = Volume { name: format!("disk {}", disk + 1), storage, disk, place: Place::Disk };
            Mounted::new(volume, Some(Arc::new(fs)), None)
        });
        System { volumes: volumes.collect(), notes: Vec::new() }
    }
}
