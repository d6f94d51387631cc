use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::spec::{self, Register};
use crate::bus::BusDevice;
use crate::virtio::blk::Blk;
use crate::virtio::device::{Activation, ActiveDevice, NeedsReset, Served, Stop, VirtioDevice};
use crate::virtio::mock::{Desc, Driver, MEMORY_END, MemoryDisk};
use crate::virtio::status;
use crate::virtio::worker::Runner;

const VERSION_1: u64 = status::VERSION_1;

/// What the probe saw.
#[derive(Default)]
struct Seen {
    activations: AtomicUsize,
    deactivations: AtomicUsize,
    serves: AtomicUsize,
    ready_queues: AtomicUsize,
}

/// A device that only watches how it is treated.
struct Probe {
    seen: Arc<Seen>,
    config: [u8; 4],
}

struct ActiveProbe(Box<Probe>);

impl VirtioDevice for Probe {
    fn device_id(&self) -> u32 {
        42
    }

    fn name(&self) -> &str {
        "probe"
    }

    fn features(&self) -> u64 {
        0b101 | 1 << 40
    }

    fn queue_sizes(&self) -> &[u16] {
        &[256, 16]
    }

    fn config(&self) -> &[u8] {
        &self.config
    }

    fn write_config(&mut self, offset: u64, data: &[u8]) {
        if offset == 0 && data.len() == 4 {
            self.config.copy_from_slice(data);
        }
    }

    fn activate(self: Box<Self>, activation: Activation) -> Box<dyn ActiveDevice> {
        use virtio_queue::QueueT;
        self.seen.activations.fetch_add(1, Ordering::SeqCst);
        let ready = activation.queues.iter().filter(|queue| queue.ready()).count();
        self.seen.ready_queues.store(ready, Ordering::SeqCst);
        Box::new(ActiveProbe(self))
    }
}

impl ActiveDevice for ActiveProbe {
    /// Queue 0 is well, every notification of queue 1 after the first is the driver's fault.
    fn serve(&mut self, index: u16, _stop: &Stop) -> Result<Served, NeedsReset> {
        let before = self.0.seen.serves.fetch_add(1, Ordering::SeqCst);
        if index == 1 && before >= 2 {
            return Err(NeedsReset);
        }
        Ok(Served::Drained)
    }

    fn deactivate(self: Box<Self>) -> Box<dyn VirtioDevice> {
        self.0.seen.deactivations.fetch_add(1, Ordering::SeqCst);
        self.0
    }
}

fn probe() -> (Driver, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let device = Probe { seen: Arc::clone(&seen), config: [1, 2, 3, 4] };
    (Driver::new(Box::new(device), Runner::Inline), seen)
}

fn blk(runner: Runner) -> Driver {
    Driver::new(Box::new(Blk::new("blk0", Arc::new(MemoryDisk::new(1 << 16)), "", 1)), runner)
}

#[test]
fn it_shows_who_it_is() {
    let (mut driver, _) = probe();
    assert_eq!(driver.read(Register::MagicValue), u32::from_le_bytes(*b"virt"));
    assert_eq!(driver.read(Register::Version), 2);
    assert_eq!(driver.read(Register::DeviceId), 42);
    assert_eq!(driver.read(Register::VendorId).to_le_bytes(), *b"OVUM");
    assert_eq!(driver.offered(), 0b101 | 1 << 40 | VERSION_1);
    driver.write(Register::DeviceFeaturesSel, 2);
    assert_eq!(driver.read(Register::DeviceFeatures), 0);
    for register in [Register::ShmLenLow, Register::ShmLenHigh, Register::ShmBaseLow, Register::ShmBaseHigh] {
        assert_eq!(driver.read(register), u32::MAX, "there is no shared memory: {register:?}");
    }
    for (queue, size) in [(0, 256), (1, 16), (2, 0), (u32::MAX, 0)] {
        driver.write(Register::QueueSel, queue);
        assert_eq!(driver.read(Register::QueueNumMax), size);
    }
}

#[test]
fn registers_take_aligned_words_and_nothing_else() {
    let (mut driver, _) = probe();
    for (offset, len) in [(0, 1), (0, 2), (0, 8), (1, 4), (2, 4), (0xfc, 8), (0xff, 2), (0x18, 4), (0, 0), (0, 16)] {
        let mut data = [0xee; 16];
        driver.transport.read(offset, &mut data[..len]);
        assert!(data[..len].iter().all(|byte| *byte == 0), "{len} bytes at {offset:#x}");
    }
    for len in [0, 1, 2, 8, 16] {
        driver.transport.write(Register::Status.offset(), &[1; 16][..len]);
        assert_eq!(driver.status(), 0, "a write of {len} bytes is none");
    }
}

