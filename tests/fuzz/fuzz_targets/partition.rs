//! A disk of any content is taken apart, and booted.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_boot::fuzz::partition(data));
