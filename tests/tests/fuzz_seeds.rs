//! Replays the seeds of the fuzz targets for devices and disks (`tests/fuzz`) with a stable compiler.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use ovum_devices::fuzz;
use ovum_disk::Format;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target)
}

fn replay(target: &str, body: fn(&[u8])) {
    let seeds: Vec<_> = fs::read_dir(folder(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!seeds.is_empty(), "{target} has no seeds");
    for seed in seeds {
        body(&fs::read(&seed).unwrap());
    }
}

#[test]
fn any_order_of_register_accesses_is_harmless() {
    replay("mmio_registers", fuzz::mmio_registers);
    replay("pci_registers", fuzz::pci_registers);
}

#[test]
fn any_descriptors_and_requests_are_harmless() {
    replay("blk_requests", fuzz::blk_requests);
}

#[test]
fn any_image_is_harmless() {
    replay("disk_vmdk", |bytes| ovum_disk::fuzz::image(Format::Vmdk, bytes));
    replay("disk_qcow2", |bytes| ovum_disk::fuzz::image(Format::Qcow2, bytes));
    replay("disk_vhd", |bytes| ovum_disk::fuzz::image(Format::Vhd, bytes));
    replay("disk_vhdx", |bytes| ovum_disk::fuzz::image(Format::Vhdx, &ovum_disk::vhdx::testing::unfold(bytes)));
    replay("disk_vdi", |bytes| ovum_disk::fuzz::image(Format::Vdi, bytes));
}

#[test]
fn any_image_that_is_changed_holds_what_was_written() {
    replay("disk_qcow2_write", ovum_disk::fuzz::qcow2_write);
}

#[test]
fn any_compressed_file_is_harmless() {
    replay("disk_gzip", ovum_disk::fuzz::gzip);
    replay("disk_bzip2", ovum_disk::fuzz::bzip2);
}

/// `cargo test -p ovum-tests --test fuzz_seeds -- --ignored`: noise from which the fuzzer finds its way.
#[test]
#[ignore = "writes into the source tree"]
fn write_the_fuzzers_seeds() {
    for target in ["mmio_registers", "pci_registers", "blk_requests"] {
        fs::create_dir_all(folder(target)).unwrap();
        for number in 1..=6u32 {
            fs::write(
                folder(target).join(format!("noise-{number}")),
                noise(number, 64 * usize::try_from(number).unwrap()),
            )
            .unwrap();
        }
    }
}

/// Bytes of a linear congruential generator: the same on every host.
fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}
