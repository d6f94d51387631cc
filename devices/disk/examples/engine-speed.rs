//! Times requests of a raw file through the engine, beside blocking calls:
//! `cargo run --release -p ovum-disk --example engine-speed -- FILE`, where FILE is made, 64 MiB long, and left behind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a bench stops where it fails")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use ovum_disk::engine::{Backend, Engine, Haste, Operation};
use ovum_disk::{Access, Disk, Format};
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap, VolatileSlice};
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};

const SIZE: usize = 64 << 20;
const ROUNDS: usize = 9;

/// A place of a request of `len` bytes; neighbours are far from each other.
fn place(index: usize, len: usize) -> u64 {
    (index * 7919 % (SIZE / len) * len) as u64
}

/// Rounds of `count` requests by one and by the other in turn, so that a busy host is as bad for both.
fn beside(what: &str, count: usize, mut one: impl FnMut(usize), mut other: impl FnMut(usize)) {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..25 {
        let parts: [&mut dyn FnMut(usize); 2] = [&mut one, &mut other];
        for (times, part) in times.iter_mut().zip(parts) {
            let start = Instant::now();
            part(count);
            times.push(start.elapsed().as_nanos() / count as u128);
        }
    }
    times.iter_mut().for_each(|times| times.sort_unstable());
    let [one, other] = times;
    println!("{what:56} best {:>8} and {:>8} ns, median {:>8} and {:>8} ns", one[0], other[0], one[12], other[12]);
}

/// The best of some rounds, each of `count` requests by `round`, in nanoseconds for one request.
fn best(what: &str, count: usize, round: impl FnMut(usize)) {
    best_after(what, count, || (), round);
}

/// As [`best`], each round after a preparation that is not timed.
fn best_after(what: &str, count: usize, prepare: impl Fn(), mut round: impl FnMut(usize)) {
    let mut times: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            prepare();
            let start = Instant::now();
            round(count);
            start.elapsed().as_nanos() / count as u128
        })
        .collect();
    times.sort_unstable();
    println!("{what:56} best {:>8} ns, median {:>8} ns", times[0], times[ROUNDS / 2]);
}

struct Bench {
    disk: Arc<dyn Disk>,
    memory: GuestMemoryMmap<()>,
    engine: Engine<()>,
    epoll: Epoll,
}

impl Bench {
    fn new(disk: &Arc<dyn Disk>, backend: Backend) -> Self {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 32 << 20)]).unwrap();
        let engine = Engine::new("bench", Arc::clone(disk), backend);
        let epoll = Epoll::new().unwrap();
        let watch = EpollEvent::new(EventSet::IN | EventSet::EDGE_TRIGGERED, 0);
        epoll.ctl(ControlOperation::Add, engine.event().unwrap(), watch).unwrap();
        let bench = Self { disk: Arc::clone(disk), memory, engine, epoll };
        let len = 32 << 20;
        for at in (0..len).step_by(4096) {
            bench.slice(at, 4096).copy_from(&[1_u8; 4096]);
        }
        bench
    }

    fn slice(&self, at: usize, len: usize) -> VolatileSlice<'_> {
        self.memory.get_slice(GuestAddress(at as u64), len).unwrap()
    }

    /// `count` requests of `len` bytes, `depth` at a time, as a device would do it.
    fn run(&mut self, write: bool, count: usize, len: usize, depth: usize) {
        let memory = self.memory.clone();
        for first in (0..count).step_by(depth) {
            for index in first..first + depth {
                let slice = [memory.get_slice(GuestAddress(((index % 32) * len) as u64), len).unwrap()];
                let offset = place(index, len);
                let operation = if write {
                    Operation::Write { offset, from: &slice }
                } else {
                    Operation::Read { offset, into: &slice }
                };
                let haste = if depth == 1 { Haste::Alone } else { Haste::Among };
                self.engine.submit((), operation, &memory, haste);
            }
            self.wait(depth);
        }
    }

    fn wait(&mut self, mut left: usize) {
        self.engine.start();
        loop {
            for done in self.engine.completions() {
                done.result.unwrap();
                left -= 1;
            }
            if left == 0 {
                return;
            }
            let _ = self.epoll.wait(-1, &mut [EpollEvent::default()]);
        }
    }

    fn flush(&mut self) {
        self.engine.submit((), Operation::Flush, &self.memory, Haste::Alone);
        self.wait(1);
    }
}

/// Drops the file from the page cache, as coreutils do it.
fn cool(path: &Path) {
    let of = format!("of={}", path.display());
    let arguments = ["if=/dev/null", &of, "oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none"];
    assert!(Command::new("dd").args(arguments).status().unwrap().success());
}

