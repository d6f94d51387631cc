//! `cargo xtask bench ova`: starting a machine from a large package, beside a plain kernel and beside the usual way.

mod package;
mod report;

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use ovum_tests::failure::{Context as _, Failure, Result};
use ovum_tests::{binaries, packages, sys};
use serde_json::Value;

use self::package::{MARK, Package};
use self::report::{Report, Row, Sample};

/// What is measured.
struct Options {
    /// GiB of the disk.
    size: u64,
    /// GiB of it that hold data; the package is as large.
    data: u64,
    runs: usize,
    /// Runs of the usual way.
    usual_runs: usize,
    json: Option<PathBuf>,
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options { size: 10, data: 2, runs: 5, usual_runs: 1, json: None };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = rest.next().ok_or_else(|| Failure::new(format!("{argument} needs a value")))?;
        match argument.as_str() {
            "--size" => options.size = value.parse().doing("--size")?,
            "--data" => options.data = value.parse().doing("--data")?,
            "--runs" => options.runs = value.parse().doing("--runs")?,
            "--usual-runs" => options.usual_runs = value.parse().doing("--usual-runs")?,
            "--json" => options.json = Some(PathBuf::from(value)),
            other => {
                return Err(
                    Failure::new(format!("unknown argument {other:?}")).remedy("see `cargo xtask bench --help`")
                );
            }
        }
    }
    if options.data == 0 || options.data > options.size {
        return Err(Failure::new("a disk holds some data, and not more than it is large"));
    }
    Ok(options)
}

pub(super) fn run(arguments: &[String]) -> Result<ExitCode> {
    let options = parse(arguments)?;
    packages::ensure(packages::JUDGES)?;
    OpenOptions::new().read(true).write(true).open("/dev/kvm").map_err(|error| {
        Failure::new(format!("/dev/kvm cannot be used here: {error}")).remedy("run it on a host with KVM, of any kind")
    })?;
    let bench = Bench { ovum: binaries::ovum()?, folder: binaries::target().join("bench-ova") };
    fs::create_dir_all(&bench.folder).doing(format!("making {}", bench.folder.display()))?;
    let kernel = binaries::payloads(&bench.folder)?.join("blk-read.elf");
    let package = Package::make(&bench.ovum, &bench.folder, &kernel, options.size, options.data)?;
    let report = bench.measure(&kernel, &package, &options)?;
    print!("{}", report.table());
    if let Some(path) = options.json {
        fs::write(&path, report.json()?).doing(format!("writing {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

struct Bench {
    ovum: PathBuf,
    folder: PathBuf,
}

impl Bench {
    fn measure(&self, kernel: &Path, package: &Package, options: &Options) -> Result<Report> {
        let small = self.folder.join("small.raw");
        fs::write(&small, package::first_bytes()).doing("making a small disk")?;
        let [mut plain, mut place] = ["a plain kernel, with a raw disk of 1 MiB", &package.title()].map(Row::new);
        for _ in 0..options.runs {
            plain.samples.push(self.start(kernel, &small)?);
            place.samples.push(self.boot(Command::new(&self.ovum).arg("run").arg(&package.path))?);
        }
        let mut rows = vec![plain, place];
        let mut usual = Row::new("the same, the usual way: tar, qemu-img convert, a plain kernel");
        for _ in 0..options.usual_runs {
            eprintln!("extracting, converting and starting it the usual way");
            usual.samples.push(self.usual(package)?);
        }
        rows.extend(Some(usual).filter(|usual| !usual.samples.is_empty()));
        Ok(Report { rows })
    }

    /// Unpacks the package, converts its disk and starts its kernel.
    fn usual(&self, package: &Package) -> Result<Sample> {
        let folder = self.folder.join("extracted");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).doing(format!("making {}", folder.display()))?;
        let [disk, vmlinuz, raw] = ["disk1.vmdk", "vmlinuz", "disk.raw"].map(|name| folder.join(package.member(name)));
        let started = Instant::now();
        let tar = self.watch(Command::new("tar").arg("-C").arg(&folder).arg("-xf").arg(&package.path))?;
        let mut convert = Command::new("qemu-img");
        let convert = self.watch(convert.args(["convert", "-f", "vmdk", "-O", "raw"]).args([&disk, &raw]))?;
        let before = started.elapsed().as_secs_f64() * 1000.0;
        let mut sample = self.start(&vmlinuz, &raw)?;
        sample.first_ms += before;
        sample.end_ms += before;
        sample.peak_kib = sample.peak_kib.max(tar.peak_kib).max(convert.peak_kib);
        fs::remove_dir_all(&folder).doing(format!("removing {}", folder.display()))?;
        Ok(sample)
    }

    /// `ovum run --kernel KERNEL --disk DISK`.
    fn start(&self, kernel: &Path, disk: &Path) -> Result<Sample> {
        let disk = format!("{},ro", disk.display());
        let mut command = Command::new(&self.ovum);
        self.boot(command.arg("run").arg("--kernel").arg(kernel).args(["--memory", package::MEMORY, "--disk", &disk]))
    }

    /// Runs a machine to its end, which must have read the first bytes of its disk.
    fn boot(&self, command: &mut Command) -> Result<Sample> {
        let watched = self.watch(command.arg("--json"))?;
        if !watched.output.contains(MARK) {
            return Err(Failure::new(format!("the guest did not read its disk; it said {:?}", watched.output)));
        }
        let end: Value = serde_json::from_str(watched.errors.lines().last().unwrap_or_default())
            .doing("reading what ovum says of the machine's end")?;
        let moments = end["timeline"].as_array().cloned().unwrap_or_default();
        let first = moments.iter().find(|moment| moment["event"] == "first_instruction");
        let first = first.and_then(|moment| moment["at_us"].as_f64());
        let first = first.ok_or_else(|| Failure::new("ovum does not say when the guest's first instruction was"))?;
        Ok(Sample { first_ms: first / 1000.0, end_ms: watched.ms, peak_kib: watched.peak_kib })
    }

    /// Runs a command, which must succeed.
    fn watch(&self, command: &mut Command) -> Result<Watched> {
        let [output, errors] = ["output", "errors"].map(|name| self.folder.join(name));
        let create = |path: &Path| File::create(path).doing(format!("making {}", path.display()));
        command.stdin(Stdio::null()).stdout(create(&output)?).stderr(create(&errors)?);
        let started = Instant::now();
        let child = command.spawn().doing(format!("running {command:?}"))?;
        let pid = i32::try_from(child.id()).doing("a process's number")?;
        let reaped = sys::reap(pid).doing("waiting for a process")?;
        let ms = started.elapsed().as_secs_f64() * 1000.0;
        let read = |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let [output, errors] = [read(&output), read(&errors)].map(|text| text.unwrap_or_default());
        match reaped.status {
            Some(0) => Ok(Watched { ms, peak_kib: reaped.max_rss_kib, output, errors }),
            _ => Err(Failure::new(format!("{command:?} failed: {}", errors.trim()))),
        }
    }
}

/// A command that has succeeded.
struct Watched {
    ms: f64,
    /// The largest resident set, KiB; a machine's has the guest's memory in it, as far as it was touched.
    peak_kib: u64,
    output: String,
    errors: String,
}
