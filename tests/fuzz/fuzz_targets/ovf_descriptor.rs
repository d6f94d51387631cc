//! An OVF descriptor, read with several choices.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_boot::fuzz::descriptor(data));
