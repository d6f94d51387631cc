//! A folder with what finds mistakes in readers of file systems.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// How deep the deepest folder is.
pub const DEPTH: usize = 40;
/// How many files the largest folder has.
pub const MANY: usize = 2000;

/// Numbers that are the same for the same seed (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.next() % end }
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}

/// What a format can hold.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Symbolic links.
    pub links: bool,
    /// A link that is longer than an inode.
    pub long_link: bool,
    /// Names with spaces in them.
    pub spaces: bool,
    /// Names with characters beyond Unicode's first plane.
    pub emoji: bool,
    /// The length of the sparse files, in bytes.
    pub sparse: u64,
    /// How deep folders are.
    pub depth: usize,
    /// How many files are in one folder.
    pub many: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self { links: true, long_link: true, spaces: true, emoji: true, sparse: 300 << 20, depth: DEPTH, many: MANY }
    }
}

/// A folder for a test: the sample below `tree`, and images beside it.
pub struct Sample {
    pub dir: TempDir,
}

impl Sample {
    pub fn new(shape: Shape) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir(&tree).unwrap();
        fill(&tree, shape);
        Self { dir }
    }

    /// A folder that is small in every format, with something of each kind.
    pub fn tiny() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("a/deep/er")).unwrap();
        fs::create_dir(tree.join("many")).unwrap();
        for number in 0..22 {
            fs::write(tree.join(format!("many/a-long-name-{number}")), [b'n'; 3]).unwrap();
        }
        fs::write(tree.join("a/deep/er/grub.cfg"), "set default=0\n").unwrap();
        fs::write(tree.join("file"), "0123456789abcdef".repeat(300)).unwrap();
        for (name, target) in [("link", "a/deep/er/grub.cfg"), ("loop", "loop")] {
            symlink(target, tree.join(name)).unwrap();
        }
        symlink("a/../".repeat(30), tree.join("long")).unwrap();
        Self { dir }
    }

    pub fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn fill(tree: &Path, shape: Shape) {
    let mut random = Random::new(7);
    let write = |name: &str, bytes: &[u8]| {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write("boot/vmlinuz-6.1.0-18-amd64", &random.bytes(3_000_017));
    write("boot/grub/grub.cfg", b"set default=0\n");
    write("empty", b"");
    write("tiny", b"x");
    for len in [30, 59, 60, 61, 100, 150, 511, 512, 513, 1023, 1024, 2048, 4095, 4096, 4097, 65_535, 65_536, 65_537] {
        write(&format!("sizes/{len}"), &random.bytes(len));
    }
    fs::create_dir(tree.join("hollow")).unwrap();
    write("unicode/Grüße-日本語.txt", "ß".repeat(3000).as_bytes());
    if shape.emoji {
        write("unicode/🦀", b"crab");
    }
    write(&format!("unicode/{}", "ä".repeat(100)), b"long");
    write(&format!("long/{}", "n".repeat(200)), b"long");
    if shape.spaces {
        write("long/a name with  spaces.and.dots.txt", b"spaces");
    }
    for number in 0..shape.many {
        write(&format!("many/file-{number:05}-{}", "m".repeat(number % 50)), format!("{number}").as_bytes());
    }
    write(&format!("{}bottom", "deep/".repeat(shape.depth)), b"here");
    sparse(tree, shape, &mut random);
    if shape.links {
        links(tree, shape);
    }
}

fn sparse(tree: &Path, shape: Shape, random: &mut Random) {
    let file = File::create(tree.join("sparse")).unwrap();
    file.set_len(shape.sparse).unwrap();
    for place in [0, 12 << 10, 5 << 20, shape.sparse / 2 + 5, shape.sparse - 3000] {
        file.write_all_at(&random.bytes(2999), place.min(shape.sparse - 2999)).unwrap();
    }
    // A hole after each block: more extents than an inode has room for.
    let file = File::create(tree.join("comb")).unwrap();
    for block in (0..512).step_by(2) {
        file.write_all_at(&random.bytes(4096), block * 8192).unwrap();
    }
}

fn links(tree: &Path, shape: Shape) {
    fs::create_dir(tree.join("links")).unwrap();
    let length = if shape.long_link { 60 } else { 20 };
    let long = format!("../{}boot/vmlinuz-6.1.0-18-amd64", "links/../".repeat(length));
    for (name, target) in [
        ("vmlinuz", "boot/vmlinuz-6.1.0-18-amd64"),
        ("links/relative", "../boot/grub/grub.cfg"),
        ("links/absolute", "/boot/grub/grub.cfg"),
        ("links/folder", "../boot/"),
        ("links/chain", "relative"),
        ("links/loop", "pool"),
        ("links/pool", "loop"),
        ("links/self", "self/x"),
        ("links/dangling", "../nowhere"),
        ("links/above", "../../../../boot/grub/grub.cfg"),
        ("links/long", &long),
    ] {
        symlink(target, tree.join(name)).unwrap();
    }
}
