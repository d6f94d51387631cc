//! What can be said after `ovum disk`.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use ovum_disk::Format;
use ovum_disk::write::Target;

use crate::units;

/// `ovum disk`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  ovum disk convert appliance-disk1.vmdk disk.qcow2")]
pub enum DiskCommand {
    /// Say what an image is: format, size, what is below it
    #[command(after_help = "Example:\n  ovum disk info appliance-disk1.vmdk")]
    Info(ImageArgs),
    /// Look for damage in an image's tables
    #[command(
        after_help = "Example:\n  ovum disk check overlay.qcow2\n\nExit status: 0 when nothing is wrong, 2 when something is."
    )]
    Check(ImageArgs),
    /// Say where the bytes of a disk are
    #[command(after_help = "Example:\n  ovum disk map appliance-disk1.vmdk --json")]
    Map(ImageArgs),
    /// Make an empty image, or an overlay above another one
    #[command(
        after_help = "Examples:\n  ovum disk create data.qcow2 20G\n  ovum disk create overlay.qcow2 --base appliance-disk1.vmdk"
    )]
    Create(CreateArgs),
    /// Copy a disk to a new image, of any format that can be made
    #[command(after_help = CONVERT_HELP)]
    Convert(ConvertArgs),
    /// Make an image larger
    #[command(after_help = "Example:\n  ovum disk resize data.qcow2 40G")]
    Resize(ResizeArgs),
}

const CONVERT_HELP: &str = "\
Examples:
  ovum disk convert appliance-disk1.vmdk disk.qcow2
  ovum disk convert --to vmdk-stream disk.raw disk.vmdk
  ovum disk convert overlay.qcow2 whole.qcow2     (an overlay and what is below it become one image)

The new file appears when it is whole; nothing is left of one that was cut off.";

/// An image to look at.
#[derive(Debug, Args)]
pub struct ImageArgs {
    /// The image; the ending of its name declares its format. .gz, .bz2 and .000000000 (the first chunk) are read, too
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    #[command(flatten)]
    pub source: SourceArgs,
    /// Print what a program would read
    #[arg(long)]
    pub json: bool,
}

/// How an image is to be understood.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// Format of the image: raw, vmdk, qcow2, vhd, vhdx, vdi
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// The image below it, where that does not lie in its folder or below
    #[arg(long, value_name = "IMAGE")]
    pub base: Option<PathBuf>,
}

/// The most threads for a copy: each has a few MiB of the disk in its hands.
const MAX_THREADS: usize = 256;

/// Reads a number of threads.
pub fn threads(text: &str) -> Result<NonZero<usize>, String> {
    let number = text.parse().ok().filter(|number: &NonZero<usize>| number.get() <= MAX_THREADS);
    number.ok_or_else(|| format!("give a number from 1 to {MAX_THREADS}"))
}

fn disk_size(text: &str) -> Result<units::Size, String> {
    match units::size(text)? {
        units::Size(0) => Err("a disk without bytes is of no use".into()),
        size => Ok(size),
    }
}

/// `ovum disk create`
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// The new file; the ending of its name says what to make
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// Size of the disk, with a unit: 512M, 20G. By default, that of the base
    #[arg(value_name = "SIZE", value_parser = disk_size, allow_negative_numbers = true, required_unless_present = "base")]
    pub size: Option<units::Size>,
    /// What to make: raw, qcow2, vmdk, vmdk-stream, vhd
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Target>,
    /// Make an overlay (qcow2) that only holds what differs from this image
    #[arg(long, value_name = "IMAGE")]
    pub base: Option<PathBuf>,
}

/// `ovum disk convert`
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// The image to copy
    #[arg(value_name = "FROM")]
    pub from: PathBuf,
    /// The new file; the ending of its name says what to make
    #[arg(value_name = "TO")]
    pub to: PathBuf,
    #[command(flatten)]
    pub source: SourceArgs,
    /// What to make: raw, qcow2, vmdk, vmdk-stream, vhd
    #[arg(long = "to", value_name = "FORMAT")]
    pub target: Option<Target>,
    /// Threads that read and compress; by default, one for each processor
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<NonZero<usize>>,
    /// Print what a program would read
    #[arg(long)]
    pub json: bool,
}

/// `ovum disk resize`
#[derive(Debug, Args)]
pub struct ResizeArgs {
    /// The image: raw or qcow2
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// New size of the disk, with a unit: 40G
    #[arg(value_name = "SIZE", value_parser = disk_size, allow_negative_numbers = true)]
    pub size: units::Size,
    /// Format of the image: raw, qcow2
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
}
