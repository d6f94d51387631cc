use std::sync::Arc;

use vm_memory::{Bytes, GuestAddress};

use super::{Blk, spec};
use crate::virtio::mmio::spec as mmio;
use crate::virtio::mmio::spec::Register;
use crate::virtio::mock::{BUFFERS, BlkAnswer, Desc, Driver, INDIRECT, LOW_END, MEMORY_END, MemoryDisk, NEXT, WRITE};
use crate::virtio::status;
use crate::virtio::worker::Runner;

const SIZE: usize = 1 << 20;
const SECTORS: u64 = SIZE as u64 / 512;
const EVENT_IDX: u64 = 1 << 29;
const INDIRECT_DESC: u64 = 1 << 28;

fn with_disk(disk: &Arc<MemoryDisk>, queues: u16) -> Driver {
    let disk: Arc<dyn ovum_disk::Disk> = Arc::<MemoryDisk>::clone(disk);
    Driver::new(Box::new(Blk::new("blk0", disk, "0123456789abcdefghijXYZ", queues)), Runner::Inline)
}

/// A started device with all its features, and its disk.
fn started() -> (Driver, Arc<MemoryDisk>) {
    let disk = Arc::new(MemoryDisk::new(SIZE));
    let mut driver = with_disk(&disk, 1);
    let all = driver.offered() & !EVENT_IDX;
    driver.start(all);
    (driver, disk)
}

fn header(kind: u32, sector: u64) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &[0; 4], &sector.to_le_bytes()].concat()
}

fn segment(sector: u64, sectors: u32, flags: u32) -> Vec<u8> {
    [&sector.to_le_bytes()[..], &sectors.to_le_bytes(), &flags.to_le_bytes()].concat()
}

fn put(driver: &Driver, address: u64, bytes: &[u8]) {
    driver.memory.write_slice(bytes, GuestAddress(address)).unwrap();
}

fn get(driver: &Driver, address: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    driver.memory.read_slice(&mut bytes, GuestAddress(address)).unwrap();
    bytes
}

fn failed(status: u8) -> BlkAnswer {
    BlkAnswer { status, data: vec![], len: 1 }
}

#[test]
fn the_configuration_space_tells_the_disk() {
    let mut driver = with_disk(&Arc::new(MemoryDisk::new(SIZE)), 4);
    assert_eq!(u64::from_le_bytes(driver.config(0)), SECTORS);
    assert_eq!(u32::from_le_bytes(driver.config(8)), 1 << 20);
    assert_eq!(u32::from_le_bytes(driver.config(12)), 254);
    assert_eq!(u32::from_le_bytes(driver.config(20)), 512);
    assert_eq!(driver.config(24), [0, 0, 1, 0, 0, 0, 0, 0], "one block of 512 bytes, and no optimal size");
    assert_eq!(u16::from_le_bytes(driver.config(34)), 4);
    assert_eq!(u32::from_le_bytes(driver.config(36)), 1 << 22);
    assert_eq!(u32::from_le_bytes(driver.config(40)), 16);
    assert_eq!(u32::from_le_bytes(driver.config(44)), 8);
    assert_eq!(u32::from_le_bytes(driver.config(48)), 1 << 15);
    assert_eq!(u32::from_le_bytes(driver.config(52)), 1);
    assert_eq!(driver.config(56), [1]);
    assert_eq!(driver.config(60), [0; 8]);
    let limits = spec::F_SIZE_MAX | spec::F_SEG_MAX | spec::F_BLK_SIZE | spec::F_TOPOLOGY | spec::F_MQ;
    let requests = spec::F_FLUSH | spec::F_DISCARD | spec::F_WRITE_ZEROES;
    assert_eq!(driver.offered(), limits | requests | EVENT_IDX | INDIRECT_DESC | status::VERSION_1);
}

