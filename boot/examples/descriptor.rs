//! Reads OVF descriptors and shows in a line each what was made of them:
//! `cargo run -p ovum-boot --example descriptor -- FILE...`
//!
//! Without files: how long a descriptor of 1 MB with 10,000 elements takes (use `--release`).

#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use ovum_boot::ovf::{self, Choices};

/// How often the big descriptor is read; the fastest counts.
const ROUNDS: usize = 20;

fn main() {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        return measure();
    }
    for file in files {
        match std::fs::read(&file) {
            Ok(bytes) => println!("{file}: {}", summary(&bytes)),
            Err(error) => println!("{file}: {error}"),
        }
    }
}

fn summary(bytes: &[u8]) -> String {
    let appliance = match ovf::read(bytes, &Choices::default()) {
        Ok(appliance) => appliance,
        Err(error) => return format!("refused: {error}\n    -> {}", error.remedy),
    };
    let mut text = appliance.dialect.name().to_owned();
    for disk in &appliance.disks {
        let file = disk.file.as_deref().unwrap_or("-");
        text += &format!("\n    disk {} {} bytes, {:?}, file {file}", disk.id, disk.capacity_bytes, disk.format);
    }
    for system in appliance.systems() {
        let os = system.os.as_ref().map_or("-", |os| os.name());
        let mib = system.memory_bytes >> 20;
        text +=
            &format!("\n    machine {:?}: {os}, {} vCPUs, {mib} MiB, {:?}", system.id, system.cpus, system.firmware);
        for drive in system.disks.iter().chain(&system.cdroms) {
            let on = drive.controller.as_ref().map_or("-", |on| on.kind.name());
            text += &format!("\n        {:?} on {on}, unit {:?}", drive.source, drive.unit);
        }
        for nic in &system.nics {
            text += &format!("\n        card {:?} in {:?}", nic.model, nic.network);
        }
        for left in &system.left_out {
            text += &format!("\n        without {} (line {})", left.what, left.line);
        }
        for property in &system.about.properties {
            text +=
                &format!("\n        property {} = {:?} required={}", property.key, property.value, property.required);
        }
        for noted in &system.about.noted {
            text += &format!("\n        {}: {}", noted.section, noted.summary);
        }
    }
    for warning in &appliance.warnings {
        text += &format!("\n    line {:?}: {}: {}", warning.line, warning.code, warning.message);
    }
    text
}

/// Ten thousand elements in a million bytes: disks, cards and properties, all of which refer to others.
fn big() -> String {
    const COUNT: usize = 460;
    let padding = "x".repeat(420);
    let mut text = String::from(
        "<Envelope xmlns='http://schemas.dmtf.org/ovf/envelope/1' xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1' \
         xmlns:rasd='http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData'><References>",
    );
    for n in 0..COUNT {
        text += &format!("<File ovf:id='file{n}' ovf:href='disk-{n}.vmdk' ovf:size='{n}'/>\n");
    }
    text += "</References><DiskSection><Info/>";
    for n in 0..COUNT {
        text +=
            &format!("<Disk ovf:diskId='disk{n}' ovf:fileRef='file{n}' ovf:capacity='{}' ovf:format='vmdk'/>\n", n + 1);
    }
    text += "</DiskSection><NetworkSection><Info/>";
    for n in 0..COUNT {
        text += &format!("<Network ovf:name='network {n}'><Description>{padding}</Description></Network>\n");
    }
    text += "</NetworkSection><VirtualSystem ovf:id='machine'><Info/><ProductSection><Info/>";
    for n in 0..COUNT {
        text += &format!(
            "<Property ovf:key='key{n}' ovf:type='string' ovf:value='{padding}'><Label>{n}</Label></Property>\n"
        );
    }
    text += "</ProductSection><VirtualHardwareSection><Info/>";
    for n in 0..COUNT {
        text += &format!(
            "<Item><rasd:AddressOnParent>{n}</rasd:AddressOnParent><rasd:ElementName>disk {n}</rasd:ElementName>\
             <rasd:HostResource>ovf:/disk/disk{n}</rasd:HostResource><rasd:InstanceID>{n}</rasd:InstanceID>\
             <rasd:Parent>9999</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>\n\
             <Item><rasd:AddressOnParent>{n}</rasd:AddressOnParent><rasd:Connection>network {n}</rasd:Connection>\
             <rasd:Description>{padding}</rasd:Description><rasd:ElementName>card {n}</rasd:ElementName>\
             <rasd:InstanceID>card{n}</rasd:InstanceID><rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>\
             <rasd:ResourceType>10</rasd:ResourceType><rasd:Address>00:16:3e:00:00:01</rasd:Address></Item>\n"
        );
    }
    text + "</VirtualHardwareSection></VirtualSystem></Envelope>"
}

fn measure() {
    let text = big();
    let elements = text.matches('<').count() - text.matches("</").count();
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let read = ovf::read(text.as_bytes(), &Choices::default());
        best = best.min(start.elapsed());
        if let Err(error) = read {
            return println!("{error}");
        }
    }
    println!("{} bytes, {elements} elements: {:.2} ms", text.len(), best.as_secs_f64() * 1000.0);
}
