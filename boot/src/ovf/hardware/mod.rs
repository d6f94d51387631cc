//! VirtualHardwareSection: from items to a machine (DSP0243 8).

mod build;
mod drives;
mod item;
mod role;
mod select;

use std::collections::HashSet;

use self::build::Build;
use self::item::Item;
use self::role::{Role, role};
use super::appliance::System;
use super::disks::Disks;
use super::reader::Reader;
use super::references::Files;
use super::units::shown;
use super::xml::Element;
use super::{DescriptorError, codes, vendor};

/// What a machine has if nobody says what it has.
const DEFAULT_CPUS: u32 = 1;
/// The same for memory, in bytes: enough for most Linux guests to come up.
const DEFAULT_MEMORY: u64 = 256 << 20;

/// Families of virtual hardware that guests of this project run on: their drivers, or virtio's, are in every kernel.
const KNOWN_FAMILIES: &[&str] = &[
    "vmx-",
    "virtualbox",
    "vbox",
    "kvm",
    "qemu",
    "engine",
    "rhevm",
    "rhev",
    "ovirt",
    "ovum",
    "hyperv",
    "microsoft",
    "xen-hvm",
    "pc-",
    "q35",
    "dmtf:",
];
/// Families that need a host of another kind.
const OTHER_FAMILIES: &[&str] = &["xen-pv", "xen-3.0-x86_32p", "s390", "ibm:zvm", "powervm", "ppc"];

/// One of several sections that describe the same machine for different hosts.
struct Alternative<'d> {
    section: Element<'d>,
    families: Vec<String>,
    items: Vec<Item<'d>>,
}

/// Reads the hardware of a machine: the first section of those given that can be met (DSP0243 8.1).
///
/// # Errors
/// When a section is not understood, when something that the guest needs cannot be had, when an item is wrong.
pub fn read<'d>(
    machine: Element<'d>,
    sections: &[Element<'d>],
    system: &mut System,
    networks: &HashSet<String>,
    reader: &mut Reader<'_>,
    disks: &mut Disks<'d>,
    files: &Files,
) -> Result<(), DescriptorError> {
    let mut alternatives = Vec::new();
    for section in sections {
        if reader.understands(*section, &["Info", "System", "Item", "StorageItem", "EthernetPortItem"])? {
            let families = families(*section);
            alternatives.push(Alternative { section: *section, families, items: Vec::new() });
        }
    }
    if alternatives.is_empty() {
        reader.warn(codes::HARDWARE_MISSING, machine, "the machine does not say what hardware it has");
    }
    if let Some(alternative) = choose(alternatives, reader)? {
        let section = alternative.section;
        system.hardware_types = alternative.families;
        let transports = section.attr("transport").unwrap_or_default();
        system.about.transports = transports.split_whitespace().map(str::to_owned).collect();
        vendor::configs(section, system);
        let mut build = Build::new(system, reader, disks, files, networks);
        for item in &alternative.items {
            build.add_controller(item);
        }
        for item in &alternative.items {
            build.add(item)?;
        }
        build.finish(&alternative.items);
    }
    complete(machine, system, reader);
    Ok(())
}

/// The families in `VirtualSystemType`, which may be several, with blanks or commas between them.
fn families(section: Element<'_>) -> Vec<String> {
    let types = section.all("System").flat_map(Element::children).filter(|child| child.name() == "VirtualSystemType");
    let words = types.map(Element::text).flat_map(|text| {
        let words = text.split(|c: char| c.is_whitespace() || c == ',').map(str::to_owned).collect::<Vec<_>>();
        words.into_iter().filter(|word| !word.is_empty())
    });
    words.collect()
}

/// Whether one of the families is in a list; true if none is named.
fn is_one_of(families: &[String], list: &[&str]) -> bool {
    families.is_empty()
        || families.iter().any(|family| {
            let family = family.to_ascii_lowercase();
            list.iter().any(|known| family.starts_with(known))
        })
}

/// The first section whose family is known and whose items can be had; then one whose family is not known.
fn choose<'d>(
    mut alternatives: Vec<Alternative<'d>>,
    reader: &mut Reader<'_>,
) -> Result<Option<Alternative<'d>>, DescriptorError> {
    let rank = |alternative: &Alternative<'_>| {
        if is_one_of(&alternative.families, KNOWN_FAMILIES) {
            0
        } else if is_one_of(&alternative.families, OTHER_FAMILIES) {
            2
        } else {
            1
        }
    };
    // Stable: sections of the same rank stay in their order.
    alternatives.sort_by_key(rank);
    let mut first_error = None;
    for mut alternative in alternatives {
        let warnings = reader.warnings.len();
        alternative.items = select::items(alternative.section, reader);
        let unmet = alternative.items.iter().find_map(|item| unmet(item, reader));
        let Some(error) = unmet else {
            if rank(&alternative) > 0 {
                let names = shown(&alternative.families.join(" "));
                let message =
                    format!("the machine was made for \"{names}\", which is not known; it is started all the same");
                reader.warn(codes::HARDWARE_TYPE_UNKNOWN, alternative.section, message);
            }
            return Ok(Some(alternative));
        };
        reader.warnings.truncate(warnings);
        let message = format!("this VirtualHardwareSection was passed over: {}", error.cause);
        reader.warn(codes::ALTERNATIVE_SKIPPED, alternative.section, message);
        first_error.get_or_insert(error);
    }
    first_error.map_or(Ok(None), Err)
}

/// Why a machine with this item cannot be had.
fn unmet(item: &Item<'_>, reader: &Reader<'_>) -> Option<DescriptorError> {
    if !item.required() || reader.ignores(item.element.name()) {
        return None;
    }
    let role = role(item, reader.is_ovirt);
    let why = match (role, item.stranger()) {
        (Role::Missing(what), _) => {
            let number = item.field("ResourceType").unwrap_or_default();
            format!("the machine needs {what} (ResourceType {}), which it cannot have here", shown(&number))
        }
        (Role::Spare(_), _) | (_, None) => return None,
        (_, Some(stranger)) => format!("it has the element <{}>, which is not known and is required", stranger.shown()),
    };
    let remedy = format!(
        "add --ignore-section {} to start without such items, if the guest can do without them",
        item.element.shown()
    );
    Some(item.error("ResourceType", why, remedy))
}

/// Gives a machine what nobody gave it.
fn complete(machine: Element<'_>, system: &mut System, reader: &mut Reader<'_>) {
    if system.cpus == 0 {
        system.cpus = DEFAULT_CPUS;
        reader.warn(
            codes::CPUS_MISSING,
            machine,
            format!("no item says how many vCPUs it has; it gets {DEFAULT_CPUS}"),
        );
    }
    if system.memory_bytes == 0 {
        system.memory_bytes = DEFAULT_MEMORY;
        let message = format!("no item says how much memory it has; it gets {} MiB", DEFAULT_MEMORY >> 20);
        reader.warn(codes::MEMORY_MISSING, machine, message);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
