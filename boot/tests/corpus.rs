//! Reads the descriptors of the corpus beside the repository: which are accepted, which are refused and where, and what the
//! machines of those made by real products are.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ovum_boot::ovf::{self, Appliance, Choices, DescriptorError};

fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/ovf-corpus");
    if !folder.is_dir() {
        eprintln!("the corpus is not there ({})", folder.display());
        return None;
    }
    Some(folder)
}

fn read(name: &str, choices: &Choices<'_>) -> Option<Result<Appliance, DescriptorError>> {
    let bytes = fs::read(corpus()?.join(format!("{name}.ovf"))).unwrap();
    Some(ovf::read(&bytes, choices))
}

/// Name, line, and a word of the cause.
const REFUSED: &[(&str, u32, &str)] = &[
    ("coreos-virtualbox", 4, "{vmdk_size}"),
    ("cot-ersatz-3.0", 2, "version 3"),
    ("ganeti-ganeti", 10, "not known"),
    ("ganeti-no-disk-ref", 8, "file1"),
    ("ganeti-wrong-xml", 71, "not well-formed"),
    ("openvmdk-hw7", 20, "@@VMDK_FILE_SIZE@@"),
    ("powervc-pvsadm", 3, "{{.SrcVolumeSize}}"),
    ("pyovf-1", 7, "testCapacity"),
    ("vmw-bad-envelope", 2, "FakeEnvelope"),
    ("vmw-bad-sectioncompat", 4, "leads out"),
    ("vmw-complete-vsc", 292, "required"),
    ("vmw-html-root", 1, "HTML"),
    ("vmw-neg-size", 5, "below zero"),
];

#[test]
fn descriptors_are_accepted_or_refused() {
    let Some(folder) = corpus() else { return };
    let names: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".ovf").map(str::to_owned))
        .collect();
    assert!(names.len() >= 46, "{}", names.len());
    for name in &names {
        let result = read(name, &Choices::default()).unwrap();
        match (REFUSED.iter().find(|(refused, ..)| refused == name), result) {
            (Some((_, line, word)), Err(error)) => {
                assert_eq!(error.line, Some(*line), "{name}: {error}");
                assert!(error.cause.contains(word) && !error.remedy.is_empty(), "{name}: {error}");
            }
            (None, Ok(appliance)) => whole(name, &appliance),
            (Some(_), Ok(_)) => panic!("{name} is accepted"),
            (None, Err(error)) => panic!("{name}: {error}"),
        }
    }
}

/// What is true of all.
fn whole(name: &str, appliance: &Appliance) {
    for system in appliance.systems() {
        assert!(system.cpus >= 1 && system.memory_bytes >= 1 << 20, "{name}");
        for drive in &system.disks {
            if let ovf::appliance::Source::Disk(id) = &drive.source {
                let disk = appliance.disk(id).unwrap();
                assert!(disk.file.as_ref().is_none_or(|file| appliance.file(file).is_some()), "{name}");
            }
        }
    }
    for warning in &appliance.warnings {
        assert!(ovf::codes::ALL.iter().any(|(code, _)| *code == warning.code), "{name}: {}", warning.code);
        assert!(warning.line.is_some() && !warning.message.contains('\n'), "{name}: {warning:?}");
    }
}

/// A machine in a line: format, vCPUs, MiB, disks with size and bus, CD-ROM drives, cards with network, serial ports, firmware.
fn summary(appliance: &Appliance, id: &str) -> String {
    let system = appliance.system(id).unwrap();
    let disks = system.disks.iter().map(|drive| {
        let ovf::appliance::Source::Disk(id) = &drive.source else { panic!("a file") };
        let on = drive.controller.as_ref().map_or("-", |on| on.kind.name());
        format!("{}M/{on}", appliance.disk(id).unwrap().capacity_bytes >> 20)
    });
    let cards = system.nics.iter().map(|nic| nic.network.clone().unwrap_or_else(|| "-".to_owned()));
    format!(
        "{} {}x{} [{}] {} [{}] {} {}",
        appliance.dialect.name(),
        system.cpus,
        system.memory_bytes >> 20,
        disks.collect::<Vec<_>>().join(" "),
        system.cdroms.len(),
        cards.collect::<Vec<_>>().join(","),
        system.serials,
        system.firmware.map_or("-", |firmware| firmware.name())
    )
}

