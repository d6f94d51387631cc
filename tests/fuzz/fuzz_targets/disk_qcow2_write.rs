//! A qcow2 image of any content is changed in place, beside a model of it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_disk::fuzz::qcow2_write(data));
