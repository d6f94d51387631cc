//! Items, one kind after the other.

use super::super::appliance::{ControllerKind, Source};
use super::super::tests::{accepted, disk, fields, item, machine, memory, refused, warnings, with_items};
use super::super::{Choices, codes, read};

const DISKS: &str = "<DiskSection><Info/><Disk ovf:diskId='a' ovf:capacity='1'/><Disk ovf:diskId='b' ovf:capacity='1'/>
    <Disk ovf:diskId='c' ovf:capacity='1'/><Disk ovf:diskId='d' ovf:capacity='1'/></DiskSection>";

fn hardware(items: &str) -> String {
    machine("", &format!("<VirtualHardwareSection><Info/>{items}</VirtualHardwareSection>"))
}

#[test]
fn cpus_and_memory_are_counted() {
    let of = |items: &str| {
        let appliance = accepted(&hardware(items));
        let system = appliance.systems()[0];
        (system.cpus, system.memory_bytes, warnings(&appliance))
    };
    let cpus = |id: u32, count: &str| item(id, 3, &format!("<rasd:VirtualQuantity>{count}</rasd:VirtualQuantity>"));
    assert_eq!(of(&(cpus(1, "4") + &memory(2, "2048"))), (4, 2 << 30, vec![]));
    assert_eq!(of(""), (1, 256 << 20, vec![codes::CPUS_MISSING, codes::MEMORY_MISSING]));
    assert_eq!(of(&item(1, 3, "")), (1, 256 << 20, vec![codes::CPUS_MISSING, codes::MEMORY_MISSING]));
    let several = [cpus(1, "1"), cpus(2, "2"), memory(3, "1"), memory(4, "2")].concat();
    assert_eq!(of(&several), (3, 3 << 20, vec![codes::ITEMS_SUMMED, codes::ITEMS_SUMMED]));
    let bare = item(2, 4, "<rasd:VirtualQuantity>512</rasd:VirtualQuantity>");
    assert_eq!(of(&(cpus(1, "1") + &bare)), (1, 512 << 20, vec![codes::MEMORY_UNIT_MISSING]));
    let gigabytes = item(
        2,
        4,
        "<rasd:AllocationUnits>GigaBytes</rasd:AllocationUnits><rasd:VirtualQuantity>1.5</rasd:VirtualQuantity>",
    );
    assert_eq!(of(&(cpus(1, "1") + &gigabytes)), (1, 3 << 29, vec![]));
}

#[test]
fn numbers_that_cannot_be_are_refused_with_line_and_item() {
    for (kind, field, cause) in [
        (3, "<rasd:VirtualQuantity>0</rasd:VirtualQuantity>", "no vCPU"),
        (3, "<rasd:VirtualQuantity>-2</rasd:VirtualQuantity>", "below zero"),
        (3, "<rasd:VirtualQuantity>1.5</rasd:VirtualQuantity>", "not a whole number"),
        (3, "<rasd:VirtualQuantity>4294967296</rasd:VirtualQuantity>", "too many"),
        (3, "<rasd:VirtualQuantity>two</rasd:VirtualQuantity>", "not a decimal number"),
        (4, "<rasd:VirtualQuantity>0</rasd:VirtualQuantity>", "no memory"),
        (4, "<rasd:VirtualQuantity>18446744073709551615</rasd:VirtualQuantity>", "too big"),
        (
            4,
            "<rasd:AllocationUnits>hertz</rasd:AllocationUnits><rasd:VirtualQuantity>1</rasd:VirtualQuantity>",
            "hertz",
        ),
    ] {
        let error =
            refused(&hardware(&item(1, kind, &format!("<rasd:ElementName>Part</rasd:ElementName>\n\n{field}"))));
        assert!(error.cause.contains(cause), "{field}: {error}");
        assert_eq!(error.line, Some(9), "{field}");
        assert!(error.element.unwrap().starts_with("Item \"Part\" "), "{field}");
    }
    let sum = memory(1, "17592186044415") + &memory(2, "17592186044415");
    assert!(refused(&hardware(&sum)).cause.contains("too big"));
}