#[test]
fn machines_of_real_products_are_what_they_were_exported_as() {
    for (name, id, expected) in [
        (
            "govmomi-ubuntu24.10",
            "ubuntu-oracular-24.10-cloudimg-20241109",
            "ovf-1.1 2x1024 [10240M/scsi] 1 [VM Network] 1 bios",
        ),
        ("haos-x86", "HomeAssistant", "ovf-1.1 2x2048 [32768M/scsi] 0 [Bridged] 0 efi"),
        ("haos-arm64", "HomeAssistant", "ovf-1.1 2x2048 [32768M/scsi] 0 [Bridged] 0 efi"),
        ("vmw-bitnami", "bitnami-tomcatstack", "ovf-1.1 1x1024 [17408M/scsi] 0 [bridged] 0 -"),
        ("govmomi-ttylinux", "vm", "ovf-1.1 1x32 [30M/ide] 0 [nat] 0 -"),
        ("cot-ubuntu-ovf2", "ubuntu", "ovf-2.0 1x512 [8192M/sata] 1 [NAT] 0 -"),
        ("cot-v0.9", "v0.9", "ovf-0.9 1x8192 [1024M/scsi] 1 [bridged] 0 -"),
        ("ovirt-vmdata", "out", "ovirt 1x1024 [1024M/virtio] 0 [] 0 -"),
        (
            "govmomi-configspec",
            "haproxy",
            "ovf-1.1 2x4096 [20480M/scsi 10240M/scsi 10240M/sata 10240M/sata 10240M/nvme] 1 [Management,Workload] 1 bios",
        ),
        ("vmw-vtpm-nvram", "vtpm-spec-with-nvram", "ovf-1.1 1x1024 [1024M/scsi] 1 [VM Network] 0 efi-secure"),
        ("vmw-nested-vapp", "grandVm", "ovf-1.1 1x512 [512M/scsi] 1 [VM Network] 0 bios"),
        ("vmw-bound", "PTC01_VM", "ovf-1.1 1x512 [8192M/scsi] 0 [] 0 -"),
        ("govmomi-disk-capacity-property", "disk-capacity-property-vm", "ovf-1.1 1x512 [5120M/scsi] 0 [] 0 -"),
        (
            "cot-csr1000v",
            "com.cisco.csr1000v",
            "ovf-1.1 1x4096 [1024M/scsi] 2 [GigabitEthernet1,GigabitEthernet2,GigabitEthernet3] 0 bios",
        ),
    ] {
        let Some(appliance) = read(name, &Choices::default()) else { return };
        let found = summary(&appliance.unwrap(), id);
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn configurations_change_machines() {
    let of = |name: &str, id: &str, configuration: &str| {
        let choices = Choices { configuration: Some(configuration.to_owned()), ..Choices::default() };
        Some(summary(&read(name, &choices)?.unwrap(), id))
    };
    let cards = |count: usize| (0..count).map(|n| format!("GigabitEthernet0_{n}")).collect::<Vec<_>>().join(",");
    for (configuration, expected) in [
        ("1CPU-384MB-2NIC", format!("ovf-1.1 1x384 [1024M/ide 128M/ide] 0 [{}] 2 -", cards(2))),
        ("1CPU-1GB-8NIC", format!("ovf-1.1 1x1024 [1024M/ide 128M/ide] 0 [{}] 2 -", cards(8))),
        ("1CPU-3GB-16NIC", format!("ovf-1.1 1x3072 [1024M/ide 128M/ide] 0 [{}] 2 -", cards(16))),
    ] {
        let Some(found) = of("cot-iosv", "com.cisco.iosv", configuration) else { return };
        assert_eq!(found, expected);
    }
    for (configuration, expected) in [
        ("small", "ovf-1.1 2x2048 [1024M/scsi] 0 [Management] 0 -"),
        ("medium", "ovf-1.1 4x4096 [2048M/scsi 2048M/scsi] 0 [Management] 0 -"),
        ("large", "ovf-1.1 8x8192 [4096M/scsi 4096M/scsi 4096M/scsi] 0 [Management] 0 -"),
    ] {
        assert_eq!(of("govmomi-deployment-configs", "deployment-configs-vm", configuration).unwrap(), expected);
    }
}

#[test]
fn sections_can_be_passed_over() {
    let ignored = |name: &str| Choices { ignored_sections: [name.to_owned()].into(), ..Choices::default() };
    let Some(ganeti) = read("ganeti-ganeti", &ignored("GanetiSection")) else { return };
    let ganeti = ganeti.unwrap();
    assert_eq!(ganeti.systems()[0].memory_bytes, 2 << 30);
    assert_eq!(ganeti.disks[0].capacity_bytes, 0, "its image says how big it is");

    let vapp = read("vmw-complete-vsc", &ignored("vServiceDependencySection")).unwrap().unwrap();
    let ovf::appliance::Content::Collection(all) = &vapp.content else { panic!("a collection") };
    assert_eq!(all.startup.iter().map(|item| &*item.id).collect::<Vec<_>>(), ["vs1", "vs2"]);
    assert_eq!((all.about.properties.len(), all.about.eulas.len()), (4, 1));
    let first = vapp.system("vs1").unwrap();
    assert_eq!((first.disks.len(), first.boot_order.clone()), (2, vec!["9".to_owned()]));
    assert_eq!(first.about.properties[0].key, "com.vmware.test.ip.vm1");
}

#[test]
fn properties_of_a_cloud_image_can_be_set() {
    let properties =
        [("hostname".to_owned(), "web".to_owned()), ("public-keys".to_owned(), "ssh-ed25519 A".to_owned())];
    let choices = Choices { properties: properties.into(), ..Choices::default() };
    let Some(appliance) = read("govmomi-ubuntu24.10", &choices) else { return };
    let appliance = appliance.unwrap();
    let about = &appliance.systems()[0].about;
    let value = |key: &str| about.properties.iter().find(|property| property.key == key).unwrap().value.clone();
    assert_eq!(value("hostname").as_deref(), Some("web"));
    assert_eq!(value("public-keys").as_deref(), Some("ssh-ed25519 A"));
    assert_eq!((value("instance-id").as_deref(), value("seedfrom")), (Some("id-ovf"), None));
    assert_eq!(about.transports, ["iso"]);
}
