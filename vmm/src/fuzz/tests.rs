#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::PathBuf;

use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/seeds/appliance")
}

/// A member of a tar archive (POSIX, pax, "ustar Interchange Format").
fn member(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(124, format!("{:011o}\0", bytes.len()).as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header.extend_from_slice(bytes);
    header.resize(header.len().next_multiple_of(512), 0);
    header
}

fn ova(references: &str, disks: &str, content: &str, members: &[(&str, &[u8])]) -> Vec<u8> {
    let descriptor = format!(
        r#"<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
<References>{references}</References><DiskSection><Info/>{disks}</DiskSection>{content}</Envelope>"#
    );
    let mut archive = member("a.ovf", descriptor.as_bytes());
    members.iter().for_each(|(name, bytes)| archive.extend(member(name, bytes)));
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn machine(id: &str, disk: &str, more: &str) -> String {
    let drive = format!(
        "<Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:HostResource>ovf:/disk/{disk}</rasd:HostResource>\
         <rasd:InstanceID>3</rasd:InstanceID><rasd:Parent>2</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>"
    );
    let controller = "<Item><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>6</rasd:ResourceType></Item>";
    format!(
        "<VirtualSystem ovf:id=\"{id}\"><Info/>{more}<VirtualHardwareSection><Info/>{controller}{drive}\
         </VirtualHardwareSection></VirtualSystem>"
    )
}

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let raw = ova(
        r#"<File ovf:id="f" ovf:href="d.img"/>"#,
        r#"<Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="1024"/>"#,
        &machine("m", "d", ""),
        &[("d.img", &[7; 1024])],
    );
    let empty = ova("", r#"<Disk ovf:diskId="d" ovf:capacity="1048576"/>"#, &machine("m", "d", ""), &[]);
    let chunks = ova(
        r#"<File ovf:id="f" ovf:href="d.img" ovf:chunkSize="512"/>"#,
        r#"<Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="700"/>"#,
        &machine("m", "d", ""),
        &[("d.img.000000000", &[7; 512]), ("d.img.000000001", &[8; 188])],
    );
    let chain = ova(
        r#"<File ovf:id="f" ovf:href="d.vmdk"/>"#,
        r#"<Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="1024" ovf:parentRef="e"/>
           <Disk ovf:diskId="e" ovf:capacity="1024"/>"#,
        &machine("m", "d", ""),
        &[("d.vmdk", b"KDMV")],
    );
    let startup = "<StartupSection><Info/><Item ovf:id=\"b\" ovf:order=\"1\" ovf:startDelay=\"9\"/></StartupSection>";
    let product =
        "<ProductSection><Info/><Property ovf:key=\"k\" ovf:type=\"string\" ovf:value=\"v\"/></ProductSection>";
    let machines = machine("a", "d", product) + &machine("b", "d", "");
    let collection = ova(
        "",
        r#"<Disk ovf:diskId="d" ovf:capacity="4096"/>"#,
        &format!("<VirtualSystemCollection ovf:id=\"c\"><Info/>{startup}{machines}</VirtualSystemCollection>"),
        &[],
    );
    vec![("raw", raw), ("empty", empty), ("chunks", chunks), ("chain", chain), ("collection", collection)]
}

#[test]
fn the_seeds_reach_machines() {
    for (name, bytes) in seeds() {
        appliance(&bytes);
        let package = Package::from_archive(Path::new(name), Arc::new(Bytes::new(name, bytes))).unwrap();
        let read = ovf::read(package.descriptor(), &Choices::default()).unwrap();
        let base = MachineConfig { scratch: NOWHERE.into(), ..MachineConfig::new(NOWHERE) };
        let wishes = Wishes { kernel: Some(NOWHERE.into()), ..Wishes::new(base) };
        let machines = appliance::prepare(&package, &read, &wishes).map(|prepared| prepared.members.len());
        match name {
            "chain" => assert!(machines.is_err()),
            "collection" => assert_eq!(machines.unwrap(), 2),
            _ => assert_eq!(machines.unwrap(), 1, "{name}"),
        }
    }
}

#[test]
fn the_fuzzers_seeds_are_still_harmless() {
    let seeds: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!seeds.is_empty());
    for path in seeds {
        let bytes = fs::read(path).unwrap();
        appliance(&bytes);
        // Each byte of the front once, and each end.
        for at in (0..bytes.len()).step_by(131) {
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 0x11;
            appliance(&spoilt);
            appliance(&bytes[..at]);
        }
    }
}

/// `cargo test -p ovum-vmm -- --ignored`
#[test]
#[ignore = "writes into the source tree"]
fn write_the_fuzzers_seeds() {
    fs::create_dir_all(folder()).unwrap();
    seeds().iter().for_each(|(name, bytes)| fs::write(folder().join(name), bytes).unwrap());
}
