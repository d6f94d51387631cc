//! An image is read as a unified kernel image.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_boot::fuzz::pe(data));
