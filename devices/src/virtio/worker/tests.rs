use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use ovum_disk::Disk;
use vm_memory::{Bytes, GuestAddress, VolatileSlice};

use super::Runner;
use crate::virtio::blk::{Blk, request, spec};
use crate::virtio::mmio::spec::Register;
use crate::virtio::mock::{BUFFERS, Desc, Driver, MEMORY_END, MemoryDisk};

const MIB: u32 = 1 << 20;
/// How long to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A disk of a TiB that does what it is told when it is read, and nothing else.
struct Told<F>(F);

impl<F: Fn(u64) + Send + Sync> Disk for Told<F> {
    fn size(&self) -> u64 {
        1 << 40
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read_at(&self, _offset: u64, into: &[VolatileSlice<'_>]) -> io::Result<()> {
        (self.0)(into.iter().map(|buffer| buffer.len() as u64).sum());
        Ok(())
    }

    fn write_at(&self, _offset: u64, _from: &[VolatileSlice<'_>]) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    fn discard(&self, _range: Range<u64>) -> io::Result<()> {
        Ok(())
    }

    fn write_zeroes(&self, _range: Range<u64>, _may_unmap: bool) -> io::Result<()> {
        Ok(())
    }
}

/// A started block device that calls `on_read`, with the number of bytes, for each read of its disk.
fn started(runner: Runner, on_read: impl Fn(u64) + Send + Sync + 'static) -> Driver {
    let mut driver = Driver::new(Box::new(Blk::new("blk0", Arc::new(Told(on_read)), "", 1)), runner);
    driver.start(0);
    driver
}

const HEADER: u64 = MEMORY_END - 32;
const STATUS: u64 = MEMORY_END - 16;

/// Makes a read of `segments`, all of them into the same buffer, available.
fn add_read(driver: &mut Driver, segments: &[u32]) {
    driver.memory.write_slice(&[0; 16], GuestAddress(HEADER)).unwrap();
    let mut chain = vec![Desc::readable(HEADER, 16)];
    chain.extend(segments.iter().map(|len| Desc::writable(BUFFERS, *len)));
    chain.push(Desc::writable(STATUS, 1));
    driver.add(0, &chain);
    driver.kick(0);
}

/// Makes `count` reads of `segments` available and resets the device while the first is under way, on a disk that takes
/// 20 ms for each 4 MiB, and for each access. Expects that less than half of the bytes were read.
fn reset_among(count: u64, segments: &[u32]) {
    let read = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&read);
    let mut driver = started(Runner::Thread, move |bytes| {
        counted.fetch_add(bytes, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(20 * bytes.div_ceil(4 << 20)));
    });
    (0..count).for_each(|_| add_read(&mut driver, segments));
    driver.wait_until(|_| read.load(Ordering::SeqCst) > 0);
    driver.write(Register::Status, 0);
    let at_reset = read.load(Ordering::SeqCst);
    let all = count * segments.iter().map(|len| u64::from(*len)).sum::<u64>();
    assert!(at_reset < all / 2, "{at_reset} bytes of {all}");
    thread::sleep(Duration::from_millis(60));
    assert_eq!(read.load(Ordering::SeqCst), at_reset, "a device that was reset does nothing more");
}

#[test]
fn a_reset_does_not_wait_for_the_rest_of_the_queue() {
    reset_among(80, &[512]);
}

#[test]
fn a_reset_does_not_wait_for_the_rest_of_a_long_request() {
    reset_among(1, &[MIB; 254]);
}

#[test]
fn a_request_takes_what_the_limits_add_up_to_and_no_more() {
    let read = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&read);
    let mut driver = started(Runner::Inline, move |bytes| log.lock().unwrap().push(bytes));
    let segments = usize::from(request::MAX_DATA_SEGMENTS);
    // The greatest request, then one that is no segment longer but 512 bytes.
    let greatest = vec![request::MAX_SEGMENT; segments];
    let mut greater = greatest.clone();
    greater[0] += 512;
    for (data, status) in [(greatest, spec::S_OK), (greater, spec::S_IOERR)] {
        read.lock().unwrap().clear();
        add_read(&mut driver, &data);
        assert_eq!(driver.memory.read_obj::<u8>(GuestAddress(STATUS)).unwrap(), status);
        let read: u64 = read.lock().unwrap().iter().sum();
        assert_eq!(read, if status == spec::S_OK { request::MAX_DATA } else { 0 });
    }
}

#[test]
fn a_long_request_is_one_range_of_the_disk() {
    let disk = Arc::new(MemoryDisk::new(9 << 20));
    let dyn_disk: Arc<dyn Disk> = Arc::<MemoryDisk>::clone(&disk);
    let mut driver = Driver::new(Box::new(Blk::new("blk0", dyn_disk, "", 1)), Runner::Inline);
    driver.start(0);
    // Written from one MiB of memory, over and over, so that each place tells its offset; the pieces end inside of it.
    let mib: Vec<u8> = (0..MIB).map(|at| u8::try_from(at / 512 % 251).unwrap()).collect();
    driver.memory.write_slice(&mib, GuestAddress(BUFFERS)).unwrap();
    driver.memory.write_slice(&[&[1, 0, 0, 0][..], &[0; 12]].concat(), GuestAddress(HEADER)).unwrap();
    let lengths = [512, 0, 700 * 1024, MIB, MIB, MIB, MIB, MIB, MIB, 512 * 3];
    let mut chain = vec![Desc::readable(HEADER, 16)];
    chain.extend(lengths.map(|len| Desc::readable(BUFFERS, len)));
    chain.push(Desc::writable(STATUS, 1));
    driver.add(0, &chain);
    driver.kick(0);
    assert_eq!(driver.memory.read_obj::<u8>(GuestAddress(STATUS)).unwrap(), spec::S_OK);
    let expected: Vec<u8> = lengths.iter().flat_map(|len| &mib[..*len as usize]).copied().collect();
    let contents = disk.contents();
    assert!(contents[..expected.len()] == expected);
    assert!(contents[expected.len()..].iter().all(|byte| *byte == 0));
}

#[test]
fn the_configuration_is_read_while_the_disk_is_busy() {
    let (release, released) = mpsc::channel();
    let (reached, reading) = mpsc::channel();
    let (released, in_time) = (Mutex::new(released), Arc::new(Mutex::new(None)));
    let outcome = Arc::clone(&in_time);
    let mut driver = started(Runner::Thread, move |_| {
        reached.send(()).unwrap();
        *outcome.lock().unwrap() = Some(released.lock().unwrap().recv_timeout(PATIENCE).is_ok());
    });
    add_read(&mut driver, &[512]);
    reading.recv_timeout(PATIENCE).unwrap();
    assert_eq!(u64::from_le_bytes(driver.config(0)), 1 << 31, "sectors of a TiB");
    release.send(()).unwrap();
    driver.wait_used(0);
    assert_eq!(*in_time.lock().unwrap(), Some(true), "the configuration waited for the disk");
}

/// Gives the calling thread, and threads that it starts, a table of file descriptors of their own.
#[allow(unsafe_code)] // one system call
fn keep_descriptors_apart() {
    // SAFETY: takes no pointers; the descriptors that are open stay so under their numbers.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_FILES) }, 0);
}

/// A limit that is reached while a guest runs would make a device that never works.
#[test]
fn a_start_needs_no_more_descriptors() {
    keep_descriptors_apart();
    let open = || std::fs::read_dir("/proc/thread-self/fd").unwrap().count();
    let mut driver = Driver::new(Box::new(Blk::new("blk0", Arc::new(MemoryDisk::new(512)), "", 4)), Runner::Thread);
    let built = open();
    for round in 0..2 {
        driver.start(0);
        assert_eq!(driver.blk_read(0, 0, 512).status, spec::S_OK);
        assert_eq!(open(), built, "start number {round}");
    }
}
