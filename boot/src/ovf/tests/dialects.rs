//! The same machine in every dialect.

use super::super::appliance::{ControllerKind, Dialect, Source};
use super::*;

const RASD: &str = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

#[test]
fn sections_of_ovf_0_9_say_what_they_are_in_an_attribute() {
    let text = format!(
        r#"<ovf:Envelope xmlns:ovf="http://www.vmware.com/schema/ovf/1/envelope" xmlns:rasd="{RASD}" xmlns:i="{XSI}">
        <References><File ovf:id="f" ovf:href="d.vmdk"/></References>
        <Section i:type="ovf:DiskSection_Type"><Info/><Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="1024" ovf:format="vmdk"/></Section>
        <Section i:type="ovf:NetworkSection_Type"><Info/><Network ovf:name="n"/></Section>
        <Content i:type="ovf:VirtualSystem_Type" ovf:id="vm"><Info/>
        <Section i:type="ovf:VirtualHardwareSection_Type"><Info/>
        <Item><rasd:InstanceId>1</rasd:InstanceId><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>4</rasd:VirtualQuantity></Item>
        <Item><rasd:InstanceId>2</rasd:InstanceId><rasd:ResourceType>4</rasd:ResourceType><rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits><rasd:VirtualQuantity>64</rasd:VirtualQuantity></Item>
        <Item><rasd:InstanceId>3</rasd:InstanceId><rasd:ResourceType>5</rasd:ResourceType><rasd:BusNumber>1</rasd:BusNumber></Item>
        <Item><rasd:Caption>disk1</rasd:Caption><rasd:InstanceId>4</rasd:InstanceId><rasd:ResourceType>17</rasd:ResourceType><rasd:HostResource>disk/d</rasd:HostResource><rasd:Parent>3</rasd:Parent></Item>
        </Section></Content></ovf:Envelope>"#
    );
    let appliance = accepted(&text);
    assert_eq!(appliance.dialect, Dialect::Ovf09);
    let system = appliance.system("vm").unwrap();
    assert_eq!((system.cpus, system.memory_bytes), (4, 64 << 20));
    let drive = &system.disks[0];
    assert_eq!((&drive.source, drive.name.as_deref()), (&Source::Disk("d".to_owned()), Some("disk1")));
    let controller = drive.controller.as_ref().unwrap();
    assert_eq!((controller.kind, controller.address), (ControllerKind::Ide, 1));
    assert_eq!(warnings(&appliance), [""; 0]);
    let unknown = text.replace("VirtualSystem_Type", "Pipeline_Type");
    assert!(refused(&unknown).cause.contains("\"Pipeline\""));
}

#[test]
fn ovf_2_has_items_of_its_own_for_storage_and_networks() {
    let text = format!(
        r#"<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/2" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/2" xmlns:rasd="{RASD}"
        xmlns:sasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_StorageAllocationSettingData.xsd"
        xmlns:epasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_EthernetPortAllocationSettingData.xsd">
        <References/><DiskSection><Info/><Disk ovf:diskId="d" ovf:capacity="8" ovf:capacityAllocationUnits="byte * 2^30"/></DiskSection>
        <NetworkSection><Info/><Network ovf:name="n"/></NetworkSection>
        <VirtualSystem ovf:id="vm"><Info/><VirtualHardwareSection><Info/>
        <Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
        <Item><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType><rasd:AllocationUnits>byte*2^30</rasd:AllocationUnits><rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
        <StorageItem><sasd:HostResource>ovf:/disk/d</sasd:HostResource><sasd:InstanceID>3</sasd:InstanceID><sasd:ResourceType>17</sasd:ResourceType></StorageItem>
        <StorageItem><sasd:AllocationUnits>byte*2^30</sasd:AllocationUnits><sasd:InstanceID>4</sasd:InstanceID><sasd:Reservation>100</sasd:Reservation><sasd:ResourceType>31</sasd:ResourceType><sasd:VirtualQuantity>1</sasd:VirtualQuantity></StorageItem>
        <EthernetPortItem><epasd:Address>00-16-8B-DB-00-5E</epasd:Address><epasd:Connection>n</epasd:Connection><epasd:InstanceID>5</epasd:InstanceID></EthernetPortItem>
        </VirtualHardwareSection></VirtualSystem></Envelope>"#
    );
    let appliance = accepted(&text);
    assert_eq!(appliance.dialect, Dialect::Ovf2);
    let system = appliance.system("vm").unwrap();
    assert_eq!(system.memory_bytes, 1 << 30);
    assert_eq!(system.nics[0].mac, Some([0, 0x16, 0x8b, 0xdb, 0, 0x5e]));
    assert_eq!(system.nics[0].network.as_deref(), Some("n"));
    let sizes: Vec<u64> = appliance.disks.iter().map(|disk| disk.capacity_bytes >> 30).collect();
    assert_eq!(sizes, [8, 100], "what is reserved for a disk is there");
    assert_eq!(system.disks[1].source, Source::Disk("vm/4".to_owned()));
    assert_eq!(warnings(&appliance), [""; 0]);
}

