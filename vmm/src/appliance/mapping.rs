//! What becomes of what a descriptor asks for: a report as data, for people and programs.

use ovum_boot::Architecture;
use ovum_boot::ovf::appliance::{Drive, Firmware, Nic, Source, System};
use ovum_boot::ovf::os::{OsArchitecture, OsFamily};
use serde::Serialize;

use super::ApplianceError;
use crate::config::{DEFAULT_MEMORY, MAX_CPUS};

/// The unit of guest memory, in bytes.
const PAGE: u64 = 4096;

/// What a machine can have on this host.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most vCPUs that are of use.
    pub cpus: u32,
}

impl Limits {
    /// Those of this host: no more vCPUs than it has CPUs.
    pub fn of_host() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(MAX_CPUS));
        Self { cpus: cpus.clamp(1, MAX_CPUS) }
    }
}

/// What becomes of one system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mapping {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// vCPUs.
    pub cpus: u32,
    /// Guest memory in bytes.
    pub memory_bytes: u64,
    /// The kernel that starts it, once it is known.
    pub kernel: Option<String>,
    /// Its disks and CD-ROMs, in the order in which the guest finds them.
    pub drives: Vec<MappedDrive>,
    /// What the guest gets otherwise than the descriptor says, or on top of it.
    pub notes: Vec<Note>,
    /// What the guest does not get.
    pub left_out: Vec<Note>,
}

/// A disk or CD-ROM of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MappedDrive {
    /// The name that Linux gives it.
    pub device: String,
    /// What it was: controller and unit, where the descriptor says so.
    pub was: Option<String>,
    /// The disk's id, or the file's.
    pub image: String,
    /// Whether the guest may only read it.
    pub read_only: bool,
    #[serde(skip)]
    pub(super) source: Source,
}

/// A thing, and what is to be said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The thing.
    pub what: String,
    /// What becomes of it, or why it is left out.
    pub how: String,
}

impl Note {
    pub(super) fn new(what: impl Into<String>, how: impl Into<String>) -> Self {
        Self { what: what.into(), how: how.into() }
    }
}

impl Mapping {
    /// What becomes of `system`. Nothing is opened.
    pub fn of(system: &System, limits: &Limits) -> Self {
        let mut notes = Vec::new();
        let cpus = cpus(system, limits, &mut notes);
        let memory_bytes = memory(system, &mut notes);
        notes.extend(firmware_and_start(system));
        let mut mapping = Self {
            id: system.id.clone(),
            name: system.name.clone(),
            cpus,
            memory_bytes,
            kernel: None,
            drives: Vec::new(),
            notes,
            left_out: Vec::new(),
        };
        for (drives, is_cdrom) in [(&system.disks, false), (&system.cdroms, true)] {
            drives.iter().for_each(|drive| mapping.add_drive(drive, is_cdrom));
        }
        mapping.left_out.extend(system.nics.iter().map(left_out_nic));
        if system.serials > 1 {
            let what = format!("{} more serial ports", system.serials - 1);
            mapping.left_out.push(Note::new(what, "the first is the console; a machine has one"));
        }
        let items = system.left_out.iter().map(|item| Note::new(&item.what, &item.why));
        mapping.left_out.extend(items);
        mapping
    }

    fn add_drive(&mut self, drive: &Drive, is_cdrom: bool) {
        let image = match &drive.source {
            Source::Disk(id) | Source::File(id) => id.clone(),
            Source::Empty => {
                let kind = if is_cdrom { "CD-ROM drive" } else { "disk drive" };
                let what = drive.name.clone().unwrap_or_else(|| format!("{kind} {}", drive.instance));
                self.left_out.push(Note::new(what, "nothing is in it"));
                return;
            }
        };
        let was = drive.controller.as_ref().map(|controller| {
            let unit = drive.unit.map(|unit| format!(":{unit}")).unwrap_or_default();
            format!("{} {}{unit}", controller.kind.name(), controller.address)
        });
        let device = device_name(self.drives.len());
        self.drives.push(MappedDrive { device, was, image, read_only: is_cdrom, source: drive.source.clone() });
    }

    /// Says that a volume with what the guest is told is disk `number`.
    pub(super) fn add_volume(&mut self, label: &str, why: &str, number: usize) {
        let how = format!("{why}, is {} with the label {label}", device_name(number));
        self.notes.push(Note::new("what the guest is told", how));
    }

    /// Takes the user's number of vCPUs.
    pub(super) fn set_cpus(&mut self, cpus: u32) {
        self.cpus = cpus;
        self.notes.retain(|note| note.what != CPUS);
    }