fn main() {
    let path = std::env::args().nth(1).unwrap();
    let path = Path::new(&path);
    fs::write(path, vec![1; SIZE]).unwrap();
    let disk: Arc<dyn Disk> = ovum_disk::open(path, Some(Format::Raw), Access::ReadWrite).unwrap();
    for len in [4096, 64 << 10, 128 << 10, 1 << 20] {
        let count = ((64 << 20) / len).min(8192);
        let (bench, mut other) = (Bench::new(&disk, Backend::Best), Bench::new(&disk, Backend::Best));
        let mut buffers = vec![1; 32 * len];
        let file = fs::File::open(path).unwrap();
        let mut pread = |count| {
            (0..count).for_each(|index| {
                let at = index % 32 * len;
                file.read_exact_at(&mut buffers[at..at + len], place(index, len)).unwrap();
            });
        };
        beside(&format!("pread and engine, {} KiB", len >> 10), count, &mut pread, |count| {
            other.run(false, count, len, 1);
        });
        let slices = |index: usize| [bench.slice((index % 32) * len, len)];
        let read = |count| {
            (0..count).for_each(|index| bench.disk.read_at(place(index, len), &slices(index)).unwrap());
        };
        beside(&format!("read_at and engine, {} KiB", len >> 10), count, read, |count| {
            other.run(false, count, len, 1);
        });
        let write = |count| {
            (0..count).for_each(|index| bench.disk.write_at(place(index, len), &slices(index)).unwrap());
        };
        beside(&format!("write_at and engine, {} KiB", len >> 10), count, write, |count| {
            other.run(true, count, len, 1);
        });
    }
    for len in [4096, 64 << 10, 128 << 10, 1 << 20] {
        let count = (128 << 20) / len / 32 * 32;
        let count = count.min(8192);
        println!("-- {} KiB", len >> 10);
        for backend in [Backend::Best, Backend::Threads] {
            for (what, write) in [("read", false), ("write", true)] {
                for depth in [1, 32] {
                    let mut bench = Bench::new(&disk, backend);
                    let text = format!("engine, {backend:?}, {what}, {depth} at a time");
                    best(&text, count, |count| bench.run(write, count, len, depth));
                }
            }
        }
    }
    println!("-- flush of nothing, and of 4 KiB");
    for backend in [Backend::Best, Backend::Threads] {
        let mut bench = Bench::new(&disk, backend);
        best(&format!("engine, {backend:?}, flush"), 200, |count| (0..count).for_each(|_| bench.flush()));
        best(&format!("engine, {backend:?}, write and flush"), 50, |count| {
            (0..count).for_each(|_| {
                bench.run(true, 1, 4096, 1);
                bench.flush();
            });
        });
    }
    println!("-- not in the page cache, 4 KiB");
    for depth in [1, 32] {
        for backend in [Backend::Best, Backend::Threads] {
            let mut bench = Bench::new(&disk, backend);
            let text = format!("engine, {backend:?}, read, {depth} at a time");
            best_after(&text, 1024, || cool(path), |count| bench.run(false, count, 4096, depth));
        }
    }
    let bench = Bench::new(&disk, Backend::Best);
    best_after(
        "read_at, 1 at a time",
        1024,
        || cool(path),
        |count| {
            (0..count).for_each(|index| bench.disk.read_at(place(index, 4096), &[bench.slice(0, 4096)]).unwrap());
        },
    );
    cost(&disk, path);
}

/// What an engine costs before it is used, with a ring and with a thread.
fn cost(disk: &Arc<dyn Disk>, path: &Path) {
    let memory: GuestMemoryMmap<()> = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap();
    let slice = [memory.get_slice(GuestAddress(0), 4096).unwrap()];
    slice[0].copy_from(&[1_u8; 4096]);
    let mut engine = Engine::new("first", Arc::clone(disk), Backend::Best);
    let mut step = |what: &str, work: &mut dyn FnMut(&mut Engine<()>)| {
        let (before, start) = (resident(), Instant::now());
        work(&mut engine);
        println!("{what}: {:?}, {} KiB", start.elapsed(), resident() - before);
    };
    step("another engine", &mut |engine| *engine = Engine::new("second", Arc::clone(disk), Backend::Best));
    for offset in [0, 32 << 20] {
        cool(path);
        step("a read that is not in the cache", &mut |engine| {
            engine.submit((), Operation::Read { offset, into: &slice }, &memory, Haste::Alone);
            engine.start();
            while engine.completions().count() == 0 {}
        });
    }
    for _ in 0..2 {
        step("a discard", &mut |engine| {
            engine.submit((), Operation::Discard(std::slice::from_ref(&(0..4096))), &memory, Haste::Alone);
            while engine.completions().count() == 0 {}
        });
    }
}

/// Memory of this process, in KiB.
fn resident() -> i64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