#[test]
fn what_is_written_is_read_back_and_on_the_disk() {
    let (mut driver, disk) = started();
    let data: Vec<u8> = (0..4096).map(|i| u8::try_from(i % 251).unwrap()).collect();
    assert_eq!(driver.blk(0, spec::T_OUT, 5, &data), failed(spec::S_OK));
    assert_eq!(disk.contents()[5 * 512..5 * 512 + 4096], data);
    assert!(disk.contents()[..5 * 512].iter().all(|byte| *byte == 0));
    assert_eq!(driver.blk_read(0, 5, 4096), BlkAnswer { status: 0, data, len: 4097 });
}

#[test]
fn the_last_sector_is_there_and_the_next_is_not() {
    let (mut driver, _) = started();
    assert_eq!(driver.blk(0, spec::T_OUT, SECTORS - 1, &[1; 512]).status, spec::S_OK);
    for (sector, sectors) in [(SECTORS - 1, 2_usize), (SECTORS, 1), (u64::MAX, 1), (u64::MAX / 512, 1), (1 << 55, 1)] {
        assert_eq!(driver.blk(0, spec::T_OUT, sector, &vec![1; sectors * 512]).status, spec::S_IOERR, "{sector}");
        let answer = driver.blk_read(0, sector, u32::try_from(sectors).unwrap() * 512);
        assert!(answer.status == spec::S_IOERR && answer.data.iter().all(|byte| *byte == 0xee), "{sector}");
        assert_eq!(answer.len, 0, "nothing was written before the status");
    }
    assert_eq!(driver.status(), 15, "such requests fail, the device does not");
}

#[test]
fn data_comes_in_whole_sectors() {
    let (mut driver, _) = started();
    for len in [1, 511, 513] {
        assert_eq!(driver.blk(0, spec::T_OUT, 0, &vec![1; len]).status, spec::S_IOERR);
        assert_eq!(driver.blk_read(0, 0, u32::try_from(len).unwrap()).status, spec::S_IOERR);
    }
}

#[test]
fn flush_reaches_the_disk_and_its_failure_the_driver() {
    let (mut driver, disk) = started();
    driver.blk(0, spec::T_OUT, 0, &[1; 512]);
    assert_eq!(disk.flushes(), 0);
    assert_eq!(driver.blk(0, spec::T_FLUSH, 0, &[]).status, spec::S_OK);
    assert_eq!(disk.flushes(), 1);
    disk.set_failing(true);
    assert_eq!(driver.blk(0, spec::T_FLUSH, 0, &[]).status, spec::S_IOERR);
    assert_eq!(driver.blk(0, spec::T_OUT, 0, &[1; 512]).status, spec::S_IOERR);
    assert_eq!(driver.blk_read(0, 0, 512).status, spec::S_IOERR);
    disk.set_failing(false);
    assert_eq!(driver.blk(0, spec::T_OUT, 0, &[1; 512]).status, spec::S_OK, "the device goes on");
}

#[test]
fn without_the_flush_feature_each_write_is_flushed() {
    let disk = Arc::new(MemoryDisk::new(SIZE));
    let mut driver = with_disk(&disk, 1);
    driver.start(0);
    driver.blk_read(0, 0, 512);
    assert_eq!(disk.flushes(), 0);
    driver.blk(0, spec::T_OUT, 0, &[1; 512]);
    assert_eq!(disk.flushes(), 1);
}

#[test]
fn the_identity_has_20_bytes() {
    let (mut driver, _) = started();
    let answer = driver.blk_request(0, spec::T_GET_ID, 0, &[], 20);
    assert_eq!(answer, BlkAnswer { status: 0, data: b"0123456789abcdefghij".to_vec(), len: 21 });
    assert_eq!(driver.blk_request(0, spec::T_GET_ID, 0, &[], 4).data, b"0123");
}

