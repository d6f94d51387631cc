//! A text is read as that of a volume group.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_boot::fuzz::lvm(data));
