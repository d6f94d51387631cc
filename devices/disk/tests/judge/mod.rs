//! `qemu-img` as the judge, and seeded disks to put before it.
#![allow(dead_code, missing_docs)] // each test program uses a part of it
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a test ends where it fails

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ovum_disk::{Disk, Image};
use tempfile::TempDir;
use vm_memory::VolatileSlice;

/// Numbers that are the same for the same seed (xorshift64*).
#[derive(Debug, Clone)]
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

    /// A number below `end`; 0 for 0.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.next() % end }
    }

    /// Bytes that pack a little, as those of real disks do.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 64);
        while bytes.len() < len {
            let word = self.next();
            let times = self.below(8) + 1;
            (0..times).for_each(|_| bytes.extend(word.to_le_bytes()));
        }
        bytes.truncate(len);
        bytes
    }
}

/// A folder for one test, gone with it.
pub struct Bench {
    pub dir: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A sparse raw file of `size` bytes with some data, the same for the same seed: runs of many lengths, at sector and at
    /// odd places, some of them zeroes.
    pub fn sparse(&self, name: &str, size: u64, seed: u64) -> PathBuf {
        let path = self.path(name);
        let file = File::create(&path).unwrap();
        file.set_len(size).unwrap();
        scatter(&file, size, &mut Random::new(seed));
        path
    }

    /// Runs `qemu-img` in the folder, which must succeed.
    pub fn qemu_img<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> String {
        let output = self.try_qemu_img(arguments);
        assert!(output.status.success(), "qemu-img: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs `qemu-img` in the folder.
    pub fn try_qemu_img<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Output {
        let arguments: Vec<_> = arguments.into_iter().map(|a| a.as_ref().to_owned()).collect();
        let command = Command::new("qemu-img").args(&arguments).current_dir(self.dir.path()).output();
        command.expect("qemu-img is there: cargo xtask setup installs qemu-utils")
    }

    /// Runs `qemu-io` with one command after the other on an image, which must succeed.
    pub fn qemu_io(&self, format: &str, image: &str, commands: &[&str]) {
        let mut command = Command::new("qemu-io");
        command.args(["-f", format, image]).current_dir(self.dir.path());
        for line in commands {
            command.args(["-c", line]);
        }
        let output = command.output().expect("qemu-io is there: cargo xtask setup installs qemu-utils");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && !text.contains("failed"), "qemu-io {commands:?}: {text}");
    }
}

/// Writes runs of data to random places of a file.
pub fn scatter(file: &File, size: u64, random: &mut Random) {
    for _ in 0..random.below(24) {
        let longest = [1, 511, 4096, 65536, 300_000, 1 << 20][usize::try_from(random.below(6)).unwrap()];
        let mut start = random.below(size);
        if random.below(3) > 0 {
            start -= start % 512;
        }
        let len = (random.below(longest) + 1).min(size - start);
        let len = usize::try_from(len).unwrap();
        let bytes = if random.below(5) == 0 { vec![0; len] } else { random.bytes(len) };
        file.write_all_at(&bytes, start).unwrap();
    }
}

/// Asserts that `image` holds what the file `raw` holds; what is past the end of the shorter one must be zero. Reads all of
/// it where there is data, once in order by large pieces and then at random places by small ones.
pub fn assert_same(image: &Image, raw: &Path, seed: u64) {
    let file = File::open(raw).unwrap();
    let raw_size = fs::metadata(raw).unwrap().len();
    let size = image.size().max(raw_size.next_multiple_of(512));
    assert_eq!(image.size(), raw_size.next_multiple_of(512), "size");
    let mut random = Random::new(seed ^ 0x5eed);
    let expect = |offset: u64, len: usize| {
        let mut bytes = vec![0; len];
        let on_file = usize::try_from(raw_size.saturating_sub(offset)).unwrap().min(len);
        file.read_exact_at(&mut bytes[..on_file], offset).unwrap();
        bytes
    };
    let check = |offset: u64, len: usize| {
        let got = read(image, offset, len);
        let expected = expect(offset, len);
        if got != expected {
            let at = got.iter().zip(&expected).position(|(a, b)| a != b).unwrap();
            panic!("byte {} is {:#x} and should be {:#x}", offset + at as u64, got[at], expected[at]);
        }
    };
    let mut offset = 0;
    while offset < size {
        // Where both say that there is nothing, there is nothing to compare.
        let found = image.locate(offset, size - offset).unwrap();
        let absent = matches!(found.place, ovum_disk::image::Place::Nowhere | ovum_disk::image::Place::Zero);
        let len = found.len.min(size - offset);
        if absent {
            assert!(is_hole_or_zero(&file, raw_size, offset, len), "{len} bytes at {offset} should not be zero");
        } else {
            let mut done = 0;
            while done < len {
                let piece = (len - done).min(3_000_001);
                check(offset + done, usize::try_from(piece).unwrap());
                done += piece;
            }
        }
        offset += len;
    }
    for _ in 0..50 {
        let start = random.below(size);
        let len = (random.below(100_000) + 1).min(size - start);
        check(start, usize::try_from(len).unwrap());
    }
}

fn is_hole_or_zero(file: &File, raw_size: u64, start: u64, len: u64) -> bool {
    use std::os::fd::AsRawFd as _;
    let end = (start + len).min(raw_size);
    let mut at = start;
    let mut bytes = vec![0; 1 << 20];
    while at < end {
        // SAFETY: no pointers; the descriptor is open.
        #[allow(unsafe_code)]
        let data = unsafe { libc::lseek(file.as_raw_fd(), i64::try_from(at).unwrap(), libc::SEEK_DATA) };
        let Ok(data) = u64::try_from(data) else { return true };
        at = data.min(end);
        let piece = usize::try_from((end - at).min(bytes.len() as u64)).unwrap();
        file.read_exact_at(&mut bytes[..piece], at).unwrap();
        if bytes[..piece].iter().any(|byte| *byte != 0) {
            return false;
        }
        at += piece as u64;
    }
    true
}

/// `len` bytes of `disk` at `offset`.
pub fn read(disk: &dyn Disk, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0xa5; len];
    disk.read_at(offset, &[VolatileSlice::from(bytes.as_mut_slice())]).unwrap();
    bytes
}

/// Writes `bytes` to `disk` at `offset`.
pub fn write(disk: &dyn Disk, offset: u64, bytes: &[u8]) {
    disk.write_at(offset, &[VolatileSlice::from(bytes.to_vec().as_mut_slice())]).unwrap();
}

/// Sizes that find mistakes: nothing, less than a sector, odd tails, around blocks, several gigabytes.
pub fn odd_size(seed: u64) -> u64 {
    let mut random = Random::new(seed ^ 0x517e);
    match seed % 8 {
        0 => 512 * random.below(200),
        1 => 65536 * (1 + random.below(40)),
        2 => 65536 * (1 + random.below(40)) + 512 * random.below(128),
        3 => (2 << 20) + 512 * random.below(4096),
        4 => (33 << 20) + 512 * random.below(70_000),
        5 => (random.below(64) << 20) + 512,
        6 => (1 << 30) + 512 * random.below(1 << 20),
        _ => random.below(5 << 30) / 512 * 512,
    }
}
