//! `ovum pack`: a package from disks, or from a kernel and disks.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::num::NonZero;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use ovum_boot::pack::os::NewOs;
use ovum_boot::pack::recipe::MAX_TEXT;
use ovum_boot::pack::{NewKernel, NewProperty, NewSigner, Output, PackError, Recipe, Work, pack};
use ovum_boot::{Initramfs, Kernel};
use ovum_disk::storage::{FileStorage, Storage};
use ovum_disk::{Access, Format, Image, UnknownFormat};
use ovum_vmm::config::{DEFAULT_CPUS, DEFAULT_MEMORY};
use serde::Serialize;

use crate::failure::Failure;
use crate::progress::Progress;
use crate::report::{self, Status};
use crate::units;

/// The time of a package's files where SOURCE_DATE_EPOCH names none: the first second of 1980. It is the same each time, and
/// late enough for programs that take 1970 for a mistake.
const TIME: u64 = 315_532_800;
/// What a machine that says nothing of networks is plugged into, as VMware's products call their first one.
const NETWORK: &str = "VM Network";

const PACK_HELP: &str = "\
Examples:
  ovum pack -o appliance.ova --disk debian.qcow2 --os debian12 --cpus 2 --memory 2G
  ovum pack -o appliance.ova --kernel vmlinuz --initrd initrd.img --append 'root=/dev/vda' --disk root.img
  ovum pack -o build/appliance.ovf --disk disk.img --property hostname=box --property user-data --eula LICENSE
  ovum pack -o appliance.ova --disk disk.img --sign-key key.pem --sign-cert certificate.pem

Packing the same twice gives the same bytes; SOURCE_DATE_EPOCH sets the time of an OVA's files. The new files appear when
they are whole; nothing is left of what was cut off. A kernel in a package is for Ovum; other programs start the machine
from its first disk.";

/// `ovum pack`
#[derive(Debug, Args)]
#[command(after_help = PACK_HELP)]
pub struct PackArgs {
    /// The package: X.ova, or X.ovf with its files beside it
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Disk image, of any format; its bytes become streamOptimized VMDK. Can be repeated
    #[arg(long = "disk", value_name = "IMAGE[,format=FORMAT]", value_parser = disk)]
    pub disks: Vec<DiskArg>,
    /// Kernel that Ovum starts the machine with: a bzImage or an ELF vmlinux
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// Initramfs for that kernel
    #[arg(long, visible_alias = "initramfs", value_name = "FILE", requires = "kernel")]
    pub initrd: Option<PathBuf>,
    /// Arguments for that kernel, after Ovum's own
    #[arg(long, value_name = "ARGS", requires = "kernel", allow_hyphen_values = true)]
    pub append: Option<String>,
    /// What people call the machine; by default, as the package
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Number of vCPUs
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CPUS, value_parser = clap::value_parser!(u32).range(1..=128))]
    pub cpus: u32,
    /// Guest memory, in whole MiB: 512M, 2G
    #[arg(long, value_name = "SIZE", default_value_t = units::Size(DEFAULT_MEMORY), value_parser = units::size)]
    pub memory: units::Size,
    /// Operating system: linux, debian12, ubuntu, rhel9, ... (an unknown one lists them all)
    #[arg(long, value_name = "ID", default_value = "linux", value_parser = os)]
    pub os: NewOs,
    /// Network that a card is plugged into; `none` for a machine without. Can be repeated: a card each
    #[arg(long = "network", value_name = "NAME", default_value = NETWORK)]
    pub networks: Vec<String>,
    /// What the guest can be told at its first start, and its value if nobody sets another; of type string if nothing else
    /// is said. Can be repeated
    #[arg(long = "property", value_name = "KEY[:TYPE][=VALUE]", value_parser = property)]
    pub properties: Vec<NewProperty>,
    /// Licence that users have to accept: a text file. Can be repeated
    #[arg(long = "eula", value_name = "FILE")]
    pub eulas: Vec<PathBuf>,
    /// Note for who imports it
    #[arg(long, value_name = "TEXT")]
    pub annotation: Option<String>,
    /// Secret key (PEM) that signs the package
    #[arg(long, value_name = "KEY", requires = "sign_cert")]
    pub sign_key: Option<PathBuf>,
    /// Certificate (PEM) of that key; those that it was issued by may follow in the file
    #[arg(long, value_name = "CERT", requires = "sign_key")]
    pub sign_cert: Option<PathBuf>,
    /// Threads that read and compress; by default, one for each processor
    #[arg(long, value_name = "N", value_parser = crate::disk::args::threads)]
    pub threads: Option<NonZero<usize>>,
    /// Replace the package that is there
    #[arg(long)]
    pub force: bool,
    /// Print what a program would read
    #[arg(long)]
    pub json: bool,
}