fn ovirt() -> String {
    let item = |kind: u32, rest: &str| format!("<Item><rasd:ResourceType>{kind}</rasd:ResourceType>{rest}</Item>");
    let items = [
        item(3, "<rasd:InstanceId>1</rasd:InstanceId><rasd:num_of_sockets>2</rasd:num_of_sockets><rasd:cpu_per_socket>3</rasd:cpu_per_socket>"),
        item(4, "<rasd:InstanceId>2</rasd:InstanceId><rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits><rasd:VirtualQuantity>1024</rasd:VirtualQuantity>"),
        item(17, "<rasd:InstanceId>second</rasd:InstanceId><rasd:HostResource>group/second</rasd:HostResource><rasd:Parent>00000000-0000</rasd:Parent><Type>disk</Type><Device>disk</Device>"),
        item(17, "<rasd:InstanceId>first</rasd:InstanceId><rasd:HostResource>group/first</rasd:HostResource><Type>disk</Type><BootOrder>1</BootOrder>"),
        item(10, "<rasd:InstanceId>nic</rasd:InstanceId><rasd:Connection>ovirtmgmt</rasd:Connection><rasd:Linked>false</rasd:Linked><rasd:MACAddress>00:1a:4a:16:01:51</rasd:MACAddress><Type>interface</Type>"),
        item(15, "<rasd:InstanceId>cd</rasd:InstanceId><rasd:HostResource/><Type>disk</Type><Device>cdrom</Device>"),
        item(20, "<rasd:InstanceId>v</rasd:InstanceId><Type>video</Type><Device>qxl</Device>"),
        item(0, "<rasd:InstanceId>b</rasd:InstanceId><Type>balloon</Type>"),
    ]
    .concat();
    format!(
        r#"<ovf:Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1/" xmlns:rasd="{RASD}" xmlns:xsi="{XSI}">
        <References><File ovf:href="group/first" ovf:id="first"/><File ovf:href="group/second" ovf:id="second"/></References>
        <Section xsi:type="ovf:NetworkSection_Type"><Info/><Network ovf:name="ovirtmgmt"/></Section>
        <Section xsi:type="ovf:DiskSection_Type"><Info/>
        <Disk ovf:diskId="first" ovf:size="10" ovf:parentRef="" ovf:fileRef="group/first" ovf:format="http://www.vmware.com/specifications/vmdk.html#sparse" ovf:volume-format="COW" ovf:disk-interface="VirtIO" ovf:boot="true"/>
        <Disk ovf:diskId="second" ovf:size="1" ovf:fileRef="group/second" ovf:format="http://www.vmware.com/specifications/vmdk.html#sparse" ovf:volume-format="RAW" ovf:disk-interface="IDE" ovf:boot="false"/>
        </Section><Content ovf:id="out" xsi:type="ovf:VirtualSystem_Type"><Name>vm</Name><Generation>2</Generation><BiosType>4</BiosType>
        <Section ovf:id="70f24c82" ovf:required="false" xsi:type="ovf:OperatingSystemSection_Type"><Info/><Description>rhel_8x64</Description></Section>
        <Section xsi:type="ovf:SnapshotsSection_Type"><Snapshot/></Section>
        <Section xsi:type="ovf:VirtualHardwareSection_Type"><Info/>{items}</Section></Content></ovf:Envelope>"#
    )
}

