//! From a package to machines: what an appliance's descriptor asks for becomes [`MachineConfig`]s.
//!
//! ```text
//! Package, Appliance, Wishes --prepare--> Prepared: members for a fleet, their order, a report on each
//! ```
//!
//! * [`mapping`]: what becomes of each thing that the descriptor asks for. It opens nothing, so it can be shown of any package.
//! * `disks`: images where they lie in the package, in chains, compressed, in chunks.
//! * `overlays`: where a guest's writes are kept.
//! * [`checking`]: the files against their digests, while the machines run.
//! * [`ApplianceError`]: why a package cannot be started.

pub mod checking;
mod disks;
mod error;
pub mod mapping;
mod overlays;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::PathBuf;

use ovum_boot::environment;
use ovum_boot::ovf::Appliance;
use ovum_boot::ovf::appliance::{Content, FileReference, System};
use ovum_boot::package::Package;

pub use error::ApplianceError;
use mapping::{Limits, Mapping};

use crate::config::{BootFile, CmdlineChoice, DiskConfig, DiskSource, MachineConfig, Writes};
use crate::fleet::schedule::Unit;
use crate::fleet::{MAX_MEMBERS, Member};
use disks::Files;
use overlays::Overlays;

/// What the user decides about the machines of a package, beyond what its descriptor was read with.
pub struct Wishes<'w> {
    /// Start this machine only.
    pub system: Option<String>,
    /// A kernel in place of the package's own.
    pub kernel: Option<PathBuf>,
    /// An initramfs in place of the package's own.
    pub initramfs: Option<PathBuf>,
    /// Kernel arguments, after those of the package or in place of all others.
    pub cmdline: CmdlineChoice,
    /// vCPUs, in place of what the package asks for.
    pub cpus: Option<u32>,
    /// Memory in bytes, in place of what the package asks for.
    pub memory: Option<u64>,
    /// A file, or a folder of files, that keeps what the guests write; without one, it is discarded.
    pub overlay: Option<PathBuf>,
    /// More disks, behind those of the package; for one machine only.
    pub disks: Vec<DiskConfig>,
    /// Start also what the descriptor says is no Linux, or for another CPU.
    pub any_system: bool,
    /// What the guests are told.
    pub environment: environment::Options<'w>,
    /// Whether overlays may be made; a plan makes none.
    pub makes_overlays: bool,
    /// Everything that a package says nothing about.
    pub base: MachineConfig,
}

impl Wishes<'_> {
    /// No wishes, and `base` for everything that a package says nothing about.
    pub fn new(base: MachineConfig) -> Self {
        Self {
            system: None,
            kernel: None,
            initramfs: None,
            cmdline: CmdlineChoice::Append(String::new()),
            cpus: None,
            memory: None,
            overlay: None,
            disks: Vec::new(),
            any_system: false,
            environment: environment::Options::default(),
            makes_overlays: true,
            base,
        }
    }
}

/// Machines that can be built.
#[derive(Debug)]
pub struct Prepared {
    /// The machines; one, or those of a collection.
    pub members: Vec<Member>,
    /// What became of what the descriptor asks for, for each of [`Self::members`].
    pub mappings: Vec<Mapping>,
    /// In which order they start.
    pub order: Unit,
    /// The files of the package that the machines read, in the order of its References.
    pub files: Vec<FileReference>,
    /// Whether a guest's writes are forgotten.
    pub discards_writes: bool,
}

/// Opens what the machines of `appliance` need, and checks what can be checked before they start. Nothing is unpacked and
/// nothing is changed, but that the folder for overlays may be made.
///
/// # Errors
/// [`ApplianceError`] with the machine, the disk or the file that is the reason.
pub fn prepare(package: &Package, appliance: &Appliance, wishes: &Wishes<'_>) -> Result<Prepared, ApplianceError> {
    let systems = chosen(appliance, wishes)?;
    match systems.len() {
        1 => {}
        many if many > MAX_MEMBERS => return Err(ApplianceError::TooMany(many)),
        _ if !wishes.disks.is_empty() => return Err(ApplianceError::ForOneOnly("--disk")),
        _ if wishes.environment.hostname.is_some() => return Err(ApplianceError::ForOneOnly("--hostname")),
        _ => {}
    }
    let limits = Limits::of_host();
    let files = Files::new(package, appliance, &wishes.base.scratch);
    let mut prepared = Prepared {
        members: Vec::new(),
        mappings: Vec::new(),
        order: Unit::Group(Vec::new()),
        files: Vec::new(),
        discards_writes: false,
    };
    let mut mappings = Vec::new();
    for system in &systems {
        if !wishes.any_system {
            mapping::check_system(system)?;
        }
        mappings.push(Mapping::of(system, &limits));
    }
    let overlays = Overlays::new(wishes, &mappings)?;
    for (system, mut mapping) in systems.iter().zip(mappings) {
        let config = configure(system, &mut mapping, &files, &overlays, wishes)?;
        prepared.discards_writes |= config.disks.iter().any(|disk| disk.writes == Writes::Discarded);
        prepared.members.push(Member { name: system.id.clone(), config });
        prepared.mappings.push(mapping);
    }
    let number = |id: &str| systems.iter().position(|system| system.id == id);
    prepared.order = match systems.as_slice() {
        // The one that was asked for starts, also where the package says that it does not by itself.
        [_] => Unit::Machine(0),
        _ => Unit::of(&appliance.content, &number).ok_or(ApplianceError::NothingStarts)?,
    };
    prepared.files = files.used();
    Ok(prepared)
}

