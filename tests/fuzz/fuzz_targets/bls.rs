//! Entries of the Boot Loader Specification and loader.conf are read.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_boot::fuzz::bls(data));
