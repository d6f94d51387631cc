//! What vendors' extensions tell about a machine: its firmware, what it is started from.

use super::appliance::{Firmware, System};
use super::dialect::is_vmware;
use super::xml::{Element, boolean};

/// `vmw:BootOrderSection`: a kind of device, and the item if it is a certain one.
pub fn boot_order(section: Element<'_>, system: &mut System) {
    let kind = section.attr_of(is_vmware, "type").map(str::trim).filter(|kind| !kind.is_empty());
    let instance = section.attr_of(is_vmware, "instanceId").map(str::trim).filter(|id| !id.is_empty());
    let kind = kind.map(|kind| if kind == "ethernet" { "net" } else { kind });
    system.boot_order.extend(instance.or(kind).map(str::to_owned));
}

/// `vmw:Config` and `vmw:ExtraConfig` in a VirtualHardwareSection.
pub fn configs(section: Element<'_>, system: &mut System) {
    let mut secure = None;
    for config in section.children().filter(|child| child.namespace().is_some_and(is_vmware)) {
        let Some(key) = config.attr_of(is_vmware, "key") else { continue };
        let value = config.attr_of(is_vmware, "value").unwrap_or_default().trim();
        match key {
            "firmware" => system.firmware = firmware(value).or(system.firmware),
            "bootOptions.efiSecureBootEnabled" | "uefi.secureBoot.enabled" => secure = boolean(value),
            _ => {}
        }
    }
    if secure == Some(true) && system.firmware == Some(Firmware::Efi) {
        system.firmware = Some(Firmware::EfiSecure);
    }
}

fn firmware(text: &str) -> Option<Firmware> {
    let text = text.trim().to_ascii_lowercase();
    match text.as_str() {
        "bios" => Some(Firmware::Bios),
        _ if text.starts_with("efi") || text.starts_with("uefi") => Some(Firmware::Efi),
        _ => None,
    }
}

/// VirtualBox's settings of the machine, and oVirt's elements beside its sections. What VMware's extensions said counts more.
pub fn machine(element: Element<'_>, machine: Option<Element<'_>>, system: &mut System) {
    let hardware = machine.and_then(|machine| machine.any("Hardware"));
    let virtualbox =
        hardware.and_then(|hardware| hardware.any("Firmware")).and_then(|element| firmware(element.attr("type")?));
    let ovirt = element.any("BiosType").and_then(|element| bios_type(&element.text()));
    system.firmware = system.firmware.or(virtualbox).or(ovirt);
    if !system.boot_order.is_empty() {
        return;
    }
    let orders = hardware.and_then(|hardware| hardware.any("Boot")).into_iter().flat_map(Element::children);
    let mut orders: Vec<(u32, &str)> = orders
        .filter_map(|order| Some((order.attr("position")?.trim().parse().ok()?, device(order.attr("device")?)?)))
        .collect();
    orders.sort_by_key(|(position, _)| *position);
    system.boot_order = orders.into_iter().map(|(_, device)| device.to_owned()).collect();
}

fn device(virtualbox: &str) -> Option<&'static str> {
    match virtualbox.trim() {
        "HardDisk" => Some("disk"),
        "DVD" => Some("cdrom"),
        "Network" => Some("net"),
        _ => None,
    }
}

/// oVirt's numbers of what a machine starts with; 0 leaves it to the cluster.
fn bios_type(text: &str) -> Option<Firmware> {
    match text.trim() {
        "1" | "2" => Some(Firmware::Bios),
        "3" => Some(Firmware::Efi),
        "4" => Some(Firmware::EfiSecure),
        _ => None,
    }
}
