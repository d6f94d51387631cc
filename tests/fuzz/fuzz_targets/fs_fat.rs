//! An image of any content is read as FAT.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_boot::fuzz::fat(data));
