//! From a package, and what was said of it, to its machines.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ovum_boot::environment;
use ovum_boot::integrity::{Algorithm, hex};
use ovum_boot::package::Package;
use ovum_vmm::appliance::mapping::{Mapping, Note};
use ovum_vmm::appliance::{self, Prepared, Wishes};
use ovum_vmm::plan::Plan;
use ovum_vmm::{MachineConfig, Timeline};
use serde::Serialize;

use super::args::{RunArgs, Verify};
use super::check::{self, Pending};
use super::{fleet, machine, properties};
use crate::appliance::open::{self, Opened};
use crate::appliance::{eula, verify};
use crate::failure::Failure;
use crate::report::{self, Status, printable};

/// The longest file that is handed to a guest from the command line, in bytes.
const HANDED_LIMIT: u64 = 16 << 20;

/// Runs the package at `path`.
pub fn run(path: &Path, args: &RunArgs, timeline: &Timeline) -> Result<Status, Failure> {
    let trust = verify::trust(&args.start.trust)?;
    let opened = open::open(path, &args.package).or_else(|failure| {
        // A descriptor that was damaged is not read, or read wrongly; that it was damaged is the better reason.
        check::descriptor(&Package::open(path)?, &trust)?;
        Err(failure)
    })?;
    let check = check::descriptor(&opened.package, &trust)?;
    check.warnings.iter().for_each(|warning| log::warn!("{}", printable(warning)));
    let Opened { package, appliance } = if args.dry_run { opened } else { settle(opened, path, args)? };

    let mut prepared = appliance::prepare(&package, &appliance, &wishes(args)?).map_err(|error| Failure::of(&error))?;
    if args.dry_run {
        return dry_run(&prepared, args.json);
    }
    tell(&prepared);
    if !trust.is_empty() {
        check::is_all_signed(&package, check.manifest.as_ref(), &prepared.files)?;
    }
    let unchecked = match (check.manifest, args.start.verify) {
        (Some(manifest), Verify::Full) => {
            check::full(&package, &manifest, &appliance.files)?;
            None
        }
        (Some(manifest), Verify::Lazy) => {
            Some(Pending { package: Arc::new(package), manifest, files: appliance.files })
        }
        (None, Verify::Full) => {
            return Err(Failure::usage(
                format!("package {}: there is no manifest to compare its files with", path.display()),
                "leave out --verify full, or get the package from somebody who packs a manifest",
            ));
        }
        (None, Verify::Lazy) => {
            log::warn!("the package has no manifest: nobody can tell whether its files are what they were");
            None
        }
        (_, Verify::None) => None,
    };
    match prepared.members.as_mut_slice() {
        [only] => machine::run(&only.config, args, timeline, unchecked),
        many => {
            // It is the time limit of all.
            many.iter_mut().for_each(|member| member.config.time_limit = None);
            fleet::run(&prepared, args, unchecked)
        }
    }
}

/// Sees to it that properties have values and licences are accepted.
fn settle(opened: Opened, path: &Path, args: &RunArgs) -> Result<Opened, Failure> {
    let digest = hex(&Algorithm::Sha256.digest(opened.package.descriptor()));
    eula::settle(&opened.appliance, &digest, args.start.accept_eula)?;
    let asked = properties::ask(&opened.appliance, args.start.vm.as_deref())?;
    if asked.is_empty() { Ok(opened) } else { open::open_with(path, &args.package, &asked) }
}

fn wishes(args: &RunArgs) -> Result<Wishes<'static>, Failure> {
    let read = |path: &PathBuf| read(path).map_err(|error| Failure::io("cannot read", path, &error));
    let text = |path: &PathBuf| {
        String::from_utf8(read(path)?).map_err(|_| {
            Failure::usage(format!("{} is no text", path.display()), "give a file such as ~/.ssh/id_ed25519.pub")
        })
    };
    let start = &args.start;
    let base = MachineConfig { initramfs: None, ..super::machine_config(args, PathBuf::new()) };
    Ok(Wishes {
        system: start.vm.clone(),
        kernel: args.kernel.clone(),
        initramfs: args.initrd.clone(),
        boot_entry: start.boot_entry.clone(),
        cmdline: super::cmdline(args),
        cpus: args.cpus,
        memory: args.memory.map(|memory| memory.0),
        overlay: args.overlay.clone(),
        disks: args.disks.clone(),
        any_system: args.package.ignored_sections.iter().any(|name| name == "OperatingSystemSection"),
        environment: environment::Options {
            user_data: start.user_data.as_ref().map(read).transpose()?,
            ssh_keys: start.ssh_keys.iter().map(text).collect::<Result<_, _>>()?,
            hostname: start.hostname.clone(),
            file: None,
        },
        makes_overlays: !args.dry_run,
        base,
    })
}

/// All bytes of a file that is not too long.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(HANDED_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > HANDED_LIMIT {
        return Err(io::Error::other(format!("it has more than {HANDED_LIMIT} bytes")));
    }
    Ok(bytes)
}

/// What whoever starts a package should know without having asked, in few lines.
fn tell(prepared: &Prepared) {
    for mapping in &prepared.mappings {
        let names: Vec<_> = mapping.left_out.iter().map(|note| note.what.as_str()).collect();
        if !names.is_empty() {
            let id = printable(&mapping.id);
            log::warn!("machine {id} goes without {} (--dry-run says why)", check::shortened(&names));
        }
    }
    if prepared.discards_writes {
        log::warn!("what is written to the disks of the package is discarded at the end; --overlay keeps it");
    }
}

/// Shows the machines that would be built, and what becomes of what the package asks for.
fn dry_run(prepared: &Prepared, json: bool) -> Result<Status, Failure> {
    #[derive(Serialize)]
    struct Plans<'p> {
        machines: Vec<MachinePlan<'p>>,
    }
    #[derive(Serialize)]
    struct MachinePlan<'p> {
        mapping: &'p Mapping,
        plan: Plan,
    }
    let mut machines = Vec::new();
    for (member, mapping) in prepared.members.iter().zip(&prepared.mappings) {
        let plan = Plan::of(&member.config).map_err(|error| Failure::of(&error))?;
        machines.push(MachinePlan { mapping, plan });
    }
    if json {
        return Ok(report::to_stdout(&report::to_json(&Plans { machines })));
    }
    let mut text = String::new();
    for MachinePlan { mapping, plan } in machines {
        let name = mapping.name.as_deref().filter(|name| *name != mapping.id);
        let name = name.map(|name| format!(" \"{name}\"")).unwrap_or_default();
        text += &printable(&format!("machine {}{name}", mapping.id));
        text.push('\n');
        text += &plan.to_string();
        text += &lines("note", &mapping.notes);
        text += &lines("left out", &mapping.left_out);
    }
    Ok(report::to_stdout(&text))
}

fn lines(kind: &str, notes: &[Note]) -> String {
    notes.iter().map(|note| format!("{kind:<10} {}\n", printable(&format!("{}: {}", note.what, note.how)))).collect()
}
