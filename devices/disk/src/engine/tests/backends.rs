//! Both back ends, on files.
#![allow(clippy::cast_possible_truncation, reason = "offsets of small files as indices")]

use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;

use tempfile::TempDir;

use super::*;
use crate::buffers::{clear, fill};
use crate::{Access, Format};

const BLOCK: u64 = 4096;
const BLOCKS: u64 = 64;

/// xorshift64*: the same on every host.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

fn has_ring() -> bool {
    let yes = Ring::new(&EventFd::new(0).unwrap()).is_ok();
    if !yes {
        eprintln!("no io_uring here: nothing was tested");
    }
    yes
}

/// A disk whose blocks lie in a file in the order of [`Scattered::home`]; every seventh one is nowhere and reads as zero.
/// What the engine does not do by itself fails.
struct Scattered(Arc<File>);

impl Scattered {
    fn home(block: u64) -> Option<u64> {
        if block % 7 == 6 { None } else { Some(block * 5 % BLOCKS * BLOCK) }
    }

    fn runs(&self, range: Range<u64>) -> Vec<PlainRun> {
        let mut runs = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let len = (BLOCK - at % BLOCK).min(range.end - at);
            runs.push(match Self::home(at / BLOCK) {
                Some(home) => PlainRun::InFile { file: Arc::clone(&self.0), offset: home + at % BLOCK, len },
                None => PlainRun::Zeroes { len },
            });
            at += len;
        }
        runs
    }
}

