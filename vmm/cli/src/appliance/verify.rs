//! `ovum verify`: whether a package is what its maker packed, and who that was.

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::SystemTime;

use clap::Args;
use ovum_boot::integrity::{DescriptorCheck, FileCheck, FileState, IntegrityError, Pace, Plan, Trust};
use ovum_boot::package::{MAX_CERTIFICATE, Package, PackageError};

use super::verify_report;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::report::{self, Status};

const VERIFY_HELP: &str = "\
Examples:
  ovum verify appliance.ova
  ovum verify appliance.ova --trust vendor-ca.pem

A manifest (.mf) shows damage; a signature (.cert) shows who vouches for the manifest. Whether to trust that one is for you
to say: with --trust, the package must be signed by that certificate, or by one that it issued.

Exit status: 0 when every file is what the package says, 2 when one is not, or nobody trusted has signed.";

/// `ovum verify`
#[derive(Debug, Args)]
#[command(after_help = VERIFY_HELP)]
pub struct VerifyArgs {
    /// The package: X.ova, X.ovf, or the folder that it is in
    #[arg(value_name = "PACKAGE")]
    pub package: PathBuf,
    /// Certificate (PEM) of who must have signed, or of who issued the signer's. Can be repeated
    #[arg(long, value_name = "CERT")]
    pub trust: Vec<PathBuf>,
    /// Print what a program would read
    #[arg(long)]
    pub json: bool,
}

/// Does what `args` say.
pub fn run(args: &VerifyArgs) -> ExitCode {
    let status = verify(args).unwrap_or_else(|failure| {
        report::failure(&failure.cause, &failure.remedy, failure.status, args.json);
        failure.status
    });
    Status::into(status)
}

/// All that was found.
pub struct Verdict<'v> {
    pub package: &'v Package,
    pub check: &'v DescriptorCheck,
    pub files: &'v [FileCheck],
    /// What is wrong, one line each.
    pub problems: Vec<String>,
    /// What is odd, one line each.
    pub warnings: Vec<String>,
}

fn verify(args: &VerifyArgs) -> Result<Status, Failure> {
    let trust = trust(&args.trust)?;
    let package = Package::open(&args.package)?;
    let check = DescriptorCheck::of(&package, &trust, SystemTime::now());
    let mut warnings = check.warnings.clone();
    let references = match ovum_boot::ovf::read(package.descriptor(), &ovum_boot::ovf::Choices::default()) {
        Ok(appliance) => appliance.files,
        Err(error) => {
            warnings.push(format!(
                "descriptor {}: {error}; so nobody knows which files it needs",
                package.descriptor_name()
            ));
            Vec::new()
        }
    };
    let plan = Plan::new(&package, check.manifest.as_ref(), &references);
    let mut progress = Progress::new(plan.total(), &[]);
    let threads = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let files = plan
        .run(Pace::Full(threads), &AtomicBool::new(false), &mut |done| progress.set(done))
        .map_err(|error| Failure::io("cannot read", &args.package, &error))?;
    drop(progress);
    let mut problems: Vec<String> = check.problems.iter().map(ToString::to_string).collect();
    let is_said = |file: &&FileCheck| check.is_descriptor_right || file.name != package.descriptor_name();
    problems.extend(files.iter().filter(|file| file.is_problem()).filter(is_said).map(problem));
    if check.manifest.is_some() {
        let unlisted = files.iter().filter(|file| file.is_referenced && file.state == FileState::NotListed);
        let names: Vec<_> = unlisted.map(|file| file.name.clone()).collect();
        // Who asks for a signature asks for one over all that is used.
        if trust.is_empty() {
            warnings.extend(names.iter().map(|name| format!("file {name}: the manifest does not list it")));
        } else {
            problems.extend(names.iter().map(|name| format!("file {name}: the signed manifest does not list it")));
        }
    }
    let verdict = Verdict { package: &package, check: &check, files: &files, problems, warnings };
    conclude(&verdict, args.json)
}

/// Prints what was found; the first problem's remedy stands for all.
fn conclude(verdict: &Verdict<'_>, json: bool) -> Result<Status, Failure> {
    let text = if json { verify_report::json(verdict) } else { verify_report::text(verdict) };
    let printed = report::to_stdout(&text);
    if verdict.problems.is_empty() {
        return Ok(printed);
    }
    let is_the_hosts = verdict.check.problems.iter().any(IntegrityError::is_the_hosts);
    let remedy = verdict.check.problems.first().map_or_else(
        || "get the package again, from a place that you trust; what was damaged may not start, or do harm".to_owned(),
        IntegrityError::remedy,
    );
    let cause = match verdict.problems.as_slice() {
        [only] => format!("package {}: {only}", verdict.package.path().display()),
        all => format!("package {}: {} things are not as they should be", verdict.package.path().display(), all.len()),
    };
    let status = if is_the_hosts { Status::HostCannot } else { Status::WrongUsage };
    Err(Failure { cause, remedy, status })
}

/// What is wrong with a file.
pub fn problem(file: &FileCheck) -> String {
    let place = file.line.map(|line| format!(" (line {line} of the manifest)")).unwrap_or_default();
    let what = match &file.state {
        FileState::Wrong { algorithm, expected, found } => {
            let short = |digest: &str| digest.get(..12).unwrap_or(digest).to_owned();
            format!("its {algorithm} digest is {}..., and should be {}...", short(found), short(expected))
        }
        FileState::Missing => "it is not there".to_owned(),
        FileState::OtherSize { declared, found } => {
            format!("it has {found} bytes, and by the descriptor (ovf:size) {declared}")
        }
        FileState::Unreadable(why) => why.clone(),
        _ => "it was not read".to_owned(),
    };
    format!("file {}: {what}{place}", file.name)
}

/// The certificates in the files at `paths`.
pub fn trust(paths: &[PathBuf]) -> Result<Trust, Failure> {
    let mut trust = Trust::nobody();
    for path in paths {
        let name = path.display().to_string();
        let bytes = read_small(path).map_err(|error| {
            Failure::usage(format!("cannot read the certificate {name}: {error}"), "check the path")
        })?;
        trust.add(&name, &bytes).map_err(|error| {
            Failure::usage(
                format!("certificate {name}: {}", error.problem),
                "give a PEM file with BEGIN CERTIFICATE in it (openssl x509 -inform DER -in X.cer turns others into one)",
            )
        })?;
    }
    Ok(trust)
}

/// A file of certificates; no more of it than any has.
fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_CERTIFICATE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_CERTIFICATE {
        return Err(io::Error::other("it is too large"));
    }
    Ok(bytes)
}

impl From<PackageError> for Failure {
    fn from(error: PackageError) -> Self {
        let status = if error.is_the_hosts() { Status::HostCannot } else { Status::WrongUsage };
        Self { cause: error.to_string(), remedy: error.remedy(), status }
    }
}
