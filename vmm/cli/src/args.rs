//! What can be said on the command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use ovum_disk::UnknownFormat;
use ovum_vmm::DiskConfig;
use ovum_vmm::config::{DEFAULT_CPUS, DEFAULT_MEMORY, Transport, Writes};

use crate::appliance::args::InspectArgs;
use crate::appliance::pack::PackArgs;
use crate::appliance::verify::VerifyArgs;
use crate::disk::args::DiskCommand;
use crate::report::Status;
use crate::units;

/// Boots Linux kernels and appliances as microVMs.
#[derive(Debug, Parser)]
#[command(name = "ovum", version, after_help = "Example:\n  ovum run --kernel vmlinuz --initrd initrd.img")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// A subcommand.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Boot a kernel in a microVM, with its console on this terminal
    Run(RunArgs),
    /// Show what an OVF or OVA package describes
    Inspect(InspectArgs),
    /// Make an OVA from disks, or from a kernel and disks
    Pack(Box<PackArgs>),
    /// Compare a package with its manifest, and say who signed it
    Verify(VerifyArgs),
    /// Look at disk images, make them and turn one format into another
    #[command(subcommand)]
    Disk(DiskCommand),
    /// Say what this host can do, and what to do about what it cannot
    Doctor(DoctorArgs),
}

const RUN_HELP: &str = "\
Examples:
  ovum run --kernel vmlinuz --initrd initrd.img
  ovum run --kernel vmlinux --cpus 4 --memory 2G --disk root.img --append 'root=/dev/vda rw'
  ovum run --kernel vmlinuz --initrd initrd.img --disk debian.vmdk --overlay mine.qcow2
  ovum run --kernel vmlinuz --initrd test.cpio.gz --timeout 60s --console file:boot.log

On a terminal, Ctrl-A x ends the machine and Ctrl-A h lists the other keys.

Exit status:
  0    the guest shut down or rebooted itself
  2    wrong usage, configuration, kernel or disk image
  3    the host cannot (no KVM, no permission, no memory, console lost)
  4    the guest crashed (kernel panic, triple fault)
  124  the time limit passed
  130  ended with Ctrl-A x; 128 + N: ended by signal N";

/// `ovum run`
#[derive(Debug, Args)]
#[command(after_help = RUN_HELP)]
pub struct RunArgs {
    /// Kernel to boot: a bzImage (a distribution's vmlinuz) or an ELF vmlinux
    #[arg(long, value_name = "FILE")]
    pub kernel: PathBuf,
    /// Initramfs to hand to the kernel
    #[arg(long, visible_alias = "initramfs", value_name = "FILE")]
    pub initrd: Option<PathBuf>,
    /// More kernel arguments, after Ovum's own
    #[arg(long, value_name = "ARGS", default_value = "", allow_hyphen_values = true, hide_default_value = true)]
    pub append: String,
    /// All kernel arguments, in place of Ovum's own
    #[arg(long, value_name = "ARGS", conflicts_with = "append", allow_hyphen_values = true)]
    pub cmdline: Option<String>,
    /// Leave out what only makes the boot shorter: kernel arguments, the cache of unpacked kernels (docs/performance.md)
    #[arg(long)]
    pub no_boot_tuning: bool,
    /// Number of vCPUs, 1 to 64
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CPUS)]
    pub cpus: u32,
    /// Guest memory, with a unit: 128M, 2G
    #[arg(long, value_name = "SIZE", default_value_t = units::Size(DEFAULT_MEMORY), value_parser = units::size)]
    pub memory: units::Size,
    /// Disk image: raw, VMDK, qcow2, VHD, VHDX, VDI. `,ro` attaches it read-only; `,discard` forgets what the guest writes,
    /// `,overlay=FILE` keeps it there; `,format=FORMAT` says what the ending of its name does not. Can be repeated
    #[arg(long = "disk", value_name = "PATH[,ro|,discard|,overlay=FILE][,format=FORMAT]", value_parser = disk)]
    pub disks: Vec<DiskConfig>,
    /// Keep what the guest writes to the first disk in this overlay, which is made if it is not there
    #[arg(long, value_name = "FILE", requires = "disks")]
    pub overlay: Option<PathBuf>,
    /// How the guest finds its disks: mmio costs it nothing to probe, pci is for kernels without virtio-mmio
    #[arg(long, value_name = "WAY", default_value = "auto", value_parser = transport)]
    pub transport: Transport,
    /// Where the guest's serial console goes: stdio, file:PATH or none
    #[arg(long, value_name = "WHERE", default_value = "stdio", value_parser = console)]
    pub console: ConsoleArg,
    /// End the machine after this time: 30s, 5m, 500ms
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub timeout: Option<Duration>,
    /// Print the boot as a timeline when the machine has ended (on stderr)
    #[arg(long)]
    pub timing: bool,
    /// Print what a program would read: the plan on stdout, or the machine's end as the last line on stderr
    #[arg(long)]
    pub json: bool,
    /// Print the machine that would be built, and build nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `ovum doctor`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ovum doctor\n\nExit status: 0 when stock kernels run here, 3 when they do not.")]
