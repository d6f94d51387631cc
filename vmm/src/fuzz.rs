//! The bodies of the fuzz targets, as plain functions, so that a test can replay what a fuzzer found.

use std::path::Path;
use std::sync::Arc;

use ovum_boot::ovf::{self, Choices};
use ovum_boot::package::Package;
use ovum_disk::Disk;
use ovum_disk::storage::Bytes;
use vm_memory::VolatileSlice;

use crate::appliance::{self, Prepared, Wishes};
use crate::builder::{Purpose, open_disk};
use crate::config::{MAX_CPUS, MachineConfig};
use crate::failure::Explain;

/// Nothing is to be written, so no place is given for it.
const NOWHERE: &str = "/nowhere";

/// Reads `data` as an OVA and prepares what is in it. Whatever the bytes are, nothing panics; what is refused is refused with
/// a cause and a remedy of a line each; and what is not has numbers that a machine can have, and disks that can be read or
/// fail like disks.
pub fn appliance(data: &[u8]) {
    let storage = Arc::new(Bytes::new("fuzzed.ova", data.to_vec()));
    let Ok(package) = Package::from_archive(Path::new("fuzzed.ova"), storage) else { return };
    let Ok(appliance) = ovf::read(package.descriptor(), &Choices::default()) else { return };
    let base = MachineConfig { scratch: NOWHERE.into(), ..MachineConfig::new(NOWHERE) };
    for kernel in [None, Some(NOWHERE.into())] {
        let wishes = Wishes { kernel, any_system: true, ..Wishes::new(base.clone()) };
        match appliance::prepare(&package, &appliance, &wishes) {
            Ok(prepared) => check(&prepared),
            Err(error) => {
                let lines = [error.to_string(), error.remedy()];
                assert!(lines.iter().all(|line| !line.is_empty()), "{error:?}");
            }
        }
    }
}

fn check(prepared: &Prepared) {
    let mut started = vec![false; prepared.members.len()];
    prepared.order.visit(&mut |number| {
        let first = started.get_mut(number).is_some_and(|started| !std::mem::replace(started, true));
        assert!(first, "machine {number} starts twice, or is nobody");
    });
    for (member, mapping) in prepared.members.iter().zip(&prepared.mappings) {
        let config = &member.config;
        assert!((1..=MAX_CPUS).contains(&config.cpus) && config.memory.is_multiple_of(4096) && config.memory > 0);
        assert!(config.disks.len() >= mapping.drives.len());
        for disk in &config.disks {
            let Ok(opened) = open_disk(disk, Path::new(NOWHERE), Purpose::Plan) else { continue };
            let size = opened.image.size();
            assert!(size.is_multiple_of(512) && size > 0, "{}", disk.source);
            for offset in [0, size / 1024 * 512, size - 512] {
                // A damaged image is the guest's I/O error.
                let _ = opened.image.read_at(offset, &[VolatileSlice::from(&mut [0_u8; 512][..])]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
