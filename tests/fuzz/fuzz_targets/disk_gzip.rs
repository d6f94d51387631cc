//! A gzip file of any content is unpacked, in order and here and there.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_disk::fuzz::gzip(data));