/// The value of `--disk`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskArg {
    path: PathBuf,
    format: Option<Format>,
}

fn disk(text: &str) -> Result<DiskArg, String> {
    let mut parts = text.split(',');
    let path = parts.next().filter(|path| !path.is_empty()).ok_or("no path")?.into();
    let mut format = None;
    for option in parts {
        let Some(("format", name)) = option.split_once('=') else {
            return Err(format!("unknown option '{option}'; there is format=FORMAT"));
        };
        format = Some(name.parse().map_err(|error: UnknownFormat| error.to_string())?);
    }
    Ok(DiskArg { path, format })
}

fn os(text: &str) -> Result<NewOs, String> {
    NewOs::of_name(text).ok_or_else(|| format!("there are {}", NewOs::names()))
}

fn property(text: &str) -> Result<NewProperty, String> {
    let (name, default) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    let (key, kind) = name.split_once(':').unwrap_or((name, "string"));
    Ok(NewProperty { key: key.into(), kind: kind.into(), default })
}

/// Does what `args` say.
pub fn run(args: &PackArgs) -> ExitCode {
    let status = make(args).unwrap_or_else(|failure| {
        report::failure(&failure.cause, &failure.remedy, failure.status, args.json);
        failure.status
    });
    Status::into(status)
}

fn make(args: &PackArgs) -> Result<Status, Failure> {
    #[derive(Serialize)]
    struct Report<'r> {
        size: u64,
        files: Vec<File<'r>>,
        seconds: f64,
    }
    #[derive(Serialize)]
    struct File<'r> {
        name: &'r str,
        size: u64,
    }
    let started = Instant::now();
    check_inputs(args)?;
    let recipe = recipe(args)?;
    let output = Output::create(&recipe, &args.output, args.force, time()?)?;
    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZero::<usize>::MIN);
    let mut progress = Progress::new(recipe.total(), &output.left_behind());
    let mut work = Work { threads, progress: &mut |done| progress.set(done) };
    let packed = pack(&recipe, output, &mut work)?;
    drop(progress);
    if args.json {
        let files = packed.files.iter().map(|file| File { name: &file.name, size: file.size }).collect();
        let report = Report { size: packed.size, files, seconds: started.elapsed().as_secs_f64() };
        return Ok(report::to_stdout(&report::to_json(&report)));
    }
    Ok(Status::Done)
}

/// Refuses to replace a file by what is made of it: its name would stand for something else afterwards.
fn check_inputs(args: &PackArgs) -> Result<(), Failure> {
    let Ok(output) = fs::metadata(&args.output) else { return Ok(()) };
    let disks = args.disks.iter().map(|disk| &disk.path);
    let inputs =
        disks.chain(&args.kernel).chain(&args.initrd).chain(&args.eulas).chain(&args.sign_key).chain(&args.sign_cert);
    for input in inputs {
        if fs::metadata(input).is_ok_and(|input| (input.dev(), input.ino()) == (output.dev(), output.ino())) {
            let cause = format!("{} would be replaced by a package that is made of it", input.display());
            return Err(Failure::usage(cause, "give the package another name"));
        }
    }
    Ok(())
}

fn recipe(args: &PackArgs) -> Result<Recipe, Failure> {
    let named = || args.output.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let disks = args.disks.iter().map(|disk| ovum_disk::open(&disk.path, disk.format, Access::ReadOnly));
    let networks = match args.networks.as_slice() {
        [none] if none == "none" => Vec::new(),
        networks => networks.to_vec(),
    };
    Ok(Recipe {
        name: args.name.clone().unwrap_or_else(named),
        cpus: args.cpus,
        memory_bytes: args.memory.0,
        os: args.os.clone(),
        networks,
        properties: args.properties.clone(),
        eulas: args.eulas.iter().map(|path| licence(path)).collect::<Result<_, _>>()?,
        annotation: args.annotation.clone(),
        kernel: kernel(args)?,
        disks: disks.collect::<Result<Vec<Arc<Image>>, _>>()?,
        signer: signer(args)?,
    })
}

