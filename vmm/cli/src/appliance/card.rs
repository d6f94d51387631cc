//! A package for a person: a short card for each machine.

use std::fmt::Write as _;
use std::path::Path;

use ovum_boot::ovf::appliance::{
    About, Appliance, Collection, Content, Controller, Drive, Firmware, Nic, Source, StopAction, System,
};
use ovum_boot::ovf::property::Property;

use super::json;
use crate::report::printable;
use crate::units::Size;

/// Characters of a value that are shown; the rest is in `--json`.
const SHOWN: usize = 60;

/// The lines of a card, a name and what stands beside it.
#[derive(Default)]
struct Card {
    text: String,
}

impl Card {
    fn title(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text += &printable(title);
        self.text.push('\n');
    }

    fn line(&mut self, name: &str, value: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "  {name:<12}{}", printable(value));
    }
}

/// All there is to say of `appliance`, which lies at `path`.
pub fn show(path: &Path, appliance: &Appliance) -> String {
    let mut card = Card::default();
    card.title(&format!("{}: {}", path.display(), appliance.dialect.name()));
    for configuration in &appliance.configurations {
        let taken = appliance.configuration.as_deref() == Some(&configuration.id);
        let label = configuration.label.as_deref().unwrap_or_default();
        let mark = if taken { " (taken)" } else { "" };
        card.line("config", &format!("{}  {label}{mark}", configuration.id));
    }
    for network in &appliance.networks {
        let description = network.description.as_deref().map(|text| format!("  {}", short(text))).unwrap_or_default();
        card.line("network", &format!("{}{description}", network.name));
    }
    appliance.content.visit(&mut |content| match content {
        Content::System(machine) => system(&mut card, machine, appliance),
        Content::Collection(machines) => collection(&mut card, machines),
    });
    if !appliance.warnings.is_empty() {
        card.title("Odd in the descriptor");
    }
    for warning in &appliance.warnings {
        let place = warning.line.map_or_else(|| "-".into(), |line| format!("line {line}"));
        card.line(&place, &format!("{} [{}]", warning.message, warning.code));
    }
    card.text
}

fn collection(card: &mut Card, collection: &Collection) {
    card.title(&format!("Collection {}", named(&collection.id, collection.name.as_deref())));
    for item in &collection.startup {
        let start = match (item.starts, item.waiting_for_guest) {
            (false, _) => "is not started".into(),
            (true, false) => format!("starts as {}, then {} s", item.order, item.start_delay),
            (true, true) => format!("starts as {}, then {} s or until it is ready", item.order, item.start_delay),
        };
        let stop = match item.stop {
            StopAction::GuestShutdown => format!("asked to shut down, {} s", item.stop_delay),
            StopAction::PowerOff => "switched off".into(),
            StopAction::None => "left alone".into(),
        };
        card.line("startup", &format!("{}: {start}; at the end {stop}", item.id));
    }
    about(card, &collection.about);
}

fn system(card: &mut Card, system: &System, appliance: &Appliance) {
    card.title(&format!("Machine {}", named(&system.id, system.name.as_deref())));
    if let Some(os) = &system.os {
        card.line("system", os.name());
    }
    card.line("vCPUs", &system.cpus.to_string());
    card.line("memory", &Size(system.memory_bytes).to_string());
    if let Some(firmware) = system.firmware {
        card.line("firmware", &format!("{} (not used: the kernel is started directly)", Firmware::name(firmware)));
    }
    for disk in &system.disks {
        card.line("disk", &drive(disk, appliance));
    }
    for cdrom in &system.cdroms {
        card.line("CD-ROM", &drive(cdrom, appliance));
    }
    for nic in &system.nics {
        card.line("NIC", &network_card(nic));
    }
    if system.serials > 0 {
        card.line("serial", &format!("{}, the first is the console", system.serials));
    }
    if let Some(boot) = &system.direct_boot {
        card.line("kernel", &format!("brought by the package ({})", boot.kernel));
    }
    about(card, &system.about);
    for item in &system.left_out {
        card.line("left out", &format!("{}: {} (line {})", item.what, item.why, item.line));
    }
}

fn about(card: &mut Card, about: &About) {
    for product in &about.products {
        let parts = [&product.name, &product.full_version, &product.vendor];
        let parts: Vec<_> = parts.into_iter().flatten().map(|part| short(part)).collect();
        if !parts.is_empty() {
            card.line("product", &parts.join(", "));
        }
    }
    for property in &about.properties {
        card.line("property", &setting(property));
    }
    for noted in &about.noted {
        card.line("noted", &format!("{}: {}", noted.section, noted.summary));
    }
    for annotation in &about.annotations {
        card.line("annotation", &short(annotation));
    }
    if !about.eulas.is_empty() {
        card.line("licences", &format!("{}, to be accepted before the first start", about.eulas.len()));
    }
}

fn drive(drive: &Drive, appliance: &Appliance) -> String {
    let place = drive.controller.as_ref().map(|at| place(at, drive.unit)).unwrap_or_default();
    let becomes = "becomes virtio-blk";
    let disk = match &drive.source {
        Source::Empty => return format!("empty{place}, left out"),
        Source::File(id) => {
            let href = appliance.file(id).map_or(id.as_str(), |file| &file.href);
            return format!("{href}{place}, {becomes}, read-only");
        }
        Source::Disk(id) => match appliance.disk(id) {
            Some(disk) => disk,
            None => return format!("{id}{place}"),
        },
    };
    let file = disk.file.as_deref().and_then(|id| appliance.file(id));
    let from = match (file, json::format(disk)) {
        (Some(file), Some(format)) => format!("{} ({format})", file.href),
        (Some(file), None) => file.href.clone(),
        (None, _) => "made empty".into(),
    };
    let parent = disk.parent.as_ref().map(|parent| format!(", changes to {parent}")).unwrap_or_default();
    format!("{}  {}, {from}{parent}{place}, {becomes}", disk.id, Size(disk.capacity_bytes))
}

fn place(controller: &Controller, unit: Option<u32>) -> String {
    let unit = unit.map(|unit| format!(":{unit}")).unwrap_or_default();
    format!(", {} {}{unit}", controller.kind.name(), controller.address)
}

fn network_card(nic: &Nic) -> String {
    let model = nic.model.as_deref().unwrap_or("any model");
    let network = nic.network.as_deref().unwrap_or("no network");
    let plug = if nic.connected { "" } else { ", not plugged in" };
    format!("{model} on {network}{plug}")
}

fn setting(property: &Property) -> String {
    let value = match &property.value {
        _ if property.password => "********".into(),
        Some(value) => format!("\"{}\"", short(value)),
        None if property.required => "not set, required: --set".into(),
        None => "not set".into(),
    };
    let fixed = if property.user_configurable { "" } else { ", fixed" };
    format!("{} = {value}  ({}{fixed})", property.key, property.kind)
}

fn named(id: &str, name: Option<&str>) -> String {
    match name {
        Some(name) if name != id => format!("{id} \"{}\"", short(name)),
        _ => id.to_owned(),
    }
}

/// The first of a text's characters, on one line.
fn short(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
