//! A package for programs: names and units of `ovum inspect --json` are a promise (docs/ovf.md).

use ovum_boot::loader::{BootEntry, Menu};
use ovum_boot::ovf::appliance::{
    Appliance, DeclaredFormat, Disk, Drive, FileReference, Firmware, Nic, Source, System, Warning,
};
use ovum_boot::ovf::os::{GuestOs, OsFamily};
use ovum_boot::ovf::property::Property;
use serde::Serialize;

use super::menu::Found;

/// A whole package.
#[derive(Serialize)]
pub struct Package<'a> {
    format: &'static str,
    configuration: Option<&'a str>,
    systems: Vec<Machine<'a>>,
    networks: Vec<&'a str>,
    configurations: Vec<Configuration<'a>>,
    files: Vec<File<'a>>,
    warnings: Vec<Oddity<'a>>,
    /// Of each system, where its disks were looked into.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    boot: Vec<Boot<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Boot<'a> {
    Menu(BootMenu<'a>),
    Nothing { error: &'a str },
}

#[derive(Serialize)]
struct BootMenu<'a> {
    default: usize,
    why: &'a str,
    entries: Vec<Entry<'a>>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    title: &'a str,
    source: &'a str,
    kernel: &'a str,
    initrds: Vec<&'a str>,
    cmdline: &'a str,
    original_cmdline: &'a str,
    changes: &'a [String],
}

#[derive(Serialize)]
struct Machine<'a> {
    id: &'a str,
    name: Option<&'a str>,
    os: Option<&'a str>,
    os_family: Option<&'static str>,
    os_id: Option<u16>,
    cpus: u32,
    memory_bytes: u64,
    firmware: Option<&'static str>,
    hardware_types: &'a [String],
    disks: Vec<DiskDrive<'a>>,
    cdroms: Vec<DiskDrive<'a>>,
    nics: Vec<Card<'a>>,
    serials: u32,
    boot_order: &'a [String],
    transports: &'a [String],
    properties: Vec<Setting<'a>>,
    eulas: usize,
    left_out: Vec<Omission<'a>>,
}

#[derive(Serialize)]
struct DiskDrive<'a> {
    id: Option<&'a str>,
    file: Option<&'a str>,
    file_ref: Option<&'a str>,
    format: Option<String>,
    capacity_bytes: Option<u64>,
    controller: Option<&'static str>,
    unit: Option<u32>,
    parent: Option<&'a str>,
}

#[derive(Serialize)]
struct Card<'a> {
    name: Option<&'a str>,
    network: Option<&'a str>,
    model: Option<&'a str>,
    mac: Option<String>,
    connected: bool,
}

#[derive(Serialize)]
struct Setting<'a> {
    key: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    /// Not there for a password that the user has set.
    value: Option<&'a str>,
    user_configurable: bool,
    required: bool,
    password: bool,
    label: Option<&'a str>,
}

#[derive(Serialize)]
struct Configuration<'a> {
    id: &'a str,
    label: Option<&'a str>,
    default: bool,
}

#[derive(Serialize)]
struct File<'a> {
    id: &'a str,
    href: &'a str,
    size: Option<u64>,
    compression: Option<&'static str>,
    chunk_size: Option<u64>,
}

#[derive(Serialize)]
struct Omission<'a> {
    what: &'a str,
    why: &'a str,
    line: u32,
}

#[derive(Serialize)]
struct Oddity<'a> {
    code: &'static str,
    message: &'a str,
    line: Option<u32>,
}

impl<'a> Package<'a> {
    /// What there is to say of `appliance`, and of the boot menus of its machines, if they were read.
    pub fn of(appliance: &'a Appliance, menus: &'a [Found]) -> Self {
        Self {
            format: appliance.dialect.name(),
            configuration: appliance.configuration.as_deref(),
            systems: appliance.systems().into_iter().map(|system| Machine::of(system, appliance)).collect(),
            networks: appliance.networks.iter().map(|network| network.name.as_str()).collect(),
            configurations: appliance
                .configurations
                .iter()
                .map(|one| Configuration { id: &one.id, label: one.label.as_deref(), default: one.default })
                .collect(),
            files: appliance.files.iter().map(File::of).collect(),
            warnings: appliance.warnings.iter().map(Oddity::of).collect(),
            boot: menus.iter().map(Boot::of).collect(),
        }
    }
}

impl<'a> Boot<'a> {
    fn of(found: &'a Found) -> Self {
        match found {
            Ok(menu) => Self::Menu(BootMenu::of(menu)),
            Err(error) => Self::Nothing { error },
        }
    }
}

