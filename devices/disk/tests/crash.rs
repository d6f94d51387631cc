//! Writers that are killed, and hosts that lose power: what was flushed is there, and the image is sound.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod judge;
mod tags;

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use judge::{Bench, Random};
use ovum_disk::image::layout::Layout;
use ovum_disk::qcow2::{self, Options};
use ovum_disk::raw::Raw;
use ovum_disk::storage::testing::{Faulty, Memory};
use ovum_disk::storage::{FileStorage, Storage};
use ovum_disk::{Access, Disk, Format, Image, SECTOR, check, open};
use tags::power::Power;
use tags::{Change, Changes, Expected};
use vm_memory::VolatileSlice;

/// Sectors of the disks, and of those below them.
const SECTORS: u64 = 6 * 2048 + 3;
const BASE: u64 = 4 * 2048 + 5;
/// The environment variable that makes this program the one that is killed.
const SEED: &str = "OVUM_TEST_CRASH_SEED";

/// Not a test of its own: what is killed. Says what it does before it does it, and when a flush is done.
#[test]
#[ignore = "it is started, and killed, by another test"]
fn writer() {
    let Some(seed) = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()) else { return };
    let disk = open(Path::new("overlay"), Some(Format::Qcow2), Access::ReadWrite).unwrap();
    let mut out = io::stdout().lock();
    for (number, change) in Changes::new(seed, SECTORS).enumerate() {
        writeln!(out, "begin {number}").unwrap();
        change.apply(disk.as_ref()).unwrap();
        if matches!(change, Change::Flush) {
            writeln!(out, "flushed {number}").unwrap();
        }
    }
}

/// Runs the writer, and kills it after `time`. Returns the numbers of the last change that it began, and of the last flush.
fn kill_a_writer(bench: &Bench, seed: u64, time: Duration) -> (usize, Option<usize>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--ignored", "--nocapture", "--test-threads=1"])
        .env(SEED, seed.to_string())
        .current_dir(bench.dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut begun, mut flushed) = (0, None);
    let mut killer = None;
    for line in lines {
        let line = line.unwrap();
        // The harness writes to the same line before the first one.
        if let Some((_, number)) = line.rsplit_once("begin ") {
            begun = number.parse().unwrap();
            let pid = i32::try_from(child.id()).unwrap();
            killer.get_or_insert_with(|| {
                std::thread::spawn(move || {
                    std::thread::sleep(time);
                    // SAFETY: no pointers; the child is not waited for before this thread has ended.
                    #[allow(unsafe_code)]
                    unsafe {
                        libc::kill(pid, libc::SIGKILL)
                    };
                })
            });
        } else if let Some((_, number)) = line.rsplit_once("flushed ") {
            flushed = Some(number.parse().unwrap());
        }
    }
    killer.expect("the writer has begun").join().unwrap();
    child.wait().unwrap();
    (begun, flushed)
}

fn make_overlay(bench: &Bench, seed: u64, cluster_size: u32) {
    fs::write(bench.path("base.raw"), tags::base(BASE, &mut Random::new(seed))).unwrap();
    let storage: Arc<dyn Storage> = Arc::new(FileStorage::create(&bench.path("overlay")).unwrap());
    let options = Options { cluster_size, backing: Some(("base.raw".into(), Some(Format::Raw))) };
    drop(qcow2::create(storage, SECTORS * SECTOR, &options).unwrap());
}

