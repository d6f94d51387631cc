//! A kernel file of any content is opened and loaded.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_boot::fuzz::kernel(data));