#[test]
fn config_space_takes_any_size() {
    let (mut driver, _) = probe();
    assert_eq!(driver.config::<1>(2), [3]);
    assert_eq!(driver.config::<3>(1), [2, 3, 4]);
    assert_eq!(driver.config::<8>(2), [3, 4, 0, 0, 0, 0, 0, 0]);
    assert_eq!(driver.config::<4>(4000), [0; 4]);
    driver.transport.write(spec::CONFIG, &[9, 8, 7, 6]);
    assert_eq!(driver.config::<4>(0), [9, 8, 7, 6]);
    driver.start(0);
    driver.transport.write(spec::CONFIG, &[0; 4]);
    assert_eq!(driver.config::<4>(0), [9, 8, 7, 6], "an active device is read, not written");
}

#[test]
fn features_are_a_subset_with_version_1() {
    let (mut driver, _) = probe();
    for bad in [0, 0b101, VERSION_1 | 0b10, VERSION_1 | 1 << 63, u64::MAX] {
        assert!(!driver.negotiate(bad), "{bad:#x}");
        assert_eq!(driver.status(), status::ACKNOWLEDGE | status::DRIVER);
        driver.add_status(status::DRIVER_OK);
        assert_eq!(driver.status() & status::DRIVER_OK, 0, "not without FEATURES_OK");
    }
    for good in [VERSION_1, VERSION_1 | 0b100, VERSION_1 | 1 << 40] {
        assert!(driver.negotiate(good), "{good:#x}");
    }
}

#[test]
fn features_are_fixed_once_agreed_on() {
    let (mut driver, _) = probe();
    assert!(driver.negotiate(VERSION_1));
    driver.write(Register::DriverFeaturesSel, 0);
    driver.write(Register::DriverFeatures, 0b10);
    driver.add_status(status::DRIVER_OK);
    assert_eq!(driver.status(), 15);
}

#[test]
fn status_bits_come_in_order_and_go_by_reset_only() {
    let (mut driver, seen) = probe();
    for early in [status::DRIVER, status::FEATURES_OK, status::DRIVER_OK, status::NEEDS_RESET, 16] {
        driver.write(Register::Status, early);
        assert_eq!(driver.status(), 0, "{early} comes first");
    }
    driver.start(0);
    driver.write(Register::Status, status::ACKNOWLEDGE);
    assert_eq!(driver.status(), 15, "bits are not cleared one by one");
    driver.add_status(status::FAILED);
    assert_eq!(driver.status(), 15 | status::FAILED);
    assert_eq!(seen.activations.load(Ordering::SeqCst), 1, "writing the status again activates nothing");
    driver.write(Register::Status, 0);
    assert_eq!(driver.status(), 0);
    assert_eq!(seen.deactivations.load(Ordering::SeqCst), 1);
    driver.start(0);
    assert_eq!(seen.activations.load(Ordering::SeqCst), 2, "a reset device starts again");
}

#[test]
fn queues_are_set_up_after_features_and_before_the_start() {
    let (mut driver, seen) = probe();
    driver.write(Register::QueueReady, 1);
    assert_eq!(driver.read(Register::QueueReady), 0, "not before FEATURES_OK");
    assert!(driver.negotiate(VERSION_1));
    driver.set_up_queue(0, 256);
    assert_eq!(driver.read(Register::QueueReady), 1);
    driver.add_status(status::DRIVER_OK);
    assert_eq!(seen.ready_queues.load(Ordering::SeqCst), 1, "the driver left queue 1 out");

    driver.write(Register::QueueReady, 0);
    assert_eq!(driver.read(Register::QueueReady), 1, "frozen");
    driver.write(Register::QueueSel, 1);
    driver.write(Register::QueueReady, 1);
    assert_eq!(driver.read(Register::QueueReady), 0, "frozen");
}

#[test]
fn an_active_queue_stays_where_it_was() {
    let mut driver = blk(Runner::Inline);
    driver.start(0);
    for register in
        [Register::QueueDescLow, Register::QueueDriverLow, Register::QueueDeviceLow, Register::QueueDeviceHigh]
    {
        driver.write(register, 0xffff_fff0);
    }
    driver.write(Register::QueueNum, 0x8000);
    assert_eq!(driver.blk(0, 1, 0, &[7; 512]).status, 0, "served where it was set up");
    assert_eq!(driver.status(), 15);
}

/// Starts with queue 0 as `spoil` leaves it, and expects a refusal that a reset gets over.
fn refuse_queue(spoil: impl FnOnce(&mut Driver)) {
    let (mut driver, seen) = probe();
    assert!(driver.negotiate(VERSION_1));
    driver.set_up_queue(1, 16);
    driver.set_up_queue(0, 256);
    spoil(&mut driver);
    driver.add_status(status::DRIVER_OK);
    assert_eq!(driver.status(), 15 | status::NEEDS_RESET);
    assert_eq!(driver.read(Register::InterruptStatus), spec::INTERRUPT_CONFIG);
    assert_eq!(driver.interrupt.count(), 1);
    assert_eq!(seen.activations.load(Ordering::SeqCst), 0);
    driver.kick(0);
    driver.start(0);
    assert_eq!(driver.status(), 15);
}

#[test]
fn queues_of_no_size_or_too_great_a_size_are_refused() {
    for size in [0, 3, 257, 512, 0x8000, 0x1_0000, 0x1_0100, u32::MAX] {
        refuse_queue(|driver| driver.write(Register::QueueNum, size));
    }
}

