//! `cargo xtask bench disk`: reading images, beside `qemu-img`.

mod images;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use ovum_tests::failure::{Context as _, Failure, Result};
use ovum_tests::{binaries, packages};

use self::images::Images;
use self::report::{Report, Row};

/// How many 4 KiB reads make a run.
const READS: &str = "20000";
/// How far they are apart, in bytes: into another block each time, and, on the next round, into another place of it.
const STEP: &str = "5246976";

pub(super) fn run(arguments: &[String]) -> Result<ExitCode> {
    let (mut runs, mut json) = (5_usize, None::<PathBuf>);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = rest.next().ok_or_else(|| Failure::new(format!("{argument} needs a value")))?;
        match argument.as_str() {
            "--runs" => runs = value.parse().doing("--runs")?,
            "--json" => json = Some(PathBuf::from(value)),
            other => {
                return Err(
                    Failure::new(format!("unknown argument {other:?}")).remedy("see `cargo xtask bench --help`")
                );
            }
        }
    }
    let report = measure(runs)?;
    print!("{}", report.table());
    if let Some(path) = json {
        fs::write(&path, report.json()?).doing(format!("writing {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(runs: usize) -> Result<Report> {
    packages::ensure(packages::JUDGES)?;
    let reader = binaries::disk_read()?;
    let images = Images::make()?;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).to_string();
    let mut report = Report::default();
    for image in images.filled() {
        eprintln!("reading {} from end to end", image.name);
        let mut row = Row::new(&format!("{}, sequential", image.name));
        for _ in 0..runs {
            row.ovum.push(time(Command::new(&reader).arg("sequential").arg(&image.path).arg(&threads))?);
            row.peer.push(time(
                Command::new("qemu-img")
                    .args(["convert", "-n", "-f", image.format])
                    .arg(&image.path)
                    .args(["--target-image-opts", "driver=null-co,size=2G"]),
            )?);
        }
        report.rows.push(row);
    }
    for image in images.filled() {
        eprintln!("reading 4 KiB here and there of {}", image.name);
        let mut row = Row::new(&format!("{}, {READS} reads of 4 KiB", image.name));
        for _ in 0..runs {
            row.ovum.push(time(Command::new(&reader).arg("random").arg(&image.path).args([READS, STEP]))?);
            row.peer.push(time(
                Command::new("qemu-img")
                    .args(["bench", "-f", image.format, "-c", READS, "-d", "1", "-s", "4096", "-S", STEP])
                    .arg(&image.path),
            )?);
        }
        report.rows.push(row);
    }
    raw(&reader, &images.raw(), runs, &mut report)?;
    for image in images.huge() {
        eprintln!("opening {}", image.name);
        let mut row = Row::new(&format!("open {}", image.name));
        for _ in 0..runs {
            let mut command = Command::new(&reader);
            command.arg("open").arg(&image.path).args(&image.part);
            let (ms, kib) = own_account(&mut command)?;
            row.ovum.push(ms);
            row.peak_kib = row.peak_kib.max(kib);
        }
        report.rows.push(row);
    }
    Ok(report)
}

/// Raw images through the engine, beside plain `pread`.
fn raw(reader: &Path, image: &Path, runs: usize, report: &mut Report) -> Result<()> {
    let kinds = [
        ("all of it, 64 KiB at a time", ["65536", "16384", "65536"]),
        ("200,000 reads of 4 KiB", ["4096", "200000", STEP]),
    ];
    for (name, numbers) in kinds {
        let mut row = Row::new(&format!("raw, engine beside plain pread: {name}"));
        for _ in 0..runs {
            row.ovum.push(own_account(Command::new(reader).arg("engine").arg(image).args(numbers))?.0);
            row.peer.push(own_account(Command::new(reader).arg("pread").arg(image).args(numbers))?.0);
        }
        report.rows.push(row);
    }
    Ok(())
}

/// How long a command takes, in milliseconds.
fn time(command: &mut Command) -> Result<f64> {
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).output().doing(format!("running {command:?}"))?;
    let elapsed = started.elapsed();
    packages::succeeded(&output, &format!("{command:?}"))?;
    Ok(elapsed.as_secs_f64() * 1000.0)
}

/// What the reader says of itself: milliseconds, and its largest resident memory in KiB.
fn own_account(command: &mut Command) -> Result<(f64, u64)> {
    let output = command.stdin(Stdio::null()).output().doing(format!("running {command:?}"))?;
    packages::succeeded(&output, &format!("{command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words = text.split_whitespace();
    let seconds: f64 = words.next().unwrap_or_default().parse().doing("the time that the reader says")?;
    let kib = words.next().unwrap_or_default().parse().doing("the memory that the reader says")?;
    Ok((seconds * 1000.0, kib))
}
