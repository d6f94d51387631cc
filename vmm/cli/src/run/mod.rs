//! `ovum run`
//!
//! * [`args`]: what can be said.
//! * [`target`]: what is meant: a package, a kernel, a disk.
//! * [`package`]: from a package to machines that can be built; [`properties`]: what has to be asked before.
//! * [`machine`]: one machine, with its console on the terminal; [`fleet`]: several.
//! * [`check`]: the package's files against its manifest.
//! * [`console`]: where the guest's serial port goes.

pub mod args;
mod check;
mod console;
mod fleet;
mod machine;
mod package;
mod properties;
mod target;

use std::path::PathBuf;
use std::process::ExitCode;

use ovum_vmm::config::{CmdlineChoice, DEFAULT_CPUS, DEFAULT_MEMORY, DEFAULT_SCRATCH, Writes};
use ovum_vmm::plan::Plan;
use ovum_vmm::{Explain, MachineConfig, Timeline};

use crate::failure::Failure;
use crate::folders;
use crate::report::{self, Status};
use args::RunArgs;
use target::Target;

/// Runs what `args` describe, and returns the exit status.
pub fn run(args: &RunArgs, timeline: &Timeline) -> ExitCode {
    let status = start(args, timeline).unwrap_or_else(|failure| {
        report::failure(&failure.cause, &failure.remedy, failure.status, args.json);
        failure.status
    });
    status.into()
}

fn start(args: &RunArgs, timeline: &Timeline) -> Result<Status, Failure> {
    match target::of(args)? {
        Target::Package(package) => package::run(&package, args, timeline),
        Target::Kernel { kernel, disk } => {
            refuse_package_options(args)?;
            let mut config = MachineConfig { disks: args.disks.clone(), ..machine_config(args, kernel) };
            // What stands alone on the command line comes first.
            disk.into_iter().for_each(|disk| config.disks.insert(0, disk));
            keep_first(&mut config, args)?;
            if args.dry_run {
                return dry_run(&config, args.json);
            }
            machine::run(&config, args, timeline, None)
        }
    }
}

/// A machine that starts `kernel`, as far as everything but its disks goes.
fn machine_config(args: &RunArgs, kernel: PathBuf) -> MachineConfig {
    MachineConfig {
        initramfs: args.initrd.clone().map(Into::into),
        cmdline: cmdline(args),
        boot_tuning: !args.no_boot_tuning,
        kernel_cache: if args.no_boot_tuning { None } else { kernel_cache() },
        cpus: args.cpus.unwrap_or(DEFAULT_CPUS),
        memory: args.memory.map_or(DEFAULT_MEMORY, |memory| memory.0),
        transport: args.transport,
        scratch: std::env::var_os("TMPDIR").map_or_else(|| DEFAULT_SCRATCH.into(), PathBuf::from),
        time_limit: args.timeout,
        ..MachineConfig::new(kernel)
    }
}

fn cmdline(args: &RunArgs) -> CmdlineChoice {
    match &args.cmdline {
        Some(all) => CmdlineChoice::Whole(all.clone()),
        None => CmdlineChoice::Append(args.append.clone()),
    }
}

/// Puts the overlay above the first disk.
fn keep_first(config: &mut MachineConfig, args: &RunArgs) -> Result<(), Failure> {
    let Some(overlay) = &args.overlay else { return Ok(()) };
    let Some(disk) = config.disks.first_mut() else {
        return Err(Failure::usage(
            "--overlay keeps what is written to the first disk, and there is none",
            "name a disk with --disk, or leave out --overlay",
        ));
    };
    if disk.writes != Writes::ByFormat {
        return Err(Failure::usage(
            "--overlay is for the first disk, which says itself where writes go",
            "leave out --overlay, or ro, discard and overlay= of the first --disk",
        ));
    }
    disk.writes = Writes::Overlay(overlay.clone());
    Ok(())
}

/// What is said of a package means nothing without one.
fn refuse_package_options(args: &RunArgs) -> Result<(), Failure> {
    let (package, start) = (&args.package, &args.start);
    let said = [
        ("--config", package.config.is_some()),
        ("--set", !package.settings.is_empty()),
        ("--set-file", !package.setting_files.is_empty()),
        ("--ignore-section", !package.ignored_sections.is_empty()),
        ("--vm", start.vm.is_some()),
        ("--trust", !start.trust.is_empty()),
        ("--user-data", start.user_data.is_some()),
        ("--ssh-key", !start.ssh_keys.is_empty()),
        ("--hostname", start.hostname.is_some()),
    ];
    match said.into_iter().find(|(_, said)| *said) {
        Some((option, _)) => Err(Failure::usage(
            format!("{option} is for packages, and none was named"),
            format!("name one (ovum run X.ova ...), or leave out {option}"),
        )),
        None => Ok(()),
    }
}

/// Where unpacked kernels are kept.
fn kernel_cache() -> Option<PathBuf> {
    folders::of_user("XDG_CACHE_HOME", ".cache").map(|folder| folder.join("kernels"))
}

fn dry_run(config: &MachineConfig, json: bool) -> Result<Status, Failure> {
    let plan = Plan::of(config).map_err(|error| Failure::of(&error))?;
    Ok(report::to_stdout(&if json { report::to_json(&plan) } else { plan.to_string() }))
}

impl Failure {
    /// An error of the library.
    pub fn of(error: &dyn Explain) -> Self {
        Self { cause: error.to_string(), remedy: error.remedy(), status: Status::of_error(error) }
    }
}
