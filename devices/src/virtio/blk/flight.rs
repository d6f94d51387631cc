//! Tests of requests in flight: a device on a thread of its own, and a disk whose requests end when the test says so.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ovum_disk::engine::LIMIT;
use ovum_disk::engine::testing::Gated;
use ovum_disk::{Access, Disk, Format, Topology};
use vm_memory::{Bytes, GuestAddress};

use super::{Blk, spec};
use crate::virtio::mmio::spec::Register;
use crate::virtio::mock::{BUFFERS, Desc, Driver, NEXT, WRITE};
use crate::virtio::worker::Runner;

const SIZE: usize = 1 << 20;
/// How long to wait for what must not come.
const A_WHILE: Duration = Duration::from_millis(200);

/// A started device with `queues` queues.
fn started(disk: Arc<dyn Disk>, queues: u16, features: u64) -> Driver {
    let mut driver = Driver::new(Box::new(Blk::new("blk0", disk, "", queues)), Runner::Thread);
    driver.start(features | if queues > 1 { spec::F_MQ } else { 0 });
    driver
}

fn with_disk(disk: &Arc<Gated>, queues: u16) -> Driver {
    let disk: Arc<dyn Disk> = Arc::<Gated>::clone(disk);
    started(disk, queues, spec::F_FLUSH)
}

/// Where request number `slot` has its header, status and data.
fn place(slot: u64) -> u64 {
    BUFFERS + slot * 1024
}

/// Makes a request of 512 bytes available, without a notification, and returns its head.
fn add(driver: &mut Driver, queue: usize, slot: u64, kind: u32, sector: u64) -> u32 {
    let header = [&kind.to_le_bytes()[..], &[0; 4], &sector.to_le_bytes()].concat();
    driver.memory.write_slice(&header, GuestAddress(place(slot))).unwrap();
    driver.memory.write_obj(0xee_u8, GuestAddress(place(slot) + 16)).unwrap();
    let data = place(slot) + 512;
    let data = if kind == spec::T_IN { Desc::writable(data, 512) } else { Desc::readable(data, 512) };
    let chain = [Desc::readable(place(slot), 16), data, Desc::writable(place(slot) + 16, 1)];
    driver.add(queue, &chain).into()
}

fn fill(driver: &Driver, slot: u64, byte: u8) {
    driver.memory.write_slice(&[byte; 512], GuestAddress(place(slot) + 512)).unwrap();
}

fn data(driver: &Driver, slot: u64) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    driver.memory.read_slice(&mut bytes, GuestAddress(place(slot) + 512)).unwrap();
    bytes
}

fn status(driver: &Driver, slot: u64) -> u8 {
    driver.memory.read_obj(GuestAddress(place(slot) + 16)).unwrap()
}

/// Lets requests at `offsets` go after a while.
fn later(disk: &Arc<Gated>, offsets: &'static [u64]) -> thread::JoinHandle<()> {
    let disk = Arc::clone(disk);
    thread::spawn(move || {
        thread::sleep(A_WHILE);
        offsets.iter().for_each(|offset| disk.let_go(*offset));
    })
}

#[test]
fn requests_end_in_any_order() {
    let disk = Gated::new(SIZE, [0, 512]);
    let mut driver = with_disk(&disk, 1);
    disk.spoil(1024);
    let heads: Vec<u32> = (0..4).map(|slot| add(&mut driver, 0, slot, spec::T_IN, slot)).collect();
    driver.kick(0);
    let mut first = [driver.wait_used(0).head, driver.wait_used(0).head];
    first.sort_unstable();
    assert_eq!(first, heads[2..]);
    assert_eq!([0, 1, 2, 3].map(|slot| status(&driver, slot)), [0xee, 0xee, spec::S_IOERR, spec::S_OK]);
    disk.let_go(512);
    assert_eq!(driver.wait_used(0).head, heads[1]);
    disk.let_go(0);
    assert_eq!(driver.wait_used(0).head, heads[0]);
    assert_eq!([0, 1].map(|slot| status(&driver, slot)), [spec::S_OK; 2]);
}

/// A request that never ends does not keep others from being served that come later.
#[test]
fn a_slow_request_holds_up_no_other() {
    let disk = Gated::new(SIZE, [0]);
    let mut driver = with_disk(&disk, 2);
    let slow = add(&mut driver, 0, 0, spec::T_IN, 0);
    driver.kick(0);
    assert!(disk.wait_begun(1));
    for (queue, slot) in [(0, 1), (1, 2), (0, 3)] {
        let head = add(&mut driver, queue, slot, spec::T_OUT, slot);
        driver.kick(queue);
        assert_eq!(driver.wait_used(queue).head, head);
    }
    assert!(driver.used(0).is_none());
    disk.let_go(0);
    assert_eq!(driver.wait_used(0).head, slow);
}

