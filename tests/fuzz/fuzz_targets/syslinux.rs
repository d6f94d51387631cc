//! A configuration of SYSLINUX is read.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_boot::fuzz::syslinux(data));
