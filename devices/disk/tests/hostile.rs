//! Images that are cut off or changed a little, of every format: opening and reading them ends in an answer or an error, and
//! never in a panic or a hang.
//!
//! Each format's own tests change the fields of its headers one by one. Here, all formats get the same rough treatment.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where its expectation does not hold")]

mod judge;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use judge::{Bench, Random};
use ovum_disk::storage::testing::Memory;
use ovum_disk::storage::{Alone, Neighbours};
use ovum_disk::{Access, Format, open_storage};

/// The disk in each image, in bytes: a few blocks of every format.
const DISK: usize = 400 * 1024;
/// How many bits are flipped of an image, and how many of its words are replaced. All formats together take a few seconds.
const CHANGES: usize = 300;
/// How many lengths an image is cut to.
const CUTS: usize = 60;
/// Longer than anything may take, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// An image made by `qemu-img`.
struct Sample {
    what: String,
    format: Format,
    bytes: Vec<u8>,
}

/// Makes an image of a small disk with data, holes and zeroes: `format` and `options` as qemu-img calls them, and the
/// ending of the file that is looked at.
fn sample(format: Format, qemu: &str, options: &str, file: &str, compressed: bool) -> Sample {
    let bench = Bench::new();
    let mut disk = vec![0; DISK];
    let mut random = Random::new(99);
    for start in [0, 70_000, 200_000, DISK - 5000] {
        disk[start..start + 5000].copy_from_slice(&random.bytes(5000));
    }
    fs::write(bench.path("raw"), disk).unwrap();
    let mut arguments = vec!["convert", "-f", "raw", "-O", qemu];
    if compressed {
        arguments.push("-c");
    }
    if !options.is_empty() {
        arguments.extend(["-o", options]);
    }
    bench.qemu_img(arguments.into_iter().chain(["raw", "image.vmdk"]));
    let bytes = fs::read(bench.path(file)).unwrap();
    Sample { what: format!("{qemu} {options} {file}"), format, bytes }
}

impl Sample {
    /// Gives `bytes` to all code that reads this format.
    fn run(&self, bytes: &[u8], change: &str) {
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| ovum_disk::fuzz::image(self.format, bytes)));
        assert!(result.is_ok(), "{}: panicked after this change: {change}", self.what);
        assert!(start.elapsed() < PATIENCE, "{}: took {:?} after this change: {change}", self.what, start.elapsed());
    }

    /// Places of bytes that say something: those of the front, of the back and of what begins at a round place, where they
    /// are not zero, and those around.
    fn places(&self) -> Vec<usize> {
        let len = self.bytes.len();
        let mut windows = vec![0..len.min(4096), len.saturating_sub(1024)..len];
        windows.extend((1 << 16..len.min(4 << 20)).step_by(1 << 16).map(|start| start..(start + 256).min(len)));
        let used = |at: usize| self.bytes[at.saturating_sub(4)..(at + 4).min(len)].iter().any(|byte| *byte != 0);
        let mut places: Vec<usize> = windows.into_iter().flatten().filter(|at| used(*at)).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Whether it is an image by itself.
    fn opens(&self) -> bool {
        let neighbours: Arc<dyn Neighbours> = Arc::new(Alone);
        open_storage(Memory::new(self.bytes.clone()), &neighbours, self.format, Access::ReadOnly).is_ok()
    }

    fn treat_roughly(&self) {
        self.run(&self.bytes, "none");
        let mut random = Random::new(self.bytes.len() as u64);
        let mut below = |end: usize| usize::try_from(random.below(end as u64)).unwrap();
        let len = self.bytes.len();
        for number in 0..CUTS {
            // Around the places where something begins or ends, and anywhere.
            let cut = match number % 4 {
                0 => below(len / 512 + 1) * 512,
                1 => (below(len / 65_536 + 1) * 65_536).saturating_sub(below(2)),
                2 => below(len.min(2048) + 1),
                _ => below(len + 1),
            };
            self.run(&self.bytes[..cut.min(len)], &format!("cut to {cut} bytes"));
        }
        let places = self.places();
        let mut bytes = self.bytes.clone();
        for _ in 0..CHANGES {
            let (at, bit) = (places[below(places.len())], below(8));
            bytes[at] ^= 1 << bit;
            self.run(&bytes, &format!("bit {bit} of byte {at} flipped"));
            bytes[at] = self.bytes[at];
        }
        for _ in 0..CHANGES {
            let width = [2, 4, 8][below(3)];
            let at = places[below(places.len())] / width * width;
            let value = [0, 1, 0x7f, 0x80, 0xff][below(5)];
            let end = (at + width).min(len);
            bytes[at..end].fill(value);
            self.run(&bytes, &format!("bytes {at} to {end} made {value:#x}"));
            bytes[at..end].copy_from_slice(&self.bytes[at..end]);
        }
    }
}

#[test]
fn vmdk() {
    for (subformat, file, alone) in [
        ("monolithicSparse", "image.vmdk", true),
        ("streamOptimized", "image.vmdk", true),
        ("monolithicFlat", "image.vmdk", false),
        ("twoGbMaxExtentSparse", "image.vmdk", false),
        ("twoGbMaxExtentSparse", "image-s001.vmdk", true),
        ("twoGbMaxExtentFlat", "image.vmdk", false),
    ] {
        let sample = sample(Format::Vmdk, "vmdk", &format!("subformat={subformat}"), file, false);
        assert_eq!(sample.opens(), alone, "{}", sample.what);
        sample.treat_roughly();
    }
}

#[test]
fn qcow2() {
    for (options, compressed) in [("compat=0.10", false), ("compat=1.1", false), ("compat=1.1,cluster_size=4k", true)] {
        let sample = sample(Format::Qcow2, "qcow2", options, "image.vmdk", compressed);
        assert!(sample.opens(), "{}", sample.what);
        sample.treat_roughly();
    }
}

#[test]
fn vhd() {
    for subformat in ["dynamic", "fixed"] {
        let sample = sample(Format::Vhd, "vpc", &format!("subformat={subformat}"), "image.vmdk", false);
        assert!(sample.opens(), "{}", sample.what);
        sample.treat_roughly();
    }
}

#[test]
fn vhdx() {
    for subformat in ["dynamic", "fixed"] {
        let options = format!("subformat={subformat},log_size=1M,block_size=1M");
        let sample = sample(Format::Vhdx, "vhdx", &options, "image.vmdk", false);
        assert!(sample.opens(), "{}", sample.what);
        sample.treat_roughly();
    }
}

#[test]
fn vdi() {
    for options in ["static=off", "static=on"] {
        let sample = sample(Format::Vdi, "vdi", options, "image.vmdk", false);
        assert!(sample.opens(), "{}", sample.what);
        sample.treat_roughly();
    }
}
