//! The DiskSection, and sizes.

use super::super::appliance::DeclaredFormat;
use super::*;

fn with_disks(disks: &str, items: &str) -> String {
    let files = r#"<References><File ovf:id="f" ovf:href="f.vmdk"/><File ovf:id="g" ovf:href="g.vmdk"/></References>"#;
    with_items(&format!("{files}\n<DiskSection><Info/>\n{disks}</DiskSection>"), items)
}

const VMDK: &str = "ovf:format='http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized'";

#[test]
fn capacities_come_in_all_units() {
    for (attributes, bytes) in [
        ("ovf:capacity='1000'", 1000),
        ("ovf:capacity='20' ovf:capacityAllocationUnits='byte * 2^30'", 20 << 30),
        ("ovf:capacity='20' ovf:capacityAllocationUnits='byte*2^30'", 20 << 30),
        ("ovf:capacity='2' ovf:capacityAllocationUnits='GigaBytes'", 2 << 30),
        ("ovf:capacity='0.5' ovf:capacityAllocationUnits='MB'", 1 << 19),
        ("capacity='7' capacityAllocationUnits='byte'", 7),
        ("ovf:size='3'", 3 << 30),
    ] {
        let appliance = accepted(&with_disks(&format!("<Disk ovf:diskId='d' {attributes}/>"), ""));
        assert_eq!(appliance.disks[0].capacity_bytes, bytes, "{attributes}");
    }
}

#[test]
fn disks_that_cannot_be_are_refused_with_their_line() {
    for (attributes, cause) in [
        ("ovf:capacity='1'", "no id"),
        ("ovf:diskId='d'", "neither"),
        ("ovf:diskId='d' ovf:capacity='0'", "no size"),
        ("ovf:diskId='d' ovf:capacity='-1'", "below zero"),
        ("ovf:diskId='d' ovf:capacity='1.5'", "not a whole number"),
        ("ovf:diskId='d' ovf:capacity='1e9'", "not a decimal number"),
        ("ovf:diskId='d' ovf:capacity='9223372036854775808'", "too big"),
        ("ovf:diskId='d' ovf:capacity='99999999999999999999999'", "too big"),
        ("ovf:diskId='d' ovf:capacity='16' ovf:capacityAllocationUnits='byte * 2^60'", "too big"),
        ("ovf:diskId='d' ovf:capacity='16' ovf:capacityAllocationUnits='hertz'", "not of bytes"),
        ("ovf:diskId='d' ovf:capacity='16' ovf:capacityAllocationUnits='furlongs'", "not a unit"),
        ("ovf:diskId='d' ovf:capacity='${size}'", "the property \"size\" is not there"),
        ("ovf:diskId='other' ovf:capacity='1'", "the id \"other\" too"),
    ] {
        let error =
            refused(&with_disks(&format!("<Disk ovf:diskId='other' ovf:capacity='1'/>\n<Disk {attributes}/>"), ""));
        assert!(error.cause.contains(cause), "{attributes}: {error}");
        assert_eq!(error.line, Some(9), "{attributes}");
    }
}

#[test]
fn disks_that_nobody_uses_may_be_broken() {
    let broken = format!("<Disk ovf:diskId='d' ovf:capacity='1' ovf:fileRef='nothing' {VMDK}/>");
    assert_eq!(warnings(&accepted(&with_disks(&broken, ""))), [codes::DISK_UNUSABLE]);
    assert!(refused(&with_disks(&broken, &disk(7, "d", 5, 0))).cause.contains("no file \"nothing\""));
    let needed = format!("{broken}<Disk ovf:diskId='e' ovf:capacity='1' ovf:parentRef='d'/>");
    assert!(refused(&with_disks(&needed, &disk(7, "e", 5, 0))).cause.contains("no file \"nothing\""));
}

