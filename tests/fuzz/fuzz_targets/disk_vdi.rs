//! A VDI image of any content is opened, read and checked.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_disk::fuzz::image(ovum_disk::Format::Vdi, data));
