//! A driver reads and writes virtio-mmio registers in any order, of any size.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_devices::fuzz::mmio_registers(data));
