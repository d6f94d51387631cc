//! `ovum disk create`, `convert` and `resize`.

use std::num::NonZero;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ovum_disk::storage::NewFile;
use ovum_disk::write::{self, Target};
use ovum_disk::{Disk, Format, copy, overlay};
use serde::Serialize;

use super::args::{ConvertArgs, CreateArgs, ResizeArgs};
use super::look;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::report::{self, Status};

/// What to make at `path`: what was said, or what the name says.
fn target(path: &Path, said: Option<Target>, option: &str) -> Result<Target, Failure> {
    said.or_else(|| Target::of_name(path)).ok_or_else(|| {
        Failure::usage(
            format!("{} does not say what to make", path.display()),
            format!("end its name in .qcow2, .vmdk, .vhd or .raw, or give {option} one of: {}", Target::names()),
        )
    })
}

/// What tells a new image from others.
fn seed() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.subsec_nanos() ^ u32::try_from(now.as_secs() & 0xffff_ffff).unwrap_or_default() ^ std::process::id()
}

/// `ovum disk create`
pub fn create(args: &CreateArgs) -> Result<Status, Failure> {
    if let Some(base) = &args.base {
        if args.format.is_some_and(|format| format != Target::Qcow2) {
            return Err(Failure::usage("an overlay is qcow2", "leave out --format"));
        }
        // Under another ending, nobody would open it without being told what it is.
        let named = Format::of_name(&args.image).unwrap_or(Format::Qcow2);
        if args.format.is_none() && named != Format::Qcow2 {
            let cause = format!("an overlay is qcow2, and the name {} says {named}", args.image.display());
            return Err(Failure::usage(cause, "end its name in .qcow2, or give --format qcow2"));
        }
        let below = ovum_disk::open(base, None, ovum_disk::Access::ReadOnly)?;
        overlay::create(&args.image, base, &below, args.size.map(|size| size.0))?;
        return Ok(Status::Done);
    }
    let Some(size) = args.size else {
        return Err(Failure::usage("no size was given", "give one with its unit, for instance 20G"));
    };
    let target = target(&args.image, args.format, "--format")?;
    let file = NewFile::create(&args.image)?;
    let mut writer =
        write::create(target, file.storage(), size.0, seed()).map_err(|error| Failure::layout(&args.image, error))?;
    writer.finish().map_err(|error| Failure::io("cannot write", &args.image, &error))?;
    file.keep()?;
    Ok(Status::Done)
}

/// `ovum disk convert`
pub fn convert(args: &ConvertArgs) -> Result<Status, Failure> {
    #[derive(Serialize)]
    struct Report {
        disk_size: u64,
        file_size: u64,
        seconds: f64,
    }
    let started = Instant::now();
    let target = target(&args.to, args.target, "--to")?;
    let image = look::open(&args.from, &args.source)?;
    let file = NewFile::create(&args.to)?;
    let mut writer = write::create(target, file.storage(), image.size(), seed())
        .map_err(|error| Failure::layout(&args.to, error))?;
    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZero::<usize>::MIN);
    let mut progress = Progress::new(image.size(), file.left_behind().as_slice());
    copy::copy(&image, writer.as_mut(), threads, &mut |done| progress.set(done))
        .map_err(|error| Failure::copy(&args.from, &args.to, &error))?;
    drop(writer);
    drop(progress);
    let file_size = file.storage().size();
    file.keep()?;
    if args.json {
        let report = Report { disk_size: image.size(), file_size, seconds: started.elapsed().as_secs_f64() };
        return Ok(report::to_stdout(&report::to_json(&report)));
    }
    Ok(Status::Done)
}

/// `ovum disk resize`
pub fn resize(args: &ResizeArgs) -> Result<Status, Failure> {
    ovum_disk::resize(&args.image, args.format, args.size.0)?;
    Ok(Status::Done)
}