#[test]
fn ovirt_has_words_of_its_own() {
    use super::super::appliance::{DeclaredFormat, Firmware};
    use super::super::os::OsFamily;
    let appliance = accepted(&ovirt());
    assert_eq!(appliance.dialect, Dialect::Ovirt);
    let system = appliance.system("out").unwrap();
    assert_eq!((system.cpus, system.memory_bytes, system.name.as_deref()), (6, 1 << 30, Some("vm")));
    assert_eq!(system.os.as_ref().unwrap().family, OsFamily::Linux);
    assert_eq!(system.firmware, Some(Firmware::EfiSecure));
    assert_eq!(system.boot_order, ["first"]);
    let drives: Vec<_> =
        system.disks.iter().map(|drive| (&*drive.instance, drive.controller.as_ref().unwrap().kind)).collect();
    assert_eq!(
        drives,
        [("first", ControllerKind::Virtio), ("second", ControllerKind::Ide)],
        "the disk to start from is first"
    );
    assert_eq!(system.cdroms.len(), 1);
    assert_eq!((system.nics[0].connected, system.nics[0].mac), (false, Some([0, 0x1a, 0x4a, 0x16, 1, 0x51])));
    assert_eq!(system.left_out.len(), 2);
    let disk = appliance.disk("first").unwrap();
    assert_eq!((disk.capacity_bytes, disk.file.as_deref()), (10 << 30, Some("first")));
    assert_eq!(disk.format, DeclaredFormat::Known(ovum_disk::Format::Qcow2));
    assert_eq!(appliance.disk("second").unwrap().format, DeclaredFormat::Known(ovum_disk::Format::Raw));
    assert_eq!(warnings(&appliance), [""; 0]);
}

#[test]
fn ovirts_ovas_have_the_standards_envelope_and_its_own_words() {
    let text = machine(
        r#"<DiskSection><Info/><Disk ovf:diskId="d" ovf:capacity="10" ovf:capacityAllocationUnits="byte * 2^30" ovf:boot="true"/></DiskSection>"#,
        &format!(
            "<Name>vm</Name><Comment/><Generation>3</Generation><VirtualHardwareSection><Info/>{}</VirtualHardwareSection>",
            disk(1, "d", 9, 0)
        ),
    );
    assert!(refused(&text).to_string().contains("Comment"), "in another's it would be a section that nobody knows");
    let text = text.replace("xmlns:vmw=", "xmlns:ovirt=\"http://www.ovirt.org/ovf\" xmlns:vmw=");
    let appliance = accepted(&text);
    assert_eq!(appliance.dialect, Dialect::Ovf1);
    assert_eq!(appliance.system("vm").unwrap().disks.len(), 1);
}

#[test]
fn other_documents_are_told_by_name() {
    for (text, cause) in [
        ("<ovf:Envelope xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/3'/>", "version 3"),
        ("<Envelope xmlns='http://www.w3.org/2003/05/soap-envelope'/>", "which is not OVF's"),
        ("<VirtualBox xmlns='http://www.virtualbox.org/'/>", "VirtualBox"),
        ("<domain type='kvm'/>", "libvirt"),
        ("<HTML><BODY/></HTML>", "HTML"),
        ("\n<!DOCTYPE html><p>", "HTML"),
        ("<FakeEnvelope/>", "<FakeEnvelope>"),
        ("", "empty"),
        (" \n", "empty"),
        ("name: appliance", "no XML"),
        ("KDMV\x01", "VMDK"),
        ("PK\x03\x04", "zip"),
    ] {
        let error = refused(text);
        assert!(error.cause.contains(cause), "{text}: {error}");
    }
    let bare = accepted("<Envelope><VirtualSystem id='vm'/></Envelope>");
    assert_eq!(warnings(&bare)[0], codes::NAMESPACE_MISSING);
}