#[test]
fn unknown_types_and_those_not_agreed_on_are_unsupported() {
    let (mut driver, _) = started();
    for kind in [2, 3, 5, 10, 14, 0x8000_0000, u32::MAX] {
        assert_eq!(driver.blk(0, kind, 0, &[0; 512]).status, spec::S_UNSUPP, "{kind}");
    }
    driver.start(0);
    for kind in [spec::T_FLUSH, spec::T_DISCARD, spec::T_WRITE_ZEROES] {
        assert_eq!(driver.blk(0, kind, 0, &segment(0, 1, 0)).status, spec::S_UNSUPP, "{kind}");
    }
}

#[test]
fn a_read_only_disk_refuses_changes() {
    let disk = Arc::new(MemoryDisk::read_only(SIZE));
    let mut driver = with_disk(&disk, 1);
    let offered = driver.offered();
    assert_eq!(offered & (spec::F_RO | spec::F_DISCARD | spec::F_WRITE_ZEROES), spec::F_RO);
    driver.start(offered & !EVENT_IDX);
    assert_eq!(driver.blk(0, spec::T_OUT, 0, &[1; 512]).status, spec::S_IOERR);
    assert_eq!(driver.blk(0, spec::T_DISCARD, 0, &segment(0, 1, 0)).status, spec::S_UNSUPP);
    assert_eq!(driver.blk_read(0, 0, 512).data, [0; 512]);
    assert_eq!(driver.blk(0, spec::T_FLUSH, 0, &[]).status, spec::S_OK);
}

#[test]
fn discard_and_write_zeroes_clear_their_ranges() {
    let (mut driver, disk) = started();
    driver.blk(0, spec::T_OUT, 0, &[1; 4096]);
    let two = [segment(0, 1, 0), segment(2, 1, 0)].concat();
    assert_eq!(driver.blk(0, spec::T_DISCARD, 0, &two).status, spec::S_OK);
    for flags in [0, spec::SEGMENT_UNMAP] {
        assert_eq!(driver.blk(0, spec::T_WRITE_ZEROES, 0, &segment(4, 2, flags)).status, spec::S_OK);
    }
    let ones: Vec<bool> = disk.contents().chunks(512).take(9).map(|sector| sector == [1; 512]).collect();
    assert_eq!(ones, [false, true, false, true, false, false, true, true, false]);
}

#[test]
fn bad_segments_change_nothing() {
    let (mut driver, disk) = started();
    driver.blk(0, spec::T_OUT, 0, &[1; 4096]);
    let before = disk.contents();
    let cases = [
        (spec::T_DISCARD, vec![], spec::S_IOERR),
        (spec::T_DISCARD, vec![0; 15], spec::S_IOERR),
        (spec::T_DISCARD, segment(0, 1, 0).repeat(17), spec::S_IOERR),
        (spec::T_DISCARD, segment(SECTORS, 1, 0), spec::S_IOERR),
        (spec::T_DISCARD, segment(u64::MAX, 1, 0), spec::S_IOERR),
        (spec::T_DISCARD, segment(0, u32::MAX, 0), spec::S_IOERR),
        (spec::T_DISCARD, segment(0, 1, 1), spec::S_UNSUPP),
        (spec::T_DISCARD, [segment(0, 1, 0), segment(SECTORS, 1, 0)].concat(), spec::S_IOERR),
        (spec::T_WRITE_ZEROES, segment(0, 1, 0).repeat(2), spec::S_IOERR),
        (spec::T_WRITE_ZEROES, segment(0, (1 << 15) + 1, 0), spec::S_IOERR),
        (spec::T_WRITE_ZEROES, segment(0, 1, 2), spec::S_UNSUPP),
    ];
    for (kind, data, status) in cases {
        assert_eq!(driver.blk(0, kind, 0, &data).status, status, "{kind} {data:?}");
    }
    assert_eq!(disk.contents(), before);
}