fn kill_and_look(kills: Range<u64>) {
    let mut random = Random::new(kills.start);
    let mut state = None;
    for kill in kills {
        // A new image now and then; the others have been through it before.
        if kill.is_multiple_of(10) {
            state = None;
        }
        let (bench, expected) = state.get_or_insert_with(|| {
            let bench = Bench::new();
            let cluster_size: u32 = if kill.is_multiple_of(20) { 4096 } else { 65536 };
            make_overlay(&bench, kill, cluster_size);
            let disk = open(&bench.path("overlay"), None, Access::ReadOnly).unwrap();
            (bench, Expected::new(tags::tags(disk.as_ref()), cluster_size.into()))
        });
        let (begun, flushed) = kill_a_writer(bench, kill, Duration::from_micros(1000 + random.below(49_000)));
        for (number, change) in Changes::new(kill, SECTORS).enumerate().take(begun + 1) {
            expected.change(change);
            if matches!(change, Change::Flush) && flushed.is_some_and(|flushed| number <= flushed) {
                expected.settle();
            }
        }
        let overlay = bench.path("overlay");
        let disk = open(&overlay, Some(Format::Qcow2), Access::ReadWrite).unwrap();
        expected.judge(disk.as_ref(), &format!("kill {kill} after change {begun}, flush {flushed:?}"));
        let all = judge::read(disk.as_ref(), 0, usize::try_from(disk.size()).unwrap());
        disk.close().unwrap();
        drop(disk);
        fs::write(bench.path("all.raw"), all).unwrap();
        bench.qemu_img(["check", "-q", "-f", "qcow2", "overlay"]);
        bench.qemu_img(["compare", "-q", "-f", "raw", "-F", "qcow2", "all.raw", "overlay"]);
    }
}

#[test]
fn a_hundred_killed_writers_lose_nothing() {
    kill_and_look(0..100);
}

#[test]
fn another_hundred_killed_writers_lose_nothing() {
    kill_and_look(100..200);
}

fn assert_sound(layout: &dyn Layout, context: &str) {
    let findings = check::check(layout).unwrap();
    assert_eq!((findings.count, findings.leaked), (0, 0), "{context}: {:?}", findings.damage);
}

/// A disk on a host that fails, and what should be on it.
struct Victim {
    power: Arc<Power>,
    base: Option<Arc<Image>>,
    changes: Changes,
    expected: Expected,
    random: Random,
}

impl Victim {
    const SECTORS: u64 = 1024 + 3;

    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let cluster_size = [512, 4096, 65536][usize::try_from(seed).unwrap() % 3];
        let bytes = tags::base(800, &mut random);
        let base = Image::fixed(Arc::new(Raw::new(Memory::new(bytes))), None);
        let base = seed.is_multiple_of(2).then(|| Arc::new(base));
        let power: Arc<Power> = Arc::default();
        let backing = base.as_ref().map(|_| ("base".to_owned(), Some(Format::Raw)));
        let options = Options { cluster_size, backing };
        let layer = qcow2::create(Arc::clone(&power) as _, Self::SECTORS * SECTOR, &options).unwrap();
        let disk = Image::changeable(layer, base.clone());
        let expected = Expected::new(tags::tags(&disk), cluster_size.into());
        Self { power, base, changes: Changes::new(seed, Self::SECTORS), expected, random }
    }

    /// Changes the disk until the host fails at some call, in the middle of anything; that is the last that is heard of it.
    fn change_until_it_fails(&mut self) {
        let most = if self.random.below(2) == 0 { 12 } else { 300 };
        let calls = i64::try_from(self.random.below(most)).unwrap();
        let faulty = Faulty::new(Arc::clone(&self.power) as _, calls, libc::EIO, false);
        let disk = Image::changeable(qcow2::open_changeable(faulty).unwrap().0, self.base.clone());
        for change in self.changes.by_ref() {
            self.expected.change(change);
            let is_flush = matches!(change, Change::Flush);
            let result = if is_flush && self.random.below(3) == 0 { disk.close() } else { change.apply(&disk) };
            match result {
                Err(_) => break,
                Ok(()) if is_flush => self.expected.settle(),
                Ok(()) => (),
            }
        }
        drop(disk);
        // What only the program knew is lost.
        let layer = qcow2::read(Arc::clone(&self.power) as _).unwrap().layout;
        self.expected.look(&Image::fixed(layer, self.base.clone()), "the program is lost");
    }

    /// Loses power, and looks at what is there when it is back.
    fn lose_power(&mut self, context: &str) {
        self.power = Power::new(self.power.lose(&mut self.random));
        // Either it is dirty, which ends this check, or its refcounts are right.
        assert_sound(qcow2::read(Arc::clone(&self.power) as _).unwrap().layout.as_ref(), context);
        let layer =
            qcow2::open_changeable(Arc::clone(&self.power) as _).unwrap_or_else(|e| panic!("{context}: {e:?}")).0;
        self.expected.judge(&Image::changeable(Arc::clone(&layer), self.base.clone()), context);
        layer.close().unwrap();
        assert_sound(layer.as_ref(), context);
    }
}

