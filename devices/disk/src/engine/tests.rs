mod backends;

use std::sync::{Arc, Weak, mpsc};
use std::thread;
use std::time::Duration;

use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestRegionMmap, MmapRegion};
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};

use super::testing::Gated;
use super::*;

const SIZE: usize = 1 << 20;
const MEMORY: usize = 8 << 20;
/// How long to wait for what must not come, or for others to come to where they wait.
const A_WHILE: Duration = Duration::from_millis(200);

/// Memory, and a way to see whether anybody still has it.
fn memory() -> (GuestMemoryMmap<()>, Weak<GuestRegionMmap<()>>) {
    let region = GuestRegionMmap::new(MmapRegion::new(MEMORY).unwrap(), GuestAddress(0x1000)).unwrap();
    let region = Arc::new(region);
    let weak = Arc::downgrade(&region);
    (GuestMemoryMmap::from_arc_regions(vec![region]).unwrap(), weak)
}

fn slice(memory: &GuestMemoryMmap<()>, at: u64, len: usize) -> VolatileSlice<'_> {
    memory.get_slice(GuestAddress(0x1000 + at), len).unwrap()
}

fn engine(disk: &Arc<Gated>) -> Engine<u64> {
    let disk: Arc<dyn Disk> = Arc::<Gated>::clone(disk);
    Engine::new("test", disk, Backend::Best)
}

/// Begins a read of 512 bytes; its token is its offset, and so is the place of its buffer.
fn read(engine: &mut Engine<u64>, memory: &GuestMemoryMmap<()>, offset: u64) {
    let into = [slice(memory, offset, 512)];
    engine.submit(offset, Operation::Read { offset, into: &into }, memory, Haste::Among);
}

/// Sleeps on the engine's event until `count` requests are over; returns them in the order in which they came.
fn ends<T>(engine: &mut Engine<T>, count: usize) -> Vec<Completion<T>> {
    let epoll = Epoll::new().unwrap();
    let edges = EpollEvent::new(EventSet::IN | EventSet::EDGE_TRIGGERED, 0);
    epoll.ctl(ControlOperation::Add, engine.event().unwrap(), edges).unwrap();
    engine.start();
    let mut all: Vec<Completion<T>> = engine.completions().collect();
    while all.len() < count {
        let woken = epoll.wait(10_000, &mut [EpollEvent::default()]);
        assert!(!matches!(woken, Ok(0)), "{} of {count} are over, and no event comes", all.len());
        all.extend(engine.completions());
    }
    all
}

fn tokens(completions: Vec<Completion<u64>>) -> Vec<u64> {
    completions.into_iter().map(|over| over.result.map(|()| over.token).unwrap()).collect()
}

#[test]
fn requests_end_in_any_order_and_each_with_its_own_result() {
    let disk = Gated::new(SIZE, [0, 512]);
    let (memory, _) = memory();
    let mut engine = engine(&disk);
    disk.spoil(1024);
    [0, 512, 1024, 2048].into_iter().for_each(|offset| read(&mut engine, &memory, offset));
    let mut first = ends(&mut engine, 2);
    first.sort_by_key(|over| over.token);
    assert_eq!(
        first.iter().map(|over| (over.token, over.result.is_ok())).collect::<Vec<_>>(),
        [(1024, false), (2048, true)]
    );
    assert_eq!(engine.in_flight(), 2);
    disk.let_go(512);
    assert_eq!(tokens(ends(&mut engine, 1)), [512]);
    disk.let_go(0);
    assert_eq!(tokens(ends(&mut engine, 1)), [0]);
    assert_eq!((engine.in_flight(), engine.completions().count()), (0, 0));
}

#[test]
fn what_has_to_be_over_at_once_is() {
    let disk = Gated::new(SIZE, []);
    let (memory, _) = memory();
    let mut engine = engine(&disk);
    memory.write_slice(&[7; 512], GuestAddress(0x1000)).unwrap();
    let from = [slice(&memory, 0, 512)];
    engine.submit(1, Operation::Write { offset: 0, from: &from }, &memory, Haste::Now);
    assert_eq!(engine.in_flight(), 0);
    assert_eq!(tokens(engine.completions().collect()), [1]);
    assert_eq!(disk.contents()[..512], [7; 512]);
}

/// The memory outlives the last request even where nothing else holds it, and the engine's end waits for that request.
#[test]
fn the_end_waits_for_the_host_and_memory_for_the_end() {
    let disk = Gated::new(SIZE, [0]);
    let (memory, weak) = memory();
    let mut engine = engine(&disk);
    (0..20).for_each(|_| read(&mut engine, &memory, 0));
    drop(memory);
    assert!(disk.wait_begun(pool::MAX_THREADS));
    let (ended, end) = mpsc::channel();
    let dropping = thread::spawn(move || {
        drop(engine);
        ended.send(()).unwrap();
    });
    end.recv_timeout(A_WHILE).unwrap_err();
    assert!(weak.upgrade().is_some(), "the memory is there as long as the host may write to it");
    disk.let_go(0);
    dropping.join().unwrap();
    assert!(weak.upgrade().is_none());
    assert_eq!(disk.begun().len(), pool::MAX_THREADS, "what had not begun never did");
    assert_eq!(Arc::strong_count(&disk), 1, "no thread has the disk any more");
}