#[test]
fn where_descriptors_begin_and_end_has_no_meaning() {
    let (mut driver, disk) = started();
    let data: Vec<u8> = (0..1024).map(|i| u8::try_from(i % 253).unwrap()).collect();
    put(&driver, BUFFERS, &[header(spec::T_OUT, 1), data.clone()].concat());
    // Header and data in pieces of 7, 20 and the rest, one of no length among them.
    let write = [(0, 7), (7, 20), (27, 0), (27, 1013)];
    let mut chain: Vec<_> = write.iter().map(|&(at, len)| Desc::readable(BUFFERS + at, len)).collect();
    chain.push(Desc::writable(BUFFERS + 2048, 1));
    driver.add(0, &chain);
    driver.kick(0);
    assert_eq!(driver.used(0).unwrap().len, 1);
    assert_eq!(disk.contents()[512..1536], data);
    // Data and status in one buffer, which lies across two regions of memory.
    put(&driver, BUFFERS, &header(spec::T_IN, 1));
    put(&driver, LOW_END + 512, &[0xee, 0xee]);
    driver.add(0, &[Desc::readable(BUFFERS, 16), Desc::writable(LOW_END - 512, 1025)]);
    driver.kick(0);
    assert_eq!(driver.used(0).unwrap().len, 1025);
    assert_eq!(get(&driver, LOW_END - 512, 1024), data);
    assert_eq!(get(&driver, LOW_END + 512, 2), [0, 0xee]);
}

#[test]
fn indirect_descriptors_work() {
    let (mut driver, disk) = started();
    put(&driver, BUFFERS, &[header(spec::T_OUT, 0), vec![9; 512]].concat());
    let table = [
        Desc { addr: BUFFERS, len: 16, flags: NEXT, next: 2 },
        Desc { addr: BUFFERS + 1024, len: 1, flags: WRITE, next: 0 },
        Desc { addr: BUFFERS + 16, len: 512, flags: NEXT, next: 1 },
    ];
    put(&driver, BUFFERS + 4096, &table.map(Desc::to_bytes).concat());
    driver.add(0, &[Desc { addr: BUFFERS + 4096, len: 48, flags: INDIRECT, next: 0 }]);
    driver.kick(0);
    assert_eq!(driver.used(0).unwrap().len, 1);
    assert_eq!(disk.contents()[..512], [9; 512]);
}

#[test]
fn a_batch_gives_one_interrupt() {
    let (mut driver, _) = started();
    put(&driver, BUFFERS, &header(spec::T_IN, 0));
    for _ in 0..20 {
        driver.add(0, &[Desc::readable(BUFFERS, 16), Desc::writable(BUFFERS + 512, 513)]);
    }
    driver.kick(0);
    assert_eq!(driver.interrupt.count(), 1);
    assert_eq!(std::iter::from_fn(|| driver.used(0)).count(), 20);
    driver.kick(0);
    assert_eq!(driver.interrupt.count(), 1, "nothing to do, nothing to tell");
    driver.forbid_interrupts(0, true);
    driver.blk_read(0, 0, 512);
    assert_eq!(driver.interrupt.count(), 1);
    driver.forbid_interrupts(0, false);
    driver.blk_read(0, 0, 512);
    assert_eq!(driver.interrupt.count(), 2);
}

#[test]
fn with_event_indices_the_driver_chooses_its_interrupts() {
    let disk = Arc::new(MemoryDisk::new(SIZE));
    let mut driver = with_disk(&disk, 1);
    driver.start(EVENT_IDX);
    driver.set_used_event(0, 2);
    for expected in [0, 0, 1, 1] {
        driver.blk_read(0, 0, 512);
        assert_eq!(driver.interrupt.count(), expected);
    }
}

#[test]
fn every_queue_serves() {
    let disk = Arc::new(MemoryDisk::new(SIZE));
    let mut driver = with_disk(&disk, 4);
    driver.start(spec::F_MQ);
    for queue in 0..4 {
        assert_eq!(driver.blk(queue, spec::T_OUT, queue as u64, &[1; 512]).status, spec::S_OK);
    }
    assert!(disk.contents()[..4 * 512].iter().all(|byte| *byte == 1));
}