#[test]
fn the_normal_value_of_a_range_counts() {
    let bound =
        |bound: &str, quantity: &str| memory(2, quantity).replacen("<Item", &format!("<Item ovf:bound='{bound}'"), 1);
    let mib = |items: &str| accepted(&hardware(items)).systems()[0].memory_bytes >> 20;
    assert_eq!(mib(&(bound("min", "1") + &memory(2, "2") + &bound("max", "3"))), 2);
    assert_eq!(mib(&(bound("max", "3") + &bound("normal", "2"))), 2);
    assert_eq!(mib(&(bound("max", "3") + &bound("min", "1"))), 1);
    assert_eq!(mib(&bound("max", "3")), 3);
    let reservation = memory(2, "5").replace("VirtualQuantity", "Reservation");
    assert_eq!(mib(&reservation), 5);
}

#[test]
fn disks_come_in_the_order_of_their_controllers() {
    let items = [
        item(10, 20, "<rasd:ResourceSubType>vmware.nvme.controller</rasd:ResourceSubType>"),
        item(11, 20, "<rasd:ResourceSubType>AHCI</rasd:ResourceSubType>"),
        item(12, 6, "<rasd:Address>1</rasd:Address>"),
        item(13, 6, "<rasd:Address>0</rasd:Address>"),
        item(14, 5, ""),
        disk(20, "a", 10, 0),
        disk(21, "b", 12, 0),
        disk(22, "c", 13, 5),
        disk(23, "d", 13, 2),
        item(24, 15, "<rasd:Parent>14</rasd:Parent>"),
    ]
    .concat();
    let appliance = accepted(&with_items(DISKS, &items));
    let system = appliance.systems()[0];
    let order: Vec<_> = system.disks.iter().map(|drive| &*drive.instance).collect();
    assert_eq!(order, ["23", "22", "21", "20"]);
    assert_eq!(system.disks[3].controller.as_ref().unwrap().kind, ControllerKind::Nvme);
    assert_eq!((system.cdroms.len(), &system.cdroms[0].source), (1, &Source::Empty));
    assert_eq!(warnings(&appliance), [""; 0]);
}

#[test]
fn controllers_are_told_by_number_and_name() {
    for (kind, subtype, expected) in [
        (5, "PIIX4", ControllerKind::Ide),
        (5, "virtio", ControllerKind::Ide),
        (6, "lsilogic", ControllerKind::Scsi),
        (8, "", ControllerKind::Scsi),
        (20, "AHCI", ControllerKind::Sata),
        (20, "vmware.sata.ahci", ControllerKind::Sata),
        (20, "", ControllerKind::Sata),
        (20, "vmware.nvme.controller", ControllerKind::Nvme),
        (20, "VirtioSCSI", ControllerKind::Scsi),
        (20, "LsiLogicSas", ControllerKind::Scsi),
        (20, "virtio-blk", ControllerKind::Virtio),
        (23, "", ControllerKind::Usb),
    ] {
        let model = format!("<rasd:ResourceSubType>{subtype}</rasd:ResourceSubType>");
        let appliance = accepted(&with_items(DISKS, &(disk(9, "a", 8, 0) + &item(8, kind, &model))));
        let controller = appliance.systems()[0].disks[0].controller.clone().unwrap();
        assert_eq!((controller.kind, controller.model.unwrap_or_default().as_str()), (expected, subtype), "{kind}");
    }
}

#[test]
fn disks_are_named_in_several_ways() {
    for name in ["ovf:/disk/a", "ovf://disk/a", "ovf:disk/a", "/disk/a", "disk/a", " ovf:/disk/a "] {
        let host = format!("<rasd:HostResource>{name}</rasd:HostResource>");
        let appliance = accepted(&with_items(DISKS, &item(9, 17, &host)));
        assert_eq!(appliance.systems()[0].disks[0].source, Source::Disk("a".to_owned()), "{name}");
    }
    let file = "<References><File ovf:id='f' ovf:href='f'/></References>";
    for (kind, name) in [(17, "ovf:/file/f"), (15, "/file/f")] {
        let text = with_items(file, &item(9, kind, &format!("<rasd:HostResource>{name}</rasd:HostResource>")));
        let appliance = accepted(&text);
        let system = appliance.systems()[0];
        assert_eq!(system.disks.iter().chain(&system.cdroms).next().unwrap().source, Source::File("f".to_owned()));
        assert!(refused(&text.replace("ovf:id='f'", "ovf:id='g'")).cause.contains("no file \"f\""));
    }
}