#[test]
fn a_reset_waits_for_what_is_in_flight_and_nothing_comes_after_it() {
    let disk = Gated::new(SIZE, [0, 512]);
    let mut driver = with_disk(&disk, 2);
    for slot in 0..8 {
        fill(&driver, slot, 0x11);
        let queue = usize::try_from(slot % 2).unwrap();
        add(&mut driver, queue, slot, spec::T_IN, slot % 2);
    }
    [0, 1].into_iter().for_each(|queue| driver.kick(queue));
    assert!(disk.wait_begun(4));
    let start = Instant::now();
    let opener = later(&disk, &[0, 512]);
    driver.write(Register::Status, 0);
    assert!(start.elapsed() >= A_WHILE / 2, "the host was writing to the guest's memory");
    // From here on all memory is the driver's.
    let edges = driver.interrupt.count();
    for slot in 0..8 {
        assert_eq!(status(&driver, slot), 0xee, "nobody waits for an answer");
        fill(&driver, slot, 0x22);
    }
    opener.join().unwrap();
    thread::sleep(A_WHILE);
    assert!((0..8).all(|slot| data(&driver, slot) == [0x22; 512]));
    assert_eq!(driver.interrupt.count(), edges);
    assert_eq!(disk.begun().len(), 4, "what had not begun never did");
    driver.start(spec::F_MQ);
    for queue in 0..2 {
        assert_eq!(driver.blk(queue, spec::T_OUT, 9, &[5; 512]).status, spec::S_OK);
    }
}

#[test]
fn the_end_of_the_machine_waits_too() {
    let disk = Gated::new(SIZE, [0]);
    let mut driver = with_disk(&disk, 1);
    for slot in 0..8 {
        add(&mut driver, 0, slot, spec::T_IN, 0);
    }
    driver.kick(0);
    assert!(disk.wait_begun(1));
    let start = Instant::now();
    let opener = later(&disk, &[0]);
    drop(driver);
    assert!(start.elapsed() >= A_WHILE / 2);
    opener.join().unwrap();
    assert_eq!(Arc::strong_count(&disk), 1, "nobody has the disk any more");
}

/// A driver that breaks the rules is told so when what it asked for before is no longer under way.
#[test]
fn a_broken_driver_loses_what_is_in_flight() {
    let disk = Gated::new(SIZE, [0]);
    let mut driver = with_disk(&disk, 1);
    add(&mut driver, 0, 0, spec::T_IN, 0);
    driver.kick(0);
    assert!(disk.wait_begun(1));
    driver.make_available(0, 300);
    driver.kick(0);
    let opener = later(&disk, &[0]);
    driver.wait_until(|driver| driver.status() & crate::virtio::status::NEEDS_RESET != 0);
    opener.join().unwrap();
    assert_eq!(status(&driver, 0), 0xee);
    driver.start(0);
    assert_eq!(driver.blk(0, spec::T_OUT, 9, &[5; 512]).status, spec::S_OK);
}

#[test]
fn two_queues_at_once_do_not_mix() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.raw");
    std::fs::write(&path, vec![0; SIZE]).unwrap();
    let disk = ovum_disk::open(&path, Some(Format::Raw), Access::ReadWrite).unwrap();
    let mut driver = started(disk, 2, spec::F_FLUSH);
    for round in 0..20_u64 {
        for kind in [spec::T_OUT, spec::T_IN] {
            let mut waiting = [HashMap::new(), HashMap::new()];
            for slot in 0..64 {
                let queue = usize::try_from(slot % 2).unwrap();
                let byte = u8::try_from((round + slot) % 251).unwrap();
                fill(&driver, slot, if kind == spec::T_OUT { byte } else { 0xff });
                let head = add(&mut driver, queue, slot, kind, (slot * 31 + round) % 2000);
                waiting[queue].insert(head, (slot, byte));
            }
            [0, 1].into_iter().for_each(|queue| driver.kick(queue));
            for (queue, waiting) in waiting.iter_mut().enumerate() {
                while !waiting.is_empty() {
                    let used = driver.wait_used(queue);
                    let (slot, byte) = waiting.remove(&used.head).unwrap();
                    assert_eq!(used.len, if kind == spec::T_IN { 513 } else { 1 });
                    assert_eq!((status(&driver, slot), data(&driver, slot)), (spec::S_OK, vec![byte; 512]));
                }
            }
        }
        assert_eq!(driver.blk(0, spec::T_FLUSH, 0, &[]).status, spec::S_OK);
    }
}

