//! A package in a tar archive of any content is opened, and compared with its manifest.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_boot::fuzz::package_tar(data));