#[test]
fn after_a_drain_nothing_is_left_and_the_engine_goes_on() {
    let disk = Gated::new(SIZE, [0]);
    let (memory, weak) = memory();
    let mut engine = engine(&disk);
    (0..20).for_each(|_| read(&mut engine, &memory, 0));
    assert!(disk.wait_begun(1));
    let opener = {
        let disk = Arc::clone(&disk);
        thread::spawn(move || {
            thread::sleep(A_WHILE);
            disk.let_go(0);
        })
    };
    engine.drain();
    assert_eq!((engine.in_flight(), engine.completions().count()), (0, 0));
    assert_eq!(weak.strong_count(), 1, "nobody else has the memory");
    opener.join().unwrap();
    read(&mut engine, &memory, 512);
    assert_eq!(tokens(ends(&mut engine, 1)), [512]);
}

/// A long request looks between its pieces whether it is still wanted.
#[test]
fn a_drain_cuts_a_long_request_short() {
    let disk = Gated::new(4 * MEMORY, [0]);
    let (memory, _) = memory();
    let mut engine = engine(&disk);
    let into = [slice(&memory, 0, MEMORY), slice(&memory, 0, MEMORY)];
    engine.submit(0, Operation::Read { offset: 0, into: &into }, &memory, Haste::Alone);
    assert!(disk.wait_begun(1));
    let opener = {
        let disk = Arc::clone(&disk);
        thread::spawn(move || {
            thread::sleep(A_WHILE);
            disk.let_go(0);
        })
    };
    engine.drain();
    opener.join().unwrap();
    assert_eq!(disk.begun(), [0]);
    engine.submit(0, Operation::Read { offset: 0, into: &into }, &memory, Haste::Alone);
    assert_eq!(ends(&mut engine, 1).len(), 1);
    assert_eq!(disk.begun(), [0, 0, 4 << 20, 8 << 20, 12 << 20]);
}

#[test]
fn there_is_a_limit_and_past_it_the_caller_waits() {
    let disk = Gated::new(SIZE, [0]);
    let (memory, _) = memory();
    let mut engine = engine(&disk);
    (0..LIMIT).for_each(|_| read(&mut engine, &memory, 0));
    assert_eq!((engine.in_flight(), engine.room()), (LIMIT, 0));
    read(&mut engine, &memory, 512);
    assert_eq!(tokens(engine.completions().collect()), [512]);
    disk.let_go(0);
    assert_eq!(ends(&mut engine, LIMIT).len(), LIMIT);
    assert_eq!(engine.room(), LIMIT);
}

#[test]
fn a_durable_change_is_flushed_before_it_is_over() {
    let disk = Gated::new(SIZE, []);
    let (memory, _) = memory();
    let mut engine = engine(&disk);
    engine.set_durable(true);
    let data = [slice(&memory, 0, 512)];
    let changes = [
        Operation::Write { offset: 0, from: &data },
        Operation::Discard(&[0..512, 1024..1536]),
        Operation::WriteZeroes(&[(0..512, true)]),
    ];
    for (flushes, change) in (1..).zip(changes) {
        engine.submit(0, change, &memory, Haste::Alone);
        assert_eq!(tokens(ends(&mut engine, 1)), [0]);
        assert_eq!(disk.flushes(), flushes);
    }
    engine.submit(0, Operation::Read { offset: 0, into: &data }, &memory, Haste::Alone);
    assert_eq!(tokens(ends(&mut engine, 1)), [0]);
    assert_eq!(disk.flushes(), 3);
}

#[test]
fn buffers_elsewhere_are_refused() {
    let disk = Gated::new(SIZE, []);
    let (memory, _) = memory();
    let mut engine = engine(&disk);
    let mut bytes = [0; 512];
    let into = [VolatileSlice::from(&mut bytes[..])];
    engine.submit(0, Operation::Read { offset: 0, into: &into }, &memory, Haste::Among);
    let error = ends(&mut engine, 1).remove(0).result.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(address_of(&memory, &into[0]).is_none());
    assert_eq!(address_of(&memory, &slice(&memory, 100, 7)), Some(GuestAddress(0x1000 + 100)));
}

#[test]
fn a_disk_that_panics_fails_its_request() {
    struct Broken;
    impl Disk for Broken {
        fn size(&self) -> u64 {
            SIZE as u64
        }
        fn is_read_only(&self) -> bool {
            true
        }
        fn read_at(&self, _: u64, _: &[VolatileSlice<'_>]) -> io::Result<()> {
            panic!("on purpose")
        }
        fn write_at(&self, _: u64, _: &[VolatileSlice<'_>]) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
        fn discard(&self, _: std::ops::Range<u64>) -> io::Result<()> {
            Ok(())
        }
        fn write_zeroes(&self, _: std::ops::Range<u64>, _: bool) -> io::Result<()> {
            Ok(())
        }
    }
    let (memory, _) = memory();
    let mut engine = Engine::new("test", Arc::new(Broken), Backend::Best);
    read(&mut engine, &memory, 0);
    ends(&mut engine, 1).remove(0).result.unwrap_err();
    engine.submit(1, Operation::Flush, &memory, Haste::Alone);
    assert_eq!(tokens(ends(&mut engine, 1)), [1]);
}