#[test]
fn a_full_queue_is_served_in_rounds() {
    let disk = Arc::new(MemoryDisk::new(SIZE));
    let dyn_disk: Arc<dyn ovum_disk::Disk> = Arc::<MemoryDisk>::clone(&disk);
    let mut driver = Driver::new(Box::new(Blk::new("blk0", dyn_disk, "", 1)), Runner::Thread);
    driver.start(0);
    put(&driver, BUFFERS, &header(spec::T_IN, 0));
    driver.put_descriptor(0, 0, Desc { addr: BUFFERS, len: 16, flags: NEXT, next: 1 });
    driver.put_descriptor(0, 1, Desc::writable(BUFFERS + 512, 513));
    // More than a round, and one notification for all of them.
    for _ in 0..256 {
        driver.make_available(0, 0);
    }
    driver.kick(0);
    for _ in 0..256 {
        assert_eq!(driver.wait_used(0).len, 513);
    }
}

/// Puts what `spoil` makes before the device and expects that it asks for a reset, and works after it.
fn breaks(spoil: impl FnOnce(&mut Driver)) {
    let (mut driver, disk) = started();
    put(&driver, BUFFERS, &header(spec::T_OUT, 0));
    let before = disk.contents();
    spoil(&mut driver);
    driver.kick(0);
    assert_eq!(driver.status(), 15 | status::NEEDS_RESET);
    assert_eq!(driver.read(Register::InterruptStatus) & mmio::INTERRUPT_CONFIG, mmio::INTERRUPT_CONFIG);
    assert_eq!(disk.contents(), before, "nothing was done");
    driver.start(0);
    assert_eq!(driver.blk(0, spec::T_OUT, 0, &[1; 512]).status, spec::S_OK);
}

#[test]
fn loops_of_descriptors_break_the_device_and_nothing_else() {
    breaks(|driver| {
        driver.put_descriptor(0, 0, Desc { addr: BUFFERS, len: 16, flags: NEXT, next: 0 });
        driver.make_available(0, 0);
    });
    breaks(|driver| {
        driver.put_descriptor(0, 0, Desc { addr: BUFFERS, len: 16, flags: NEXT, next: 1 });
        driver.put_descriptor(0, 1, Desc { addr: BUFFERS, len: 512, flags: NEXT | WRITE, next: 1 });
        driver.make_available(0, 0);
    });
    // A table that points to itself.
    breaks(|driver| {
        let table = Desc { addr: BUFFERS + 4096, len: 16, flags: INDIRECT, next: 0 };
        put(driver, BUFFERS + 4096, &table.to_bytes());
        driver.add(0, &[table]);
    });
}

#[test]
fn buffers_outside_of_memory_break_the_device_and_nothing_else() {
    for (addr, len) in [
        (MEMORY_END, 512),
        (MEMORY_END - 1, 512),
        (MEMORY_END - 512, 513),
        (BUFFERS, u32::MAX),
        (u64::MAX - 15, 512),
        (u64::MAX, 1),
        (1 << 63, 512),
    ] {
        breaks(|driver| {
            driver.add(0, &[Desc::readable(BUFFERS, 16), Desc::readable(addr, len), Desc::writable(BUFFERS + 64, 1)]);
        });
        breaks(|driver| {
            driver.add(0, &[Desc::readable(BUFFERS, 16), Desc::writable(addr, len), Desc::writable(BUFFERS + 64, 1)]);
        });
        breaks(|driver| {
            driver.add(0, &[Desc::readable(addr, len), Desc::writable(BUFFERS + 64, 1)]);
        });
    }
}

