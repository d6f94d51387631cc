//! A driver reads and writes a virtio function's configuration space and memory in any order, of any size.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_devices::fuzz::pci_registers(data));
