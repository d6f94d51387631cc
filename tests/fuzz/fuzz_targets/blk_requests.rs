//! A driver gives virtio-blk descriptors, rings and requests of any content.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_devices::fuzz::blk_requests(data));