/// The machines that shall start.
fn chosen<'a>(appliance: &'a Appliance, wishes: &Wishes<'_>) -> Result<Vec<&'a System>, ApplianceError> {
    if let Some(id) = &wishes.system {
        let known = || appliance.systems().iter().map(|system| system.id.clone()).collect();
        return match appliance.system(id) {
            Some(system) => Ok(vec![system]),
            None => Err(ApplianceError::NoSuchSystem { id: id.clone(), known: known() }),
        };
    }
    // Those that the package says not to start are not even opened.
    let mut started = Vec::new();
    collect_started(&appliance.content, &mut started);
    if started.is_empty() { Err(ApplianceError::NothingStarts) } else { Ok(started) }
}

fn collect_started<'a>(content: &'a Content, started: &mut Vec<&'a System>) {
    match content {
        Content::System(system) => started.push(system),
        Content::Collection(collection) => {
            let idle: HashSet<&str> =
                collection.startup.iter().filter(|item| !item.starts).map(|item| item.id.as_str()).collect();
            let contents = collection.contents.iter().filter(|content| !idle.contains(content.id()));
            contents.for_each(|content| collect_started(content, started));
        }
    }
}

/// The machine of one system, whose disks are opened. What was found out on the way goes to `mapping`.
fn configure(
    system: &System,
    mapping: &mut Mapping,
    files: &Files<'_>,
    overlays: &Overlays,
    wishes: &Wishes<'_>,
) -> Result<MachineConfig, ApplianceError> {
    let (kernel, initramfs, cmdline) = boot_files(system, files, wishes)?;
    mapping.kernel = Some(kernel.name());
    let mut disks = Vec::new();
    for (number, drive) in mapping.drives.iter().enumerate() {
        let (source, notes) = files.disk(&drive.source, drive)?;
        mapping.notes.extend(notes);
        let writes = if drive.read_only { Writes::Refused } else { overlays.writes(&system.id, number) };
        disks.push(DiskConfig { source, writes });
    }
    disks.extend(wishes.disks.iter().cloned());
    for volume in files.volumes(&system.id, &wishes.environment)? {
        let name = format!("{} of {}", volume.label, system.id);
        mapping.add_volume(volume.label, volume.why, disks.len());
        let source = DiskSource::Bytes { bytes: volume.bytes.into(), name };
        disks.push(DiskConfig { source, writes: Writes::Refused });
    }
    if let Some(cpus) = wishes.cpus {
        mapping.set_cpus(cpus);
    }
    if let Some(memory) = wishes.memory {
        mapping.set_memory(memory);
    }
    Ok(MachineConfig {
        kernel,
        initramfs,
        cmdline,
        cpus: mapping.cpus,
        memory: mapping.memory_bytes,
        disks,
        ..wishes.base.clone()
    })
}

/// Kernel, initramfs and command line: the user's, else those that the package brings.
fn boot_files(
    system: &System,
    files: &Files<'_>,
    wishes: &Wishes<'_>,
) -> Result<(BootFile, Option<BootFile>, CmdlineChoice), ApplianceError> {
    let own_initramfs = wishes.initramfs.clone().map(BootFile::Path);
    if let Some(kernel) = &wishes.kernel {
        // What the package brings belongs to the package's kernel.
        return Ok((BootFile::Path(kernel.clone()), own_initramfs, wishes.cmdline.clone()));
    }
    let Some(boot) = &system.direct_boot else {
        return Err(ApplianceError::NoKernel { id: system.id.clone() });
    };
    let file = |id: &str| Ok::<_, ApplianceError>(BootFile::Storage(files.boot_file(id)?));
    let initramfs = match (own_initramfs, &boot.initrd) {
        (Some(own), _) => Some(own),
        (None, Some(id)) => Some(file(id)?),
        (None, None) => None,
    };
    let cmdline = match &wishes.cmdline {
        CmdlineChoice::Append(words) => CmdlineChoice::Append(format!("{} {words}", boot.cmdline).trim().to_owned()),
        whole @ CmdlineChoice::Whole(_) => whole.clone(),
    };
    Ok((file(&boot.kernel)?, initramfs, cmdline))
}
