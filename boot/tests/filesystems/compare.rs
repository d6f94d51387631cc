//! A file system against the folder that it was made from.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ovum_boot::filesystem::{self, FileKind, FileSystem, FsError};
use ovum_disk::Access;
use ovum_disk::storage::{FileStorage, Storage, read_bytes};
use vm_memory::VolatileSlice;

use crate::sample::Random;

/// Runs a program, which must succeed. `false` if it is not installed.
pub fn run(program: &str, arguments: &[&str], folder: &Path) -> bool {
    let places = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/bin"];
    let Some(path) = places.iter().map(|place| Path::new(place).join(program)).find(|path| path.is_file()) else {
        println!("{program} is not there: nothing is compared with it (cargo xtask setup installs it)");
        return false;
    };
    let output = Command::new(path)
        .args(arguments)
        .current_dir(folder)
        .envs([("TZ", "UTC"), ("LC_ALL", "C.UTF-8")])
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    true
}

/// The image at `path`.
pub fn image(path: &Path) -> Arc<dyn Storage> {
    Arc::new(FileStorage::open(path, Access::ReadOnly).unwrap())
}

/// The file system in the image at `path`.
pub fn open(path: &Path) -> Arc<dyn FileSystem> {
    filesystem::open(image(path)).unwrap().expect("it is known")
}

/// A storage that counts what is read of it.
#[derive(Debug)]
pub struct Counting {
    pub below: Arc<dyn Storage>,
    pub bytes: AtomicU64,
}

impl Storage for Counting {
    fn name(&self) -> String {
        self.below.name()
    }

    fn size(&self) -> u64 {
        self.below.size()
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> std::io::Result<()> {
        self.bytes.fetch_add(into.iter().map(|buffer| buffer.len() as u64).sum(), Ordering::Relaxed);
        self.below.read_at(offset, into)
    }
}

/// Of directories with more names than this, each name is compared, and the bytes of a part of the files.
const LARGE: usize = 500;

/// What was compared.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub files: usize,
    pub folders: usize,
    pub links: usize,
}

/// Asserts that all of `folder` is in `system`, byte for byte, and nothing else but what is called `lost+found`.
pub fn assert_same(system: &dyn FileSystem, folder: &Path) -> Seen {
    let mut seen = Seen::default();
    below(system, folder, "", &mut seen);
    seen
}

fn below(system: &dyn FileSystem, folder: &Path, path: &str, seen: &mut Seen) {
    seen.folders += 1;
    let shown = if path.is_empty() { "/" } else { path };
    assert_eq!(system.metadata(shown).unwrap().kind, FileKind::Directory, "{shown}");
    let entries = system.read_dir(shown).unwrap_or_else(|error| panic!("{shown}: {error}"));
    let count = entries.len();
    let mut found: BTreeMap<String, FileKind> = entries.into_iter().map(|entry| (entry.name, entry.kind)).collect();
    assert_eq!(found.len(), count, "{shown} has a name twice");
    found.retain(|name, _| path.is_empty().then_some(name.as_str()) != Some("lost+found"));
    for (index, entry) in fs::read_dir(folder).unwrap().enumerate() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let inside = format!("{path}/{name}");
        let kind = found.remove(&name).unwrap_or_else(|| panic!("{inside} is missing"));
        let real = entry.file_type().unwrap();
        if real.is_symlink() {
            assert_eq!(kind, FileKind::Link, "{inside}");
            seen.links += 1;
        } else if real.is_dir() {
            assert_eq!(kind, FileKind::Directory, "{inside}");
            below(system, &entry.path(), &inside, seen);
        } else {
            assert_eq!(kind, FileKind::File, "{inside}");
            seen.files += 1;
            // To find each name of a large directory takes a walk through it: too long for all of them.
            if count > LARGE && index % 16 != 0 {
                continue;
            }
            same_file(system, &entry.path(), &inside);
        }
    }
    assert!(found.is_empty(), "{shown} has too much: {found:?}");
}

