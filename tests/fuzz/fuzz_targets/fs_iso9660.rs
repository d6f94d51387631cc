//! An image of any content is read as ISO 9660.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_boot::fuzz::iso9660(data));