#[test]
fn disks_that_lead_nowhere_are_refused_or_left_out() {
    for (rest, cause) in [
        ("<rasd:HostResource>ovf:/disk/z</rasd:HostResource>", "no disk \"z\""),
        ("<rasd:HostResource>[store] a.vmdk</rasd:HostResource>", "not a disk or a file"),
        ("", "nothing in it"),
        ("<rasd:VirtualQuantity>1</rasd:VirtualQuantity>", "nothing in it"),
    ] {
        assert!(refused(&with_items(DISKS, &item(9, 17, rest))).cause.contains(cause), "{rest}");
        let optional = format!("<Item ovf:required='false'>{}</Item>", fields(9, 17, rest));
        let appliance = accepted(&with_items(DISKS, &optional));
        let system = appliance.systems()[0];
        assert!(system.disks.is_empty() && system.left_out[0].why.contains(cause), "{rest}");
    }
    let elsewhere = accepted(&with_items("", &item(9, 15, "<rasd:HostResource>/dev/cdrom</rasd:HostResource>")));
    assert_eq!(elsewhere.systems()[0].cdroms[0].source, Source::Empty);
    assert_eq!(warnings(&elsewhere), [codes::ITEM_VALUE_IGNORED]);
}

#[test]
fn an_item_alone_can_describe_an_empty_disk() {
    let size =
        "<rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:VirtualQuantity>10240</rasd:VirtualQuantity>";
    let appliance = accepted(&with_items(DISKS, &(item(7, 17, size) + &item(7, 17, size))));
    let system = appliance.systems()[0];
    let ids: Vec<_> = system.disks.iter().map(|drive| drive.source.clone()).collect();
    assert_eq!(ids, [Source::Disk("vm/7".to_owned()), Source::Disk("vm/7 (1)".to_owned())]);
    let disk = appliance.disk("vm/7").unwrap();
    assert_eq!((disk.capacity_bytes, disk.file.as_deref()), (10 << 30, None));
    assert_eq!(warnings(&appliance), [codes::INSTANCE_ID_DUPLICATE]);
}

#[test]
fn cards_have_networks_addresses_and_an_order() {
    let networks = "<NetworkSection><Info/><Network ovf:name='n'/></NetworkSection>";
    let card = |id: u32, rest: &str| item(id, 10, &format!("<rasd:Connection>n</rasd:Connection>{rest}"));
    let on = |unit: u32| format!("<rasd:AddressOnParent>{unit}</rasd:AddressOnParent>");
    let order = |items: &str| {
        let appliance = accepted(&with_items(networks, items));
        appliance.systems()[0].nics.iter().map(|nic| nic.instance.clone()).collect::<Vec<_>>()
    };
    assert_eq!(order(&(card(5, &on(9)) + &card(6, &on(7)))), ["6", "5"]);
    assert_eq!(order(&(card(5, &on(9)) + &card(6, ""))), ["5", "6"]);
    for (address, mac) in [
        ("00:16:3E:aa:bb:0C", Some([0, 0x16, 0x3e, 0xaa, 0xbb, 0x0c])),
        ("00-16-3e-aa-bb-0c", Some([0, 0x16, 0x3e, 0xaa, 0xbb, 0x0c])),
        ("00163eaabb0c", Some([0, 0x16, 0x3e, 0xaa, 0xbb, 0x0c])),
        ("7", None),
        ("01:16:3e:aa:bb:0c", None),
        ("00:00:00:00:00:00", None),
        ("00:16:3e:aa:bb:+c", None),
        ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", None),
    ] {
        let appliance = accepted(&with_items(networks, &card(5, &format!("<rasd:Address>{address}</rasd:Address>"))));
        assert_eq!(appliance.systems()[0].nics[0].mac, mac, "{address}");
    }
    let off = card(
        5,
        "<rasd:AutomaticAllocation>false</rasd:AutomaticAllocation><rasd:ResourceSubType>E1000</rasd:ResourceSubType>",
    );
    let appliance = accepted(&with_items("", &off));
    let nic = &appliance.systems()[0].nics[0];
    assert_eq!((nic.connected, nic.model.as_deref(), nic.network.as_deref()), (false, Some("E1000"), Some("n")));
    assert_eq!(warnings(&appliance), [codes::NETWORK_UNDECLARED]);
}

#[test]
fn what_a_guest_can_do_without_is_left_out() {
    for kind in [1, 14, 22, 23, 24, 25, 35] {
        let required = accepted(&with_items("", &item(9, kind, "")));
        assert_eq!(warnings(&required), [codes::ITEM_LEFT_OUT], "{kind}");
        let optional = accepted(&with_items("", &format!("<Item ovf:required='false'>{}</Item>", fields(9, kind, ""))));
        assert_eq!((warnings(&optional).len(), optional.systems()[0].left_out.len()), (0, 1), "{kind}");
    }
    let serial = accepted(&with_items("", &(item(9, 21, "") + &item(10, 21, ""))));
    assert_eq!(serial.systems()[0].serials, 2);
}

