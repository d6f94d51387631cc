//! A property's type, qualifiers and value.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_boot::fuzz::property_check(data));
