//! A script of GRUB is run, and the entries of its menu.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_boot::fuzz::grub(data));