impl Disk for Scattered {
    fn size(&self) -> u64 {
        BLOCKS * BLOCK
    }
    fn is_read_only(&self) -> bool {
        false
    }
    fn read_at(&self, _: u64, _: &[VolatileSlice<'_>]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn write_at(&self, _: u64, _: &[VolatileSlice<'_>]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn flush(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn discard(&self, _: Range<u64>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn write_zeroes(&self, _: Range<u64>, _: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn plain_read(&self, range: Range<u64>) -> io::Result<Option<Vec<PlainRun>>> {
        Ok(Some(self.runs(range)))
    }
    fn plain_flush(&self) -> Option<Arc<File>> {
        Some(Arc::clone(&self.0))
    }
}

fn file(dir: &TempDir, bytes: &[u8]) -> Arc<File> {
    let path = dir.path().join("disk.img");
    fs::write(&path, bytes).unwrap();
    Arc::new(File::options().read(true).write(true).open(path).unwrap())
}

/// An engine that asks nobody what is in the page cache, so that the kernel gets everything.
fn without_cache<T>(disk: Arc<dyn Disk>, backend: Backend) -> Engine<T> {
    let mut engine = Engine::new("test", disk, backend);
    engine.tells = Tells { read: false, write: false };
    engine
}

#[test]
fn runs_of_files_and_of_nothing_are_one_range() {
    if !has_ring() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..BLOCKS * BLOCK).map(|at| u8::try_from(at / 512 % 251).unwrap()).collect();
    let disk = Scattered(file(&dir, &bytes));
    let mut model = vec![0; bytes.len()];
    for block in 0..BLOCKS {
        if let Some(home) = Scattered::home(block) {
            let (to, from) = ((block * BLOCK) as usize, home as usize);
            model[to..to + BLOCK as usize].copy_from_slice(&bytes[from..from + BLOCK as usize]);
        }
    }
    let (memory, _) = memory();
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let mut random = Random(1);
    for tells in [false, true] {
        let mut engine = Engine::new("test", Arc::clone(&disk), Backend::Best);
        engine.tells = Tells { read: tells, write: tells };
        for _ in 0..20 {
            let mut expected = Vec::new();
            for index in 0..16 {
                let offset = random.below(BLOCKS * BLOCK - 100_000);
                let len = 1 + random.below(100_000) as usize;
                let at = index * 128 * 1024;
                clear(&[slice(&memory, at, len)]).unwrap();
                // In pieces that begin and end anywhere.
                let cut = random.below(len as u64) as usize;
                let into = [slice(&memory, at, cut), slice(&memory, at + cut as u64, len - cut)];
                engine.submit(index, Operation::Read { offset, into: &into }, &memory, Haste::Among);
                expected.push((at, &model[offset as usize..offset as usize + len]));
            }
            assert_eq!(tokens(ends(&mut engine, 16)).len(), 16);
            for (at, expected) in expected {
                let mut read = vec![0; expected.len()];
                memory.read_slice(&mut read, GuestAddress(0x1000 + at)).unwrap();
                assert!(read == expected);
            }
        }
        engine.submit(0, Operation::Flush, &memory, Haste::Alone);
        assert_eq!(tokens(ends(&mut engine, 1)), [0]);
    }
}

#[test]
fn what_lies_nowhere_needs_no_host() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Scattered(file(&dir, &[]));
    let (memory, _) = memory();
    fill(&[slice(&memory, 6 * BLOCK, 1024)], &[9; 1024]).unwrap();
    let mut engine = Engine::new("test", Arc::new(disk), Backend::Best);
    read(&mut engine, &memory, 6 * BLOCK);
    assert_eq!((engine.in_flight(), tokens(engine.completions().collect())), (0, vec![6 * BLOCK]));
    let mut bytes = [1; 1024];
    memory.read_slice(&mut bytes, GuestAddress(0x1000 + 6 * BLOCK)).unwrap();
    assert_eq!(bytes, [[0; 512], [9; 512]].concat()[..]);
}

/// Requests at random on a raw file, up to 32 at a time that do not touch each other, against a model in memory.
#[test]
fn both_back_ends_do_what_a_model_does() {
    for (backend, cache) in [(Backend::Best, false), (Backend::Best, true), (Backend::Threads, false)] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        fs::write(&path, vec![0; SIZE]).unwrap();
        let disk = crate::open(&path, Some(Format::Raw), Access::ReadWrite).unwrap();
        let mut engine = without_cache(disk, backend);
        engine.tells = Tells { read: cache, write: cache };
        let mut model = vec![0; SIZE];
        let mut random = Random(7);
        let (memory, _) = memory();
        let room = (SIZE / 32) as u64;
        for _ in 0..40 {
            let mut reads = Vec::new();
            for token in 0..32 {
                let start = token * room + random.below(room / 2) / 512 * 512;
                let len = 512 * (1 + random.below(room / 1024));
                let range = start as usize..(start + len) as usize;
                let data = [slice(&memory, start, 512), slice(&memory, start + 512, len as usize - 512)];
                let haste = if random.below(2) == 0 { Haste::Alone } else { Haste::Among };
                match random.below(6) {
                    0 | 1 => {
                        let bytes = vec![u8::try_from(random.below(256)).unwrap(); len as usize];
                        fill(&data, &bytes).unwrap();
                        engine.submit(token, Operation::Write { offset: start, from: &data }, &memory, haste);
                        model[range].copy_from_slice(&bytes);
                    }
                    2 | 3 => {
                        engine.submit(token, Operation::Read { offset: start, into: &data }, &memory, haste);
                        reads.push(range);
                    }
                    4 => {
                        let ranges = [(start..start + len, random.below(2) == 0)];
                        engine.submit(token, Operation::WriteZeroes(&ranges), &memory, haste);
                        model[range].fill(0);
                    }
                    _ => engine.submit(token, Operation::Flush, &memory, haste),
                }
            }
            let mut over = tokens(ends(&mut engine, 32));
            over.sort_unstable();
            assert_eq!(over, (0..32).collect::<Vec<_>>());
            for range in reads {
                let mut read = vec![0; range.len()];
                memory.read_slice(&mut read, GuestAddress(0x1000 + range.start as u64)).unwrap();
                assert!(read == model[range]);
            }
        }
        drop(engine);
        assert!(fs::read(&path).unwrap() == model);
    }
}

#[test]
fn a_file_that_was_cut_fails_its_reads_and_nothing_else() {
    for backend in [Backend::Best, Backend::Threads] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        fs::write(&path, vec![1; SIZE]).unwrap();
        let disk = crate::open(&path, Some(Format::Raw), Access::ReadOnly).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(1000).unwrap();
        let (memory, _) = memory();
        let mut engine = Engine::new("test", disk, backend);
        [0, 512, 1024].into_iter().for_each(|offset| read(&mut engine, &memory, offset));
        let mut over = ends(&mut engine, 3);
        over.sort_by_key(|over| over.token);
        let errors: Vec<_> = over.into_iter().map(|over| over.result.err().map(|error| error.kind())).collect();
        let eof = Some(io::ErrorKind::UnexpectedEof);
        assert_eq!(errors, [None, eof, eof], "{backend:?}");
        // The end of the disk is looked at before.
        read(&mut engine, &memory, SIZE as u64);
        let error = ends(&mut engine, 1).remove(0).result.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn a_read_only_disk_refuses_changes_in_either_way() {
    for backend in [Backend::Best, Backend::Threads] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        fs::write(&path, vec![1; SIZE]).unwrap();
        let disk = crate::open(&path, Some(Format::Raw), Access::ReadOnly).unwrap();
        let (memory, _) = memory();
        let mut engine = without_cache(disk, backend);
        let from = [slice(&memory, 0, 512)];
        engine.submit(0, Operation::Write { offset: 0, from: &from }, &memory, Haste::Among);
        let error = ends(&mut engine, 1).remove(0).result.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ReadOnlyFilesystem);
    }
}

