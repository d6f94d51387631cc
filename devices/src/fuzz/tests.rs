//! Runs the fuzz bodies on inputs that are random but the same each time, and measures what hostile requests allocate.

use super::*;
use crate::alloc_meter::peak_of;
use crate::virtio::mock::INDIRECT;

/// Inputs of each body; a fuzzer does more.
const RUNS: u64 = 3000;

/// xorshift64*: good enough to reach every branch, and the same on every host.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn input(seed: u64) -> Vec<u8> {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let words = random.next() % 64;
        (0..words).flat_map(|_| random.next().to_le_bytes()).collect()
    }
}

#[test]
fn random_register_accesses_leave_a_device_that_works() {
    (0..RUNS).for_each(|seed| mmio_registers(&Random::input(seed)));
}

#[test]
fn random_accesses_to_a_pci_function_leave_a_device_that_works() {
    (0..RUNS).for_each(|seed| pci_registers(&Random::input(seed)));
}

#[test]
fn random_requests_leave_a_device_that_works() {
    (0..RUNS).for_each(|seed| blk_requests(&Random::input(seed)));
}

#[test]
fn bodies_bear_the_extremes() {
    for body in [mmio_registers, pci_registers, blk_requests] {
        for byte in [0, 1, 2, 3, 0x7f, 0x80, 0xff] {
            for len in [0, 1, 2, 100, 2000] {
                body(&vec![byte; len]);
            }
        }
    }
}

#[test]
fn no_length_that_a_guest_names_is_allocated() {
    let mut driver = driver();
    driver.start(1 << 28);
    // Each of these names up to 4 GiB, or a table of 65535 descriptors.
    let lengths = [u32::MAX, 1 << 31, 0x10_0000, 16 * 65535];
    for (flags, len) in [0, WRITE, INDIRECT].into_iter().flat_map(|flags| lengths.map(|len| (flags, len))) {
        let peak = peak_of(|| {
            driver.start(1 << 28);
            driver.put_descriptor(0, 0, Desc { addr: BUFFERS, len: 16, flags: NEXT, next: 1 });
            driver.put_descriptor(0, 1, Desc { addr: BUFFERS, len, flags: flags | NEXT, next: 2 });
            driver.put_descriptor(0, 2, Desc { addr: BUFFERS + 64, len: 1, flags: WRITE, next: 0 });
            driver.make_available(0, 0);
            driver.kick(0);
        });
        assert!(peak < 64 * 1024, "{peak} bytes for a length of {len:#x} with flags {flags}");
    }
}

#[test]
fn a_table_of_the_greatest_length_is_not_followed_to_its_end() {
    let mut driver = driver();
    driver.start(1 << 28);
    let link = Desc { addr: BUFFERS, len: 16, flags: NEXT, next: 0 };
    let table: Vec<u8> = (1..=u16::MAX).flat_map(|next| Desc { next, ..link }.to_bytes()).collect();
    driver.memory.write_slice(&table, GuestAddress(BUFFERS)).unwrap();
    driver.add(0, &[Desc { addr: BUFFERS, len: 16 * 65535, flags: INDIRECT, next: 0 }]);
    let peak = peak_of(|| driver.kick(0));
    assert!(peak < 64 * 1024, "{peak} bytes");
    assert_eq!(driver.status() & status::NEEDS_RESET, status::NEEDS_RESET);
}

#[test]
fn hostile_drivers_do_not_leak() {
    let mut driver = driver();
    let round = |driver: &mut Driver| {
        driver.start(0);
        driver.make_available(0, 0);
        driver.kick(0);
        driver.make_available(1, 999);
        driver.kick(1);
        driver.write(Register::Status, 0);
    };
    round(&mut driver);
    let peak = peak_of(|| (0..1000).for_each(|_| round(&mut driver)));
    assert!(peak < 64 * 1024, "{peak} bytes after 1000 rounds");
}