impl<'a> BootMenu<'a> {
    fn of(menu: &'a Menu) -> Self {
        let entry = |entry: &'a BootEntry| Entry {
            id: &entry.id,
            title: &entry.title,
            source: &entry.source,
            kernel: &entry.kernel.name,
            initrds: entry.initrds.iter().map(|initrd| initrd.name.as_str()).collect(),
            cmdline: &entry.cmdline,
            original_cmdline: &entry.original_cmdline,
            changes: &entry.changes,
        };
        let entries = menu.entries.iter().map(entry).collect();
        Self { default: menu.default, why: &menu.why, entries, notes: &menu.notes }
    }
}

impl<'a> Machine<'a> {
    fn of(system: &'a System, appliance: &'a Appliance) -> Self {
        let os = system.os.as_ref();
        Self {
            id: &system.id,
            name: system.name.as_deref(),
            os: os.map(GuestOs::name),
            os_family: os.and_then(|os| family(os.family)),
            os_id: os.and_then(|os| os.cim),
            cpus: system.cpus,
            memory_bytes: system.memory_bytes,
            firmware: system.firmware.map(Firmware::name),
            hardware_types: &system.hardware_types,
            disks: system.disks.iter().map(|drive| DiskDrive::of(drive, appliance)).collect(),
            cdroms: system.cdroms.iter().map(|drive| DiskDrive::of(drive, appliance)).collect(),
            nics: system.nics.iter().map(Card::of).collect(),
            serials: system.serials,
            boot_order: &system.boot_order,
            transports: &system.about.transports,
            properties: system.about.properties.iter().map(Setting::of).collect(),
            eulas: system.about.eulas.len(),
            left_out: system
                .left_out
                .iter()
                .map(|item| Omission { what: &item.what, why: &item.why, line: item.line })
                .collect(),
        }
    }
}

/// Nothing where nobody knows.
fn family(family: OsFamily) -> Option<&'static str> {
    match family {
        OsFamily::Linux => Some("linux"),
        OsFamily::Other(_) => Some("other"),
        OsFamily::Unknown => None,
    }
}

impl<'a> DiskDrive<'a> {
    fn of(drive: &'a Drive, appliance: &'a Appliance) -> Self {
        let disk = match &drive.source {
            Source::Disk(id) => appliance.disk(id),
            Source::File(_) | Source::Empty => None,
        };
        let file_ref = match &drive.source {
            Source::File(id) => Some(id.as_str()),
            _ => disk.and_then(|disk| disk.file.as_deref()),
        };
        Self {
            id: disk.map(|disk| disk.id.as_str()),
            file: file_ref.and_then(|id| appliance.file(id)).map(|file| file.href.as_str()),
            file_ref,
            format: disk.and_then(format),
            capacity_bytes: disk.map(|disk| disk.capacity_bytes),
            controller: drive.controller.as_ref().map(|controller| controller.kind.name()),
            unit: drive.unit,
            parent: disk.and_then(|disk| disk.parent.as_deref()),
        }
    }
}

/// The short name of a format that can be read, else the URI.
pub fn format(disk: &Disk) -> Option<String> {
    match &disk.format {
        DeclaredFormat::Known(format) => Some(format.to_string()),
        DeclaredFormat::Unknown(uri) => Some(uri.clone()),
        DeclaredFormat::Undeclared => None,
    }
}

impl<'a> Card<'a> {
    fn of(nic: &'a Nic) -> Self {
        Self {
            name: nic.name.as_deref(),
            network: nic.network.as_deref(),
            model: nic.model.as_deref(),
            mac: nic.mac.map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":")),
            connected: nic.connected,
        }
    }
}

impl<'a> Setting<'a> {
    fn of(property: &'a Property) -> Self {
        let secret = property.password && property.set;
        Self {
            key: &property.key,
            kind: &property.kind,
            value: property.value.as_deref().filter(|_| !secret),
            user_configurable: property.user_configurable,
            required: property.required,
            password: property.password,
            label: property.label.as_deref(),
        }
    }
}

impl<'a> File<'a> {
    fn of(file: &'a FileReference) -> Self {
        Self {
            id: &file.id,
            href: &file.href,
            size: file.size,
            compression: file.compression.name(),
            chunk_size: file.chunk_size,
        }
    }
}

impl<'a> Oddity<'a> {
    fn of(warning: &'a Warning) -> Self {
        Self { code: warning.code, message: &warning.message, line: warning.line }
    }
}