    /// Takes the user's amount of memory, in bytes.
    pub(super) fn set_memory(&mut self, memory: u64) {
        self.memory_bytes = memory;
        self.notes.retain(|note| note.what != MEMORY);
    }
}

const CPUS: &str = "vCPUs";
const MEMORY: &str = "memory";

fn cpus(system: &System, limits: &Limits, notes: &mut Vec<Note>) -> u32 {
    let asked = system.cpus;
    let cpus = asked.clamp(1, limits.cpus.max(1));
    if asked == 0 {
        notes.push(Note::new(CPUS, "1, as the descriptor does not say how many"));
    } else if cpus < asked {
        notes.push(Note::new(CPUS, format!("{cpus} and not {asked}, as this host has no more")));
    }
    cpus
}

fn memory(system: &System, notes: &mut Vec<Note>) -> u64 {
    let asked = system.memory_bytes;
    if asked == 0 {
        notes.push(Note::new(MEMORY, format!("{} MiB, as the descriptor does not say how much", DEFAULT_MEMORY >> 20)));
        return DEFAULT_MEMORY;
    }
    // What cannot be rounded up no host has either.
    let rounded = asked.checked_next_multiple_of(PAGE).unwrap_or(asked - asked % PAGE);
    if rounded != asked {
        notes.push(Note::new(MEMORY, format!("{rounded} bytes and not {asked}: memory is made of pages of 4 KiB")));
    }
    rounded
}

/// What is not done as the package's makers had it in mind, because there is no firmware.
fn firmware_and_start(system: &System) -> Vec<Note> {
    let mut notes = Vec::new();
    if let Some(firmware) = system.firmware {
        let how = match firmware {
            Firmware::EfiSecure => "is not run, and no signature is checked: the kernel is started directly",
            Firmware::Bios | Firmware::Efi => "is not run: the kernel is started directly",
        };
        notes.push(Note::new(format!("firmware ({})", firmware.name()), how));
    }
    if !system.boot_order.is_empty() {
        notes.push(Note::new("boot order", "is not followed: the kernel is started directly"));
    }
    if system.install.is_some() {
        let how = "ends the machine when it restarts; keep what it wrote with --overlay, and start it again";
        notes.push(Note::new("installation at the first start", how));
    }
    notes
}

fn left_out_nic(nic: &Nic) -> Note {
    let name = nic.name.clone().unwrap_or_else(|| format!("network card {}", nic.instance));
    let network = nic.network.as_ref().map(|network| format!(" on {network}")).unwrap_or_default();
    Note::new(format!("{name}{network}"), "networks come with a later version")
}

/// The name that Linux gives the virtio disk with this number: vda to vdz, vdaa and on.
pub(super) fn device_name(number: usize) -> String {
    let mut letters = Vec::new();
    let mut left = number;
    loop {
        letters.push(char::from(b'a' + u8::try_from(left % 26).unwrap_or_default()));
        match left / 26 {
            0 => break,
            more => left = more - 1,
        }
    }
    format!("vd{}", letters.iter().rev().collect::<String>())
}

/// Checks that a Linux for this CPU is in `system`, as far as its descriptor says.
///
/// # Errors
/// [`ApplianceError::OtherSystem`], [`ApplianceError::OtherArchitecture`].
pub fn check_system(system: &System) -> Result<(), ApplianceError> {
    let Some(os) = &system.os else { return Ok(()) };
    if let OsFamily::Other(family) = os.family {
        let name = if os.name().contains(family) { os.name().to_owned() } else { format!("{} ({family})", os.name()) };
        return Err(ApplianceError::OtherSystem { id: system.id.clone(), os: name });
    }
    match os.architecture {
        Some(architecture) if !may_run(architecture) => {
            let architecture = architecture_name(architecture);
            Err(ApplianceError::OtherArchitecture { id: system.id.clone(), architecture })
        }
        _ => Ok(()),
    }
}

/// Whether a guest with this label may run here. Guests of 64 bits are often labelled as those of 32; the kernel itself says
/// what it is.
fn may_run(architecture: OsArchitecture) -> bool {
    match ovum_arch::ARCHITECTURE {
        Architecture::X86_64 => matches!(architecture, OsArchitecture::Amd64 | OsArchitecture::I386),
        Architecture::Aarch64 => architecture == OsArchitecture::Arm64,
        Architecture::Riscv64 | Architecture::Other(_) => false,
    }
}

fn architecture_name(architecture: OsArchitecture) -> &'static str {
    match architecture {
        OsArchitecture::I386 => "32-bit PCs",
        OsArchitecture::Amd64 => "64-bit PCs",
        OsArchitecture::Arm64 => "ARM64",
        OsArchitecture::Ppc64 => "POWER",
        OsArchitecture::S390x => "IBM Z",
    }
}