pub struct DoctorArgs {
    /// Print what a program would read
    #[arg(long)]
    pub json: bool,
}

/// The value of `--console`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsoleArg {
    /// This process's standard input and output.
    Stdio,
    /// A file that is written anew.
    File(PathBuf),
    /// Nowhere.
    None,
}

/// What came of the command line.
pub enum Parsed {
    /// Something to do.
    Command(Command),
    /// Help or an error, printed already.
    Answered(ExitCode),
}

/// Reads this process's command line.
pub fn parse() -> Parsed {
    match Cli::try_parse() {
        Ok(cli) => Parsed::Command(cli.command),
        Err(error) => {
            // Nothing is left to be done when even this cannot be printed.
            let _ = error.print();
            Parsed::Answered(match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => Status::WrongUsage.into(),
            })
        }
    }
}

fn disk(text: &str) -> Result<DiskConfig, String> {
    let mut parts = text.split(',');
    let path = parts.next().filter(|path| !path.is_empty()).ok_or("no path")?;
    let mut disk = DiskConfig::new(path);
    for option in parts {
        let writes = match option.split_once('=') {
            None if option == "ro" => Writes::Refused,
            None if option == "discard" => Writes::Discarded,
            Some(("overlay", file)) if !file.is_empty() => Writes::Overlay(file.into()),
            Some(("format", format)) => {
                disk = disk.with_format(format.parse().map_err(|error: UnknownFormat| error.to_string())?);
                continue;
            }
            _ => {
                return Err(format!(
                    "unknown option '{option}'; there are ro, discard, overlay=FILE and format=FORMAT"
                ));
            }
        };
        if disk.writes != Writes::ByFormat {
            return Err("give one of ro, discard and overlay=FILE".into());
        }
        disk.writes = writes;
    }
    Ok(disk)
}

fn transport(text: &str) -> Result<Transport, String> {
    match text {
        "auto" | "mmio" => Ok(Transport::Mmio),
        "pci" => Ok(Transport::Pci),
        _ => Err("give auto, mmio or pci".into()),
    }
}

fn console(text: &str) -> Result<ConsoleArg, String> {
    match text {
        "stdio" => Ok(ConsoleArg::Stdio),
        "none" => Ok(ConsoleArg::None),
        _ => match text.strip_prefix("file:") {
            Some(path) if !path.is_empty() => Ok(ConsoleArg::File(path.into())),
            _ => Err("give stdio, file:PATH or none".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use ovum_disk::Format;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn disks_and_consoles_are_read_or_refused() {
        let plain = disk("a.img").unwrap();
        assert_eq!(plain, DiskConfig::new("a.img"));
        let read_only = disk("a.img,ro,format=raw").unwrap();
        let expected = DiskConfig { writes: Writes::Refused, ..DiskConfig::new("a.img").with_format(Format::Raw) };
        assert_eq!(read_only, expected);
        assert_eq!(disk("a.vmdk,overlay=b").unwrap().writes, Writes::Overlay("b".into()));
        for bad in ["a.img,ro,discard", "a.img,overlay=", "a.img,overlay", "a.img,format=vmx", "a.img,ro=yes"] {
            assert!(disk(bad).is_err(), "{bad}");
        }
        assert!(disk("a.img,rw").is_err());
        assert!(disk(",ro").is_err());
        assert_eq!(console("file:x").unwrap(), ConsoleArg::File("x".into()));
        assert!(console("file:").is_err());
        assert!(console("pty").is_err());
    }
}