#[test]
fn requests_without_room_for_header_or_status_break_the_device_and_nothing_else() {
    let head = Desc::readable(BUFFERS, 16);
    let status = Desc::writable(BUFFERS + 64, 1);
    let chains: [&[Desc]; 6] = [
        &[head],
        &[status],
        &[Desc::readable(BUFFERS, 15), status],
        &[head, Desc::writable(BUFFERS + 64, 0)],
        &[status, head],
        &[head, status, head],
    ];
    for chain in chains {
        breaks(|driver| {
            driver.add(0, chain);
        });
    }
}

#[test]
fn broken_rings_and_tables_break_the_device_and_nothing_else() {
    breaks(|driver| driver.make_available(0, 256));
    breaks(|driver| driver.make_available(0, u16::MAX));
    // More available than the queue has descriptors.
    breaks(|driver| put(driver, Driver::areas(0)[1] + 2, &257u16.to_le_bytes()));
    breaks(|driver| put(driver, Driver::areas(0)[1] + 2, &u16::MAX.to_le_bytes()));
    breaks(|driver| {
        driver.put_descriptor(0, 0, Desc { addr: BUFFERS, len: 16, flags: NEXT, next: 256 });
        driver.make_available(0, 0);
    });
    for len in [0, 15, 17, 16 * 65536, u32::MAX] {
        breaks(|driver| {
            driver.add(0, &[Desc { addr: BUFFERS + 4096, len, flags: INDIRECT, next: 0 }]);
        });
    }
    breaks(|driver| {
        driver.add(0, &[Desc { addr: MEMORY_END, len: 32, flags: INDIRECT, next: 0 }]);
    });
    // A chain longer than the queue, in a table of 65535.
    breaks(|driver| {
        let long: Vec<u8> =
            (0..u16::MAX).flat_map(|i| Desc { addr: BUFFERS, len: 16, flags: NEXT, next: i + 1 }.to_bytes()).collect();
        put(driver, BUFFERS, &long);
        driver.add(0, &[Desc { addr: BUFFERS, len: 16 * 65535, flags: INDIRECT, next: 0 }]);
    });
}

#[test]
fn the_smallest_and_the_largest_queue_serve() {
    for size in [1, 2, 4, 256] {
        let disk = Arc::new(MemoryDisk::new(SIZE));
        let mut driver = with_disk(&disk, 1);
        assert!(driver.negotiate(status::VERSION_1 | INDIRECT_DESC));
        driver.set_up_queue(0, size);
        driver.add_status(status::DRIVER_OK);
        put(&driver, BUFFERS, &header(spec::T_IN, 0));
        // One descriptor that is read and written cannot be: with a queue of one, every request breaks the rules.
        let table = [
            Desc { addr: BUFFERS, len: 16, flags: NEXT, next: 1 },
            Desc { addr: BUFFERS + 512, len: 513, flags: WRITE, next: 0 },
        ];
        put(&driver, BUFFERS + 4096, &table.map(Desc::to_bytes).concat());
        for _ in 0..3 {
            driver.add(0, &[Desc { addr: BUFFERS + 4096, len: 32, flags: INDIRECT, next: 0 }]);
            driver.kick(0);
            assert_eq!(driver.used(0).map(|used| used.len), (size > 1).then_some(513), "queue of {size}");
        }
    }
}

#[test]
fn a_read_into_its_own_rings_ends() {
    let (mut driver, disk) = started();
    // The disk's bytes become the available ring: index 0xffff and heads 0, again and again.
    drop(disk);
    driver.blk(0, spec::T_OUT, 0, &[&[0, 0, 0xff, 0xff][..], &[0; 508]].concat());
    let [_, available, _] = Driver::areas(0);
    put(&driver, BUFFERS, &header(spec::T_IN, 0));
    driver.add(0, &[Desc::readable(BUFFERS, 16), Desc::writable(available, 512), Desc::writable(BUFFERS + 64, 1)]);
    driver.kick(0);
    assert_eq!(driver.status(), 15 | status::NEEDS_RESET);
}
