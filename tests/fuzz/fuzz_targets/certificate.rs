//! A signature with certificates of any content is read and confirmed.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_boot::fuzz::certificate(data));
