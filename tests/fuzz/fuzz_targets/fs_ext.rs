//! An image of any content is read as ext2, ext3 or ext4.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_boot::fuzz::ext(data));
