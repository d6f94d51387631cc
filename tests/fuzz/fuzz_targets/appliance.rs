//! From a package of any content to machines that could be built.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ovum_vmm::fuzz::appliance(data));
