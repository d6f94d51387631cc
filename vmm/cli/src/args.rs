//! What can be said on the command line.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::appliance::args::InspectArgs;
use crate::appliance::pack::PackArgs;
use crate::appliance::verify::VerifyArgs;
use crate::disk::args::DiskCommand;
use crate::report::Status;
use crate::run::args::RunArgs;

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
    /// Start a package's machines, or a kernel, as microVMs, with their console on this terminal
    Run(Box<RunArgs>),
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

/// `ovum doctor`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ovum doctor\n\nExit status: 0 when stock kernels run here, 3 when they do not.")]
pub struct DoctorArgs {
    /// Print what a program would read
    #[arg(long)]
    pub json: bool,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
