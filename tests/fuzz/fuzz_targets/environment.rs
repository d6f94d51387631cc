//! What a guest is told, from properties and options.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_boot::fuzz::environment(data));