#[test]
fn queues_outside_of_memory_or_unaligned_are_refused() {
    let end = u32::try_from(MEMORY_END).unwrap();
    for low in [Register::QueueDescLow, Register::QueueDriverLow, Register::QueueDeviceLow] {
        refuse_queue(|driver| driver.write(low, end - 16));
        refuse_queue(|driver| driver.write(low, end));
        refuse_queue(|driver| driver.write(low, 0xffff_fff0));
        refuse_queue(|driver| driver.write(low, 1));
    }
    for high in [Register::QueueDescHigh, Register::QueueDriverHigh, Register::QueueDeviceHigh] {
        refuse_queue(|driver| driver.write(high, u32::MAX));
    }
    refuse_queue(|driver| driver.write(Register::QueueDescLow, 8));
    refuse_queue(|driver| driver.write(Register::QueueDeviceLow, 2));
}

#[test]
fn interrupts_have_a_reason_until_it_is_acknowledged() {
    let mut driver = blk(Runner::Inline);
    driver.start(0);
    assert_eq!(driver.interrupt.count(), 0);
    driver.blk_read(0, 0, 512);
    assert_eq!(driver.interrupt.count(), 1);
    assert_eq!(driver.read(Register::InterruptStatus), spec::INTERRUPT_USED);
    driver.write(Register::InterruptAck, spec::INTERRUPT_CONFIG);
    assert_eq!(driver.read(Register::InterruptStatus), spec::INTERRUPT_USED);
    driver.write(Register::InterruptAck, spec::INTERRUPT_USED);
    assert_eq!(driver.read(Register::InterruptStatus), 0);
}

#[test]
fn a_broken_driver_is_told_once_and_not_served_until_reset() {
    let (mut driver, seen) = probe();
    driver.start(0);
    let interrupts = driver.interrupt.count();
    driver.kick(1);
    assert_eq!(driver.status(), 15 | status::NEEDS_RESET);
    assert_eq!(driver.interrupt.count(), interrupts + 1);
    let serves = seen.serves.load(Ordering::SeqCst);
    driver.kick(1);
    driver.kick(0);
    assert_eq!(seen.serves.load(Ordering::SeqCst), serves);
    assert_eq!(driver.interrupt.count(), interrupts + 1);
    seen.serves.store(0, Ordering::SeqCst);
    driver.start(0);
    assert_eq!(driver.status(), 15);
}

#[test]
fn notifications_of_no_queue_are_ignored() {
    let (mut driver, seen) = probe();
    driver.kick(0);
    assert_eq!(seen.serves.load(Ordering::SeqCst), 0, "not active");
    driver.start(0);
    let serves = seen.serves.load(Ordering::SeqCst);
    driver.write(Register::QueueNotify, 2);
    driver.write(Register::QueueNotify, 0x1_0000);
    driver.write(Register::QueueNotify, u32::MAX);
    assert_eq!(seen.serves.load(Ordering::SeqCst), serves);
}

#[test]
fn a_worker_serves_by_register_and_by_event() {
    let mut driver = blk(Runner::Thread);
    driver.start(0);
    assert_eq!(driver.blk(0, 1, 0, &[3; 1024]).status, 0);
    // What a hypervisor does with an ioeventfd.
    driver.add(0, &[Desc::readable(MEMORY_END - 16, 16), Desc::writable(MEMORY_END - 1024, 513)]);
    driver.transport.queue_events()[0].write(1).unwrap();
    assert_eq!(driver.wait_used(0).len, 513);
    driver.wait_until(|driver| driver.interrupt.count() == 2);
}

#[test]
fn a_worker_survives_many_resets() {
    let mut driver = blk(Runner::Thread);
    for round in 0..100 {
        driver.start(0);
        assert_eq!(driver.blk(0, 1, 0, &[round; 512]).status, 0);
        driver.kick(0);
        driver.write(Register::Status, 0);
        assert_eq!(driver.status(), 0);
        driver.kick(0);
    }
}

#[test]
fn a_worker_serves_what_was_available_before_it_started() {
    let mut driver = blk(Runner::Thread);
    assert!(driver.negotiate(VERSION_1));
    driver.set_up_queue(0, 16);
    driver.add(0, &[Desc::readable(MEMORY_END - 16, 16), Desc::writable(MEMORY_END - 1024, 513)]);
    driver.add_status(status::DRIVER_OK);
    assert_eq!(driver.wait_used(0).len, 513);
}

#[test]
fn a_worker_reports_a_broken_driver_and_waits_for_the_reset() {
    let mut driver = blk(Runner::Thread);
    driver.start(0);
    driver.make_available(0, 300);
    driver.kick(0);
    driver.wait_until(|driver| driver.status() & status::NEEDS_RESET != 0);
    driver.wait_until(|driver| driver.interrupt.count() == 1);
    assert_eq!(driver.read(Register::InterruptStatus), spec::INTERRUPT_CONFIG);
    driver.kick(0);
    driver.start(0);
    assert_eq!(driver.blk(0, 1, 0, &[1; 512]).status, 0);
}
