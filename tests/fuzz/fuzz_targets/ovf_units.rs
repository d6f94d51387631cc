//! A quantity and its unit, as a descriptor writes them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_boot::fuzz::units(data));
