//! What can be said to `ovum run`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ovum_disk::UnknownFormat;
use ovum_vmm::DiskConfig;
use ovum_vmm::config::{Transport, Writes};

use crate::appliance::args::PackageArgs;
use crate::units;

const RUN_HELP: &str = "\
Examples:
  ovum run appliance.ova
  ovum run appliance.ovf --set hostname=web1 --overlay mine.qcow2 --kernel vmlinuz --append root=/dev/vda1
  ovum run --kernel vmlinuz --initrd initrd.img
  ovum run --kernel vmlinux --cpus 4 --memory 2G --disk root.img --append 'root=/dev/vda rw'
  ovum run --kernel vmlinuz --initrd initrd.img --disk debian.vmdk --overlay mine.qcow2
  ovum run --kernel vmlinuz --initrd test.cpio.gz --timeout 60s --console file:boot.log

On a terminal, Ctrl-A x ends the machine and Ctrl-A h lists the other keys. Several machines of a package have no keys:
there, Ctrl-C stops them, the last that was started first.

Exit status:
  0    the guest shut down or rebooted itself
  2    wrong usage, configuration, package, kernel or disk image
  3    the host cannot (no KVM, no permission, no memory, console lost)
  4    the guest crashed (kernel panic, triple fault)
  124  the time limit passed
  130  ended with Ctrl-A x; 128 + N: ended by signal N
Of several machines, the first of 2, 3, 4, 124 and 128 + N that one of them would have; 0 when all ended well.";

/// `ovum run`
#[derive(Debug, Args)]
#[command(after_help = RUN_HELP)]
pub struct RunArgs {
    /// The package: an .ova, an .ovf with its files beside it, or the folder they are in. Also a kernel, as after --kernel
    #[arg(value_name = "PACKAGE", required_unless_present = "kernel")]
    pub what: Option<PathBuf>,
    /// Kernel to boot: a bzImage (a distribution's vmlinuz) or an ELF vmlinux; in place of a package's own
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
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
    /// Number of vCPUs, 1 to 64 [default: 1, or what a package asks for]
    #[arg(long, value_name = "N")]
    pub cpus: Option<u32>,
    /// Guest memory, with a unit: 128M, 2G [default: 256M, or what a package asks for]
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub memory: Option<units::Size>,
    /// Disk image: raw, VMDK, qcow2, VHD, VHDX, VDI. `,ro` attaches it read-only; `,discard` forgets what the guest writes,
    /// `,overlay=FILE` keeps it there; `,format=FORMAT` says what the ending of its name does not. Can be repeated
    #[arg(long = "disk", value_name = "PATH[,ro|,discard|,overlay=FILE][,format=FORMAT]", value_parser = disk)]
    pub disks: Vec<DiskConfig>,
    /// Keep what the guest writes to the first disk, or to the disk of a package, in this overlay, which is made if it is not
    /// there. Where a package has several disks, a folder with a file for each
    #[arg(long, value_name = "FILE|FOLDER")]
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
    #[command(flatten)]
    pub package: PackageArgs,
    #[command(flatten)]
    pub start: StartArgs,
}

/// What is said of a package for no other reason than to start it.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Appliance")]
pub struct StartArgs {
    /// Start this machine of the package only
    #[arg(long, value_name = "ID")]
    pub vm: Option<String>,
    /// When to compare the package's disks with its manifest: before the start (full), while the guest runs (lazy; a wrong
    /// disk ends it), or not at all (none). The descriptor is compared always
    #[arg(long, value_name = "WHEN", default_value = "lazy")]
    pub verify: Verify,
    /// Certificate (PEM) of who must have signed the package, or of who issued the signer's. Can be repeated
    #[arg(long, value_name = "CERT")]
    pub trust: Vec<PathBuf>,
    /// What cloud-init in the guest is to do: its user-data
    #[arg(long, value_name = "FILE")]
    pub user_data: Option<PathBuf>,
    /// Public SSH keys that cloud-init lets in. Can be repeated
    #[arg(long = "ssh-key", value_name = "FILE")]
    pub ssh_keys: Vec<PathBuf>,
    /// The guest's name, for cloud-init
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Accept the package's licences without being asked
    #[arg(long)]
    pub accept_eula: bool,
}

/// The value of `--verify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Verify {
    /// Before the start.
    Full,
    /// While the guest runs.
    #[default]
    Lazy,
    /// Not at all.
    None,
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
