//! An image of any content is read as btrfs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_boot::fuzz::btrfs(data));
