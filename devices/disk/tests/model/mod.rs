//! A raw file that is changed as an image is, to compare it with.
#![allow(dead_code, missing_docs)] // each test program uses a part of it

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use ovum_disk::{Access, Disk, Format, Image, check, open};

use crate::judge::{Bench, Random, assert_same, read, write};

/// Opens `name` for reading.
pub fn open_image(bench: &Bench, name: &str) -> Arc<Image> {
    open(&bench.path(name), Some(Format::Qcow2), Access::ReadOnly).unwrap()
}

/// Asserts that a check finds nothing.
pub fn assert_sound(image: &Image) {
    let findings = check::check(image.layout()).unwrap();
    assert_eq!((findings.count, findings.leaked), (0, 0), "{:?}", findings.damage);
}

pub struct Model {
    path: PathBuf,
    file: File,
    random: Random,
    seed: u64,
}

impl Model {
    /// What the raw file `name` holds.
    pub fn new(bench: &Bench, name: &str, seed: u64) -> Self {
        let path = bench.path(name);
        let file = File::options().read(true).write(true).open(&path).unwrap();
        Self { path, file, random: Random::new(seed ^ 0xc4a9e), seed }
    }

    fn size(&self) -> u64 {
        self.file.metadata().unwrap().len()
    }

    pub fn grow(&mut self, size: u64) {
        self.file.set_len(size).unwrap();
    }

    /// Changes both in the same way, `steps` times, by up to `most` bytes.
    pub fn change(&mut self, image: &Image, steps: usize, most: u64) {
        for _ in 0..steps {
            let (start, len) = self.range(most);
            let end = start + len;
            match self.random.below(12) {
                0 => image.flush().unwrap(),
                1 | 2 => {
                    image.write_zeroes(start..end, self.random.below(2) == 0).unwrap();
                    self.file.write_all_at(&vec![0; usize::try_from(len).unwrap()], start).unwrap();
                }
                3 | 4 => self.discard(image, start, len),
                _ => {
                    let bytes = self.random.bytes(usize::try_from(len).unwrap());
                    write(image, start, &bytes);
                    self.file.write_all_at(&bytes, start).unwrap();
                }
            }
        }
    }

    fn one_of(&mut self, numbers: &[u64]) -> u64 {
        numbers[usize::try_from(self.random.below(numbers.len() as u64)).unwrap()]
    }

    /// A range: of sectors most of the time, and often from or to the end of a block or of the disk.
    fn range(&mut self, most: u64) -> (u64, u64) {
        let size = self.size();
        let mut start = self.random.below(size);
        let most_now = self.one_of(&[512, 4096, 70_000, most]);
        let mut end = start + 1 + self.random.below(most_now);
        let unit = self.one_of(&[1, 512, 512, 4096, 65536]);
        start -= start % unit;
        end = end.next_multiple_of(unit);
        if self.random.below(10) == 0 {
            end = size;
            start = start.max(size.saturating_sub(most));
        }
        let end = end.min(size);
        (start, end - start)
    }

    /// What is discarded may be as it was, or zero.
    fn discard(&mut self, image: &Image, start: u64, len: u64) {
        image.discard(start..start + len).unwrap();
        let len = usize::try_from(len).unwrap();
        let mut before = vec![0; len];
        self.file.read_exact_at(&mut before, start).unwrap();
        let after = read(image, start, len);
        assert!(
            after.iter().zip(&before).all(|(after, before)| *after == 0 || after == before),
            "discarded is not below"
        );
        self.file.write_all_at(&after, start).unwrap();
    }

    /// Asserts that both are the same.
    pub fn compare(&self, image: &Image) {
        assert_same(image, &self.path, self.seed);
    }

    /// Has QEMU say that the image is sound, and the same.
    pub fn judge(&self, bench: &Bench, image: &str) {
        bench.qemu_img(["check", "-f", "qcow2", image]);
        let raw = self.path.to_str().unwrap();
        bench.qemu_img(["compare", "-f", "raw", "-F", "qcow2", raw, image]);
    }
}
