//! Descriptors made by hand, read.

mod choices;
mod dialects;
mod disks;
mod robustness;
mod sections;

use super::{Appliance, Choices, DescriptorError, codes, read};

/// The namespaces that most descriptors declare.
pub const NAMESPACES: &str = r#"xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
 xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
 xmlns:vmw="http://www.vmware.com/schema/ovf" xmlns:vbox="http://www.virtualbox.org/ovf/machine" xmlns:x="http://example.com/x""#;

/// An envelope with this in it.
pub fn envelope(body: &str) -> String {
    format!("<?xml version=\"1.0\"?>\n<Envelope {NAMESPACES}>\n{body}\n</Envelope>")
}

/// An envelope with one machine: what stands before it, and what is in it.
pub fn machine(before: &str, inside: &str) -> String {
    envelope(&format!("{before}\n<VirtualSystem ovf:id=\"vm\"><Info>A machine</Info>{inside}</VirtualSystem>"))
}

/// An envelope with one machine that has these items, two vCPUs and 512 MiB.
pub fn with_items(before: &str, items: &str) -> String {
    let basics = format!("{}{}", item(1, 3, "<rasd:VirtualQuantity>2</rasd:VirtualQuantity>"), memory(2, "512"));
    machine(before, &format!("<VirtualHardwareSection><Info/>{basics}{items}</VirtualHardwareSection>"))
}

/// An item of this id and ResourceType.
pub fn item(id: u32, kind: u32, rest: &str) -> String {
    format!("<Item>{}</Item>", fields(id, kind, rest))
}

/// What is in an item.
pub fn fields(id: u32, kind: u32, rest: &str) -> String {
    format!("<rasd:InstanceID>{id}</rasd:InstanceID><rasd:ResourceType>{kind}</rasd:ResourceType>{rest}")
}

/// An item that gives memory, in MiB.
pub fn memory(id: u32, quantity: &str) -> String {
    let unit = "<rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>";
    item(id, 4, &format!("{unit}<rasd:VirtualQuantity>{quantity}</rasd:VirtualQuantity>"))
}

/// An item of a disk, with what it hangs on and where.
pub fn disk(id: u32, disk: &str, parent: u32, unit: u32) -> String {
    let host = format!("<rasd:HostResource>ovf:/disk/{disk}</rasd:HostResource>");
    item(
        id,
        17,
        &format!("{host}<rasd:Parent>{parent}</rasd:Parent><rasd:AddressOnParent>{unit}</rasd:AddressOnParent>"),
    )
}

pub fn accepted(text: &str) -> Appliance {
    read(text.as_bytes(), &Choices::default()).unwrap()
}

pub fn refused(text: &str) -> DescriptorError {
    let error = read(text.as_bytes(), &Choices::default()).unwrap_err();
    assert!(!error.cause.is_empty() && !error.remedy.is_empty() && !error.to_string().contains('\n'), "{error}");
    error
}

/// The codes of all warnings, each of which is in the list.
pub fn warnings(appliance: &Appliance) -> Vec<&'static str> {
    let warnings = appliance.warnings.iter();
    let found: Vec<&str> =
        warnings.inspect(|warning| assert!(warning.line.is_some(), "{warning:?}")).map(|w| w.code).collect();
    for code in &found {
        assert!(codes::ALL.iter().any(|(known, _)| known == code), "{code} is not in the list");
    }
    found
}