/// A disk that claims that its bytes lie one after the other in some file.
struct Claims {
    file: Arc<File>,
    offset: u64,
}

impl Disk for Claims {
    fn size(&self) -> u64 {
        SIZE as u64
    }
    fn is_read_only(&self) -> bool {
        true
    }
    fn read_at(&self, _: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        into.iter().try_for_each(|slice| fill(&[*slice], &vec![7; slice.len()]))
    }
    fn write_at(&self, _: u64, _: &[VolatileSlice<'_>]) -> io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
    fn discard(&self, _: Range<u64>) -> io::Result<()> {
        Ok(())
    }
    fn write_zeroes(&self, _: Range<u64>, _: bool) -> io::Result<()> {
        Ok(())
    }
    fn plain_read(&self, range: Range<u64>) -> io::Result<Option<Vec<PlainRun>>> {
        let len = range.end - range.start;
        Ok(Some(vec![PlainRun::InFile { file: Arc::clone(&self.file), offset: self.offset, len }]))
    }
}

/// Whatever is behind a file, nothing of a request that was drained arrives later.
#[test]
fn a_drain_takes_back_what_the_kernel_waits_for() {
    if !has_ring() {
        return;
    }
    let (reader, mut writer) = io::pipe().unwrap();
    let file = Arc::new(File::from(std::os::fd::OwnedFd::from(reader)));
    let (memory, weak) = memory();
    let mut engine = without_cache(Arc::new(Claims { file, offset: 0 }), Backend::Best);
    for offset in [0, 512, 1024] {
        read(&mut engine, &memory, offset);
    }
    engine.start();
    thread::sleep(A_WHILE);
    assert_eq!((engine.completions().count(), engine.in_flight()), (0, 3));
    assert!(weak.strong_count() > 1);
    engine.drain();
    assert_eq!((engine.in_flight(), weak.strong_count()), (0, 1));
    writer.write_all(&[9; 512]).unwrap();
    thread::sleep(A_WHILE);
    let mut bytes = [0; 1536];
    memory.read_slice(&mut bytes, GuestAddress(0x1000)).unwrap();
    assert_eq!(bytes, [0; 1536]);
    // The bytes are still in the pipe, for a request that is wanted.
    read(&mut engine, &memory, 0);
    assert_eq!(tokens(ends(&mut engine, 1)), [0]);
    read(&mut engine, &memory, 0);
    engine.start();
    drop(memory);
    drop(engine);
    assert_eq!(weak.strong_count(), 0);
}

/// The kernel does part of a request, and is asked again for the rest.
#[test]
fn short_reads_are_continued() {
    if !has_ring() {
        return;
    }
    let (reader, mut writer) = io::pipe().unwrap();
    let file = Arc::new(File::from(std::os::fd::OwnedFd::from(reader)));
    let (memory, _) = memory();
    let mut engine = without_cache(Arc::new(Claims { file, offset: 0 }), Backend::Best);
    let into = [slice(&memory, 0, 100), slice(&memory, 100, 412)];
    engine.submit(0, Operation::Read { offset: 0, into: &into }, &memory, Haste::Among);
    engine.start();
    let bytes: Vec<u8> = (0..512).map(|at| u8::try_from(at % 251).unwrap()).collect();
    for part in bytes.chunks(77) {
        assert_eq!((engine.completions().count(), engine.in_flight()), (0, 1));
        writer.write_all(part).unwrap();
        thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(tokens(ends(&mut engine, 1)), [0]);
    let mut read = vec![0; 512];
    memory.read_slice(&mut read, GuestAddress(0x1000)).unwrap();
    assert_eq!(read, bytes);
}

/// What the kernel does not do for a file goes to the disk.
#[test]
fn what_the_kernel_refuses_the_disk_does() {
    // Takes offsets and lengths of whole entries of 8 bytes and refuses others as invalid.
    let file = Arc::new(File::open("/proc/self/pagemap").unwrap());
    let (memory, _) = memory();
    let mut engine = without_cache(Arc::new(Claims { file, offset: 1 }), Backend::Best);
    read(&mut engine, &memory, 0);
    assert_eq!(tokens(ends(&mut engine, 1)), [0]);
    let mut bytes = [0; 512];
    memory.read_slice(&mut bytes, GuestAddress(0x1000)).unwrap();
    assert_eq!(bytes, [7; 512]);
}