#[test]
fn what_a_guest_needs_and_cannot_have_is_refused() {
    for kind in [9, 11, 12, 18, 34, 99, 70_000] {
        let text = with_items("", &item(9, kind, ""));
        let error = refused(&text);
        assert!(
            error.cause.contains("cannot have") && error.remedy.contains("--ignore-section Item"),
            "{kind}: {error}"
        );
        let optional = accepted(&with_items("", &format!("<Item ovf:required='false'>{}</Item>", fields(9, kind, ""))));
        assert_eq!(optional.systems()[0].left_out.len(), 1, "{kind}");
        let choices = Choices { ignored_sections: ["Item".to_owned()].into(), ..Choices::default() };
        assert_eq!(read(text.as_bytes(), &choices).unwrap().systems()[0].left_out.len(), 1, "{kind}");
    }
    let strange = with_items("", &item(9, 10, "<x:Offload>all</x:Offload>"));
    assert!(refused(&strange).cause.contains("<Offload>"));
    accepted(&with_items("", &item(9, 10, "<x:Offload ovf:required='false'>all</x:Offload>")));
    accepted(&with_items("", &item(9, 10, "<vmw:Config vmw:key='a' vmw:value='b'/>")));
}

#[test]
fn the_first_hardware_that_can_be_met_is_taken() {
    let section = |family: &str, items: &str| {
        format!(
            "<VirtualHardwareSection><Info/><System><vssd:VirtualSystemType>{family}</vssd:VirtualSystemType></System>{items}</VirtualHardwareSection>"
        )
    };
    let (small, big, unmet) = (memory(2, "1"), memory(2, "2"), memory(2, "3") + &item(9, 12, ""));
    let of = |sections: &[String]| {
        let appliance = accepted(&machine("", &sections.concat()));
        let system = appliance.systems()[0].clone();
        (
            system.memory_bytes >> 20,
            system.hardware_types.concat(),
            warnings(&appliance).contains(&codes::ALTERNATIVE_SKIPPED),
        )
    };
    assert_eq!(of(&[section("vmx-07", &small), section("vmx-04", &big)]), (1, "vmx-07".to_owned(), false));
    assert_eq!(of(&[section("vmx-07", &unmet), section("vmx-04", &big)]), (2, "vmx-04".to_owned(), true));
    assert_eq!(
        of(&[section("s390x", &small), section("virtualbox-2.2", &big)]),
        (2, "virtualbox-2.2".to_owned(), false)
    );
    assert_eq!(of(&[section("acme-1", &small), section("kvm", &big)]), (2, "kvm".to_owned(), false));
    let alone = accepted(&machine("", &section("acme-1", &small)));
    assert!(warnings(&alone).contains(&codes::HARDWARE_TYPE_UNKNOWN));
    assert!(
        refused(&machine("", &(section("vmx-07", &unmet) + &section("vmx-04", &unmet)))).cause.contains("cannot have")
    );
    assert_eq!(warnings(&accepted(&machine("", "")))[0], codes::HARDWARE_MISSING);
}

#[test]
fn oddities_of_ids_and_addresses_are_warned_of() {
    let scsi = item(8, 6, "");
    let same = accepted(&with_items(DISKS, &[scsi.clone(), disk(9, "a", 8, 0), disk(10, "b", 8, 0)].concat()));
    assert_eq!(warnings(&same), [codes::ADDRESS_DUPLICATE]);
    let nowhere = accepted(&with_items(DISKS, &disk(9, "a", 77, 0)));
    assert_eq!(warnings(&nowhere), [codes::DRIVE_CONTROLLER_MISSING]);
    let on_a_disk = accepted(&with_items(DISKS, &(disk(9, "a", 10, 0) + &disk(10, "b", 9, 0))));
    assert_eq!(on_a_disk.systems()[0].disks.len(), 2);
    let bare = "<Item><rasd:ResourceType>21</rasd:ResourceType></Item>";
    let appliance = accepted(&with_items("", bare));
    assert_eq!((appliance.systems()[0].serials, warnings(&appliance)), (1, vec![codes::INSTANCE_ID_MISSING]));
}