#[test]
fn what_was_flushed_survives_a_loss_of_power() {
    for seed in 0..120 {
        let mut victim = Victim::new(seed);
        for cut in 0..4 {
            // Now and then only the program is lost, and the next one goes on with what the host still has to write.
            (0..=seed % 3).for_each(|_| victim.change_until_it_fails());
            victim.lose_power(&format!("seed {seed}, cut {cut}"));
        }
    }
}

#[test]
fn what_a_killed_program_gave_up_is_not_used_before_it_is_free() {
    let mut random = Random::new(1);
    for (calls, more) in (0..8).flat_map(|calls| (1..5).map(move |more| (calls, more))) {
        let power: Arc<Power> = Arc::default();
        let open = |storage| Image::changeable(qcow2::open_changeable(storage).unwrap().0, None);
        qcow2::create(Arc::clone(&power) as _, 1 << 20, &Options::default()).unwrap();
        let disk = open(Arc::clone(&power) as _);
        tags::tag(&disk, 0, 1);
        disk.close().unwrap();
        drop(disk);
        // Gives up the cluster; how far that gets is different each time.
        let disk = open(Faulty::new(Arc::clone(&power) as _, calls, libc::EIO, false));
        let _ = disk.write_zeroes(0..65536, true).and_then(|()| disk.flush());
        drop(disk);
        let disk = open(Faulty::new(Arc::clone(&power) as _, more, libc::EIO, false));
        let _ = Change::Write(128, 256, 100).apply(&disk);
        drop(disk);
        for _ in 0..12 {
            let found = tags::tags(&open(Memory::new(power.lose(&mut random))));
            assert!(found[0] <= 1 && found[1..128].iter().all(|tag| *tag == 0), "after {calls} and {more} calls");
        }
    }
}

/// A storage of which some changes fail.
#[derive(Debug)]
struct Flaky(Arc<Memory>, Mutex<Random>);

impl Flaky {
    fn maybe(&self) -> io::Result<()> {
        let fails = self.1.lock().unwrap().below(9) == 0;
        if fails { Err(io::Error::from_raw_os_error(libc::ENOSPC)) } else { Ok(()) }
    }
}

impl Storage for Flaky {
    fn name(&self) -> String {
        self.0.name()
    }

    fn size(&self) -> u64 {
        self.0.size()
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read_at(&self, offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        self.0.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, from: &[VolatileSlice<'_>]) -> io::Result<()> {
        self.maybe().and_then(|()| self.0.write_at(offset, from))
    }

    fn flush(&self) -> io::Result<()> {
        self.maybe()
    }

    fn discard(&self, range: Range<u64>) -> io::Result<()> {
        self.maybe().and_then(|()| self.0.discard(range))
    }

    fn write_zeroes(&self, range: Range<u64>, may_unmap: bool) -> io::Result<()> {
        self.maybe().and_then(|()| self.0.write_zeroes(range, may_unmap))
    }
}

#[test]
fn requests_that_fail_harm_no_others() {
    for seed in 0..30 {
        let cluster_size = [512, 4096][usize::try_from(seed).unwrap() % 2];
        let memory = Memory::new(Vec::new());
        let options = Options { cluster_size, backing: None };
        drop(qcow2::create(Arc::clone(&memory) as _, 700 * SECTOR, &options).unwrap());
        let flaky: Arc<dyn Storage> = Arc::new(Flaky(Arc::clone(&memory), Mutex::new(Random::new(seed))));
        let disk = Image::changeable(qcow2::open_changeable(flaky).unwrap().0, None);
        let mut expected = Expected::new(vec![0; 700], cluster_size.into());
        let mut failed = 0;
        for change in Changes::new(seed, 700).take(200) {
            expected.change(change);
            match change.apply(&disk) {
                Ok(()) => expected.settle(),
                Err(_) => failed += 1,
            }
            expected.judge(&disk, &format!("seed {seed}"));
        }
        assert!(failed > 10);
        while disk.close().is_err() {}
        assert_sound(qcow2::read(Arc::clone(&memory) as _).unwrap().layout.as_ref(), "closed");
        drop(disk);
        let disk = Image::fixed(qcow2::read(memory).unwrap().layout, None);
        assert_eq!(tags::tags(&disk), expected.sure, "seed {seed}");
    }
}
