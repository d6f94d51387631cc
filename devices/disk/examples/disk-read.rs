//! Reads a disk image in several ways and says how long it took: what `cargo xtask bench disk` runs.
//!
//! ```text
//! disk-read open IMAGE [START+LENGTH]     open it, and read its first and last sector
//! disk-read sequential IMAGE THREADS      all of it, once
//! disk-read random IMAGE COUNT STEP       COUNT reads of 4 KiB, one every STEP bytes, round and round
//! ```
//! Each prints a line: seconds, and the largest resident memory of the process in KiB.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a command")]

use std::error::Error;
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use ovum_disk::storage::{Alone, FileStorage, Neighbours, Part, Storage};
use ovum_disk::write::Writer;
use ovum_disk::{Access, Disk, Format, Image, copy, open, open_storage};
use vm_memory::VolatileSlice;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let started = Instant::now();
    match run(&arguments) {
        Ok(()) => {
            println!("{:.6} {}", started.elapsed().as_secs_f64(), peak_kib());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("disk-read: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    match arguments {
        ["open", image] => touch(&*open(Path::new(image), None, Access::ReadOnly)?),
        ["open", image, part] => touch(&*open_part(Path::new(image), part)?),
        ["sequential", image, threads] => {
            let image = open(Path::new(image), None, Access::ReadOnly)?;
            Ok(copy::copy(&image, &mut Nowhere, threads.parse::<NonZero<usize>>()?, &mut |_| ())?)
        }
        ["random", image, count, step] => {
            random(&*open(Path::new(image), None, Access::ReadOnly)?, count.parse()?, step.parse()?)
        }
        _ => Err("see the top of devices/disk/examples/disk-read.rs".into()),
    }
}

/// The VMDK in a range of a file.
fn open_part(path: &Path, part: &str) -> Result<Arc<Image>, Box<dyn Error>> {
    let (start, length) = part.split_once('+').ok_or("give the part as START+LENGTH")?;
    let (start, length) = (start.parse::<u64>()?, length.parse::<u64>()?);
    let whole: Arc<dyn Storage> = Arc::new(FileStorage::open(path, Access::ReadOnly)?);
    let part = Part::new("a member", whole, start..start + length).ok_or("the part is not in the file")?;
    let neighbours: Arc<dyn Neighbours> = Arc::new(Alone);
    Ok(open_storage(Arc::new(part), &neighbours, Format::Vmdk, Access::ReadOnly)?)
}

fn touch(disk: &dyn Disk) -> Result<(), Box<dyn Error>> {
    let mut sector = [0; 512];
    for offset in [0, disk.size() - 512] {
        disk.read_at(offset, &[VolatileSlice::from(&mut sector[..])])?;
    }
    Ok(())
}

fn random(disk: &dyn Disk, count: u64, step: u64) -> Result<(), Box<dyn Error>> {
    let mut block = [0; 4096];
    let block = [VolatileSlice::from(&mut block[..])];
    let mut offset = 0;
    for _ in 0..count {
        disk.read_at(offset, &block)?;
        offset = (offset + step) % (disk.size() - 4096);
    }
    Ok(())
}

/// Where a copy goes that is only made to be timed.
struct Nowhere;

impl Writer for Nowhere {
    fn block_size(&self) -> usize {
        64 << 10
    }

    fn put(&mut self, _: u64, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The process's largest resident memory so far.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