#[test]
fn chains_of_disks_end() {
    let chain = |parent: &str| {
        let disks = format!(
            "<Disk ovf:diskId='a' ovf:capacity='1' ovf:parentRef='{parent}'/><Disk ovf:diskId='b' ovf:capacity='1' ovf:parentRef='a'/>"
        );
        with_disks(&disks, &disk(7, "b", 5, 0))
    };
    assert_eq!(accepted(&chain("")).disk("b").unwrap().parent.as_deref(), Some("a"));
    assert!(refused(&chain("b")).cause.contains("changes to itself"));
    assert!(refused(&chain("a")).cause.contains("changes to itself"));
    assert!(refused(&chain("c")).cause.contains("no disk \"c\""));
}

#[test]
fn formats_and_sizes_that_are_not_said_are_asked_of_the_image() {
    let appliance = accepted(&with_disks("<Disk ovf:diskId='d' ovf:fileRef='f'/>", ""));
    assert_eq!((appliance.disks[0].capacity_bytes, &appliance.disks[0].format), (0, &DeclaredFormat::Undeclared));
    assert_eq!(warnings(&appliance), [codes::CAPACITY_MISSING, codes::DISK_FORMAT_MISSING]);
    let appliance =
        accepted(&with_disks("<Disk ovf:diskId='d' ovf:fileRef='f' ovf:capacity='9' ovf:format='urn:x'/>", ""));
    assert_eq!(appliance.disks[0].format, DeclaredFormat::Unknown("urn:x".to_owned()));
    assert_eq!(warnings(&appliance), [codes::DISK_FORMAT_UNKNOWN]);
}

#[test]
fn how_full_a_disk_is_is_of_no_consequence() {
    for (value, bytes) in [("5", Some(5)), ("", None), ("-5", None), ("11", Some(11))] {
        let disks = format!("<Disk ovf:diskId='d' ovf:capacity='10' ovf:populatedSize='{value}'/>");
        let appliance = accepted(&with_disks(&disks, ""));
        assert_eq!(appliance.disks[0].populated_bytes, bytes, "{value}");
        assert_eq!(warnings(&appliance).len(), usize::from(!matches!(value, "5" | "")), "{value}");
    }
}

#[test]
fn properties_say_how_big_disks_are() {
    let product = |value: &str| {
        format!(
            "<ProductSection ovf:class='c'><Info/><Property ovf:key='size' ovf:type='int' ovf:userConfigurable='true' {value}/></ProductSection>"
        )
    };
    let of = |name: &str, value: &str, set: Option<&str>| {
        let disks = format!(
            "<DiskSection><Disk ovf:diskId='d' ovf:capacity='${{{name}}}' ovf:capacityAllocationUnits='byte * 2^30'/></DiskSection>"
        );
        let choices = Choices {
            properties: set.map(|value| ("c.size".to_owned(), value.to_owned())).into_iter().collect(),
            ..Choices::default()
        };
        read(machine(&disks, &product(value)).as_bytes(), &choices)
            .map(|appliance| appliance.disks[0].capacity_bytes >> 30)
    };
    assert_eq!(of("size", "ovf:value='5'", None), Ok(5));
    assert_eq!(of("c.size", "ovf:value='5'", None), Ok(5));
    assert_eq!(of("size", "ovf:value='5'", Some("8")), Ok(8));
    assert_eq!(of("size", "", Some("8")), Ok(8));
    assert!(of("size", "", None).unwrap_err().remedy.contains("--set size="));
    assert!(of("size", "ovf:value='-5'", None).unwrap_err().cause.contains("below zero"));
}

#[test]
fn disks_that_are_shared_are_said_to_be() {
    let shared = "<SharedDiskSection><Info/><SharedDisk ovf:diskId='s' ovf:capacity='10'/></SharedDiskSection>";
    let once = accepted(&with_items(shared, &disk(7, "s", 5, 0)));
    assert!(!warnings(&once).contains(&codes::DISK_SHARED));
    let twice = accepted(&with_items(shared, &(disk(7, "s", 5, 0) + &disk(8, "s", 5, 1))));
    assert!(warnings(&twice).contains(&codes::DISK_SHARED));
}