/// Asserts that `path` in `system` is the file `real`: all of it where the host has data, its ends, and at random places.
pub fn same_file(system: &dyn FileSystem, real: &Path, path: &str) {
    let file = File::open(real).unwrap();
    let len = file.metadata().unwrap().len();
    let storage = system.open(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(storage.size(), len, "{path}");
    assert_eq!(system.metadata(path).unwrap().len, len, "{path}");
    let check = |offset: u64, len: usize| {
        let (mut got, mut expected) = (vec![0xa5; len], vec![0; len]);
        read_bytes(storage.as_ref(), offset, &mut got).unwrap_or_else(|error| panic!("{path} at {offset}: {error}"));
        file.read_exact_at(&mut expected, offset).unwrap();
        if got != expected {
            let at = got.iter().zip(&expected).position(|(a, b)| a != b).unwrap();
            panic!("byte {} of {path} is {:#x} and should be {:#x}", offset + at as u64, got[at], expected[at]);
        }
    };
    let mut offset = 0;
    while let Some(data) = next_data(&file, offset, len) {
        let end = (data + 1_000_003).min(len);
        check(data, usize::try_from(end - data).unwrap());
        offset = end;
    }
    let mut random = Random::new(len);
    for _ in 0..if len > 10_000 { 20 } else { 1 } {
        let start = random.below(len);
        check(start, usize::try_from((len - start).min(random.below(70_000) + 1)).unwrap());
    }
    let past = read_bytes(storage.as_ref(), len, &mut [0]);
    assert!(past.is_err(), "{path} can be read past its end");
    // What it says of holes is not too much.
    let first = storage.data_after(0).unwrap();
    assert!(next_data(&file, 0, len).is_none_or(|data| first.start <= data || is_zero(&file, data, first.start)));
}

fn is_zero(file: &File, from: u64, to: u64) -> bool {
    let mut bytes = vec![1; usize::try_from(to - from).unwrap()];
    file.read_exact_at(&mut bytes, from).unwrap();
    bytes.iter().all(|byte| *byte == 0)
}

fn next_data(file: &File, offset: u64, len: u64) -> Option<u64> {
    if offset >= len {
        return None;
    }
    // SAFETY: no pointers; the descriptor is open.
    #[allow(unsafe_code)]
    let data = unsafe { libc::lseek(file.as_raw_fd(), i64::try_from(offset).unwrap(), libc::SEEK_DATA) };
    u64::try_from(data).ok().filter(|data| *data < len)
}

/// Asserts where the sample's links lead.
pub fn assert_links(system: &dyn FileSystem, folder: &Path) {
    same_file(system, &folder.join("boot/vmlinuz-6.1.0-18-amd64"), "/vmlinuz");
    same_file(system, &folder.join("boot/vmlinuz-6.1.0-18-amd64"), "/links/long");
    for link in ["relative", "absolute", "folder/grub/grub.cfg", "chain", "above", "./../links//chain"] {
        same_file(system, &folder.join("boot/grub/grub.cfg"), &format!("/links/{link}"));
    }
    assert_eq!(system.metadata("/links/folder").unwrap().kind, FileKind::Directory);
    for link in ["loop", "pool", "self"] {
        assert!(matches!(system.metadata(&format!("/links/{link}")), Err(FsError::Limit(_))), "{link}");
    }
    assert!(matches!(system.open("/links/dangling"), Err(FsError::Missing(_))));
}

/// Asserts what every file system answers to wrong questions.
pub fn assert_refusals(system: &dyn FileSystem) {
    assert!(matches!(system.open("/nothing"), Err(FsError::Missing(_))));
    assert!(matches!(system.open("/nothing/here"), Err(FsError::Missing(_))));
    assert!(matches!(system.open("/boot"), Err(FsError::NotAFile(_))));
    assert!(matches!(system.open("/"), Err(FsError::NotAFile(_))));
    assert!(matches!(system.read_dir("/empty"), Err(FsError::NotADirectory(_))));
    assert!(matches!(system.open("/empty/"), Err(FsError::NotADirectory(_))));
    assert!(matches!(system.open("/empty/../tiny"), Err(FsError::NotADirectory(_))));
    assert!(matches!(system.open(&"/boot/..".repeat(2000)), Err(FsError::Limit(_))));
    assert_eq!(system.read_dir("/hollow").unwrap(), []);
    assert_eq!(system.metadata("/../..//boot/.").unwrap().kind, FileKind::Directory);
}

/// Asserts that the kernel in a large image is found with few reads, and in no time.
pub fn assert_found_at_once(image: Arc<dyn Storage>, kernel: &str) {
    let counting = Arc::new(Counting { below: image, bytes: AtomicU64::new(0) });
    let started = Instant::now();
    let system = filesystem::open(Arc::clone(&counting) as _).unwrap().unwrap();
    system.read_dir("/boot").unwrap();
    system.open("/boot/grub/grub.cfg").unwrap();
    let file = system.open(kernel).unwrap();
    read_bytes(file.as_ref(), 0, &mut [0; 4096]).unwrap();
    let (took, read) = (started.elapsed(), counting.bytes.load(Ordering::Relaxed));
    println!("{}: {took:?}, {read} bytes read", system.kind());
    assert!(read < 512 << 10, "{read} bytes were read");
}