/// The kernel and its initramfs, which are looked at as they will be when they are started.
fn kernel(args: &PackArgs) -> Result<Option<NewKernel>, Failure> {
    let Some(path) = &args.kernel else { return Ok(None) };
    Kernel::open(path).map_err(|error| Failure::usage(error.to_string(), error.remedy()))?;
    let storage =
        |path: &Path| -> Result<Arc<dyn Storage>, Failure> { Ok(Arc::new(FileStorage::open(path, Access::ReadOnly)?)) };
    let initrd = match &args.initrd {
        Some(path) => {
            Initramfs::open(path).map_err(|error| Failure::usage(error.to_string(), error.remedy()))?;
            Some(storage(path)?)
        }
        None => None,
    };
    Ok(Some(NewKernel { kernel: storage(path)?, initrd, cmdline: args.append.clone().unwrap_or_default() }))
}

/// Who signs the package.
fn signer(args: &PackArgs) -> Result<Option<NewSigner>, Failure> {
    let (Some(key), Some(certificates)) = (&args.sign_key, &args.sign_cert) else { return Ok(None) };
    Ok(Some(NewSigner { key: small(key, "key")?, certificates: small(certificates, "certificate")? }))
}

/// The licence in a file.
fn licence(path: &Path) -> Result<String, Failure> {
    String::from_utf8(small(path, "licence")?).map_err(|_| {
        let cause = format!("the licence {} is not text in UTF-8", path.display());
        Failure::usage(cause, "give a text file, in UTF-8 or ASCII")
    })
}

/// All of a file that is called `what` in messages.
fn small(path: &Path, what: &str) -> Result<Vec<u8>, Failure> {
    let cannot = |why: &str| format!("cannot read the {what} {}: {why}", path.display());
    let failed = |error: io::Error| Failure::usage(cannot(&error.to_string()), "check the path and its permissions");
    let limit = MAX_TEXT as u64;
    let mut bytes = Vec::new();
    // Not by its size: a pipe has none.
    let file = fs::File::open(path).map_err(failed)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(Failure::usage(cannot("it is too long"), format!("give a file of at most {limit} bytes")));
    }
    Ok(bytes)
}

/// The time of an OVA's files, in seconds since 1970.
fn time() -> Result<u64, Failure> {
    match env::var("SOURCE_DATE_EPOCH") {
        Err(_) => Ok(TIME),
        Ok(text) => text.parse().map_err(|_| {
            let cause = format!("SOURCE_DATE_EPOCH is {text:?}, which is no time");
            Failure::usage(cause, "give a number of seconds since 1970, or take it out of the environment")
        }),
    }
}

impl From<PackError> for Failure {
    fn from(error: PackError) -> Self {
        let status = if error.is_the_hosts() { Status::HostCannot } else { Status::WrongUsage };
        Self { cause: error.to_string(), remedy: error.remedy(), status }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_or_refused() {
        let plain = disk("a.img").unwrap();
        assert_eq!(plain, DiskArg { path: "a.img".into(), format: None });
        assert_eq!(disk("a,format=qcow2").unwrap().format, Some(Format::Qcow2));
        for bad in ["", ",format=raw", "a,ro", "a,format", "a,format=", "a,format=vmx"] {
            assert!(disk(bad).is_err(), "{bad}");
        }
        let of = |text| property(text).map(|property| (property.key, property.kind, property.default)).unwrap();
        assert_eq!(of("a"), ("a".into(), "string".into(), None));
        assert_eq!(of("a=b=c:d"), ("a".into(), "string".into(), Some("b=c:d".into())));
        assert_eq!(of("a:uint8=7"), ("a".into(), "uint8".into(), Some("7".into())));
        assert!(os("windows").unwrap_err().contains("debian"));
    }
}