/// One queue fills all places; the other gets its turn before the first one gets all that it wants.
#[test]
fn a_full_engine_is_shared_between_queues() {
    let disk = Gated::new(SIZE, [0]);
    let mut driver = with_disk(&disk, 2);
    driver.memory.write_slice(&[0; 16], GuestAddress(BUFFERS)).unwrap();
    driver.put_descriptor(0, 0, Desc { addr: BUFFERS, len: 16, flags: NEXT, next: 1 });
    driver.put_descriptor(0, 1, Desc { addr: BUFFERS + 512, len: 513, flags: WRITE, next: 0 });
    for _ in 0..256 {
        driver.make_available(0, 0);
    }
    driver.kick(0);
    assert!(disk.wait_begun(1));
    thread::sleep(A_WHILE);
    let head = add(&mut driver, 1, 8, spec::T_IN, 7);
    driver.kick(1);
    thread::sleep(A_WHILE);
    assert!(driver.used(0).is_none() && driver.used(1).is_none());
    disk.let_go(0);
    assert_eq!(driver.wait_used(1).head, head);
    for _ in 0..256 {
        driver.wait_used(0);
    }
    let turn = disk.begun().iter().position(|offset| *offset == 7 * 512).unwrap();
    assert!((LIMIT - 8..250).contains(&turn), "{turn}");
}

#[test]
fn a_flush_comes_after_what_was_written_and_before_its_answer() {
    let disk = Gated::new(SIZE, []);
    let mut driver = with_disk(&disk, 1);
    assert_eq!(driver.blk(0, spec::T_OUT, 0, &[1; 512]).status, spec::S_OK);
    assert_eq!(disk.flushes(), 0);
    assert_eq!(driver.blk(0, spec::T_FLUSH, 0, &[]).status, spec::S_OK);
    assert_eq!(disk.flushes(), 1);
    // A driver that does not know the request has each write flushed for it.
    driver.start(0);
    assert_eq!(driver.blk(0, spec::T_OUT, 0, &[1; 512]).status, spec::S_OK);
    assert_eq!(disk.flushes(), 2);
    assert_eq!(driver.blk_read(0, 0, 512).data, [1; 512]);
    assert_eq!(disk.flushes(), 2);
}

/// A disk of 4 KiB blocks that are allocated by 64 KiB.
struct Blocks(Arc<Gated>);

impl Disk for Blocks {
    fn size(&self) -> u64 {
        self.0.size()
    }
    fn topology(&self) -> Topology {
        Topology { physical: 4096, ..Topology::uniform(512) }.with_blocks(64 << 10)
    }
    fn is_read_only(&self) -> bool {
        false
    }
    fn read_at(&self, offset: u64, into: &[vm_memory::VolatileSlice<'_>]) -> std::io::Result<()> {
        self.0.read_at(offset, into)
    }
    fn write_at(&self, offset: u64, from: &[vm_memory::VolatileSlice<'_>]) -> std::io::Result<()> {
        self.0.write_at(offset, from)
    }
    fn flush(&self) -> std::io::Result<()> {
        self.0.flush()
    }
    fn discard(&self, range: std::ops::Range<u64>) -> std::io::Result<()> {
        self.0.discard(range)
    }
    fn write_zeroes(&self, range: std::ops::Range<u64>, may_unmap: bool) -> std::io::Result<()> {
        self.0.write_zeroes(range, may_unmap)
    }
}

#[test]
fn the_topology_is_told_in_blocks() {
    let mut driver = started(Arc::new(Blocks(Gated::new(SIZE, []))), 1, spec::F_TOPOLOGY);
    assert_eq!(u32::from_le_bytes(driver.config(20)), 512);
    assert_eq!(driver.config(24), [3, 0], "physical blocks of 8 logical ones, aligned");
    assert_eq!(u16::from_le_bytes(driver.config(26)), 8);
    assert_eq!(u32::from_le_bytes(driver.config(28)), 128);
    assert_eq!(u32::from_le_bytes(driver.config(44)), 128, "sectors");
}
