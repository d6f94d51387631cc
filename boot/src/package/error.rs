//! What can be wrong with a package, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

use ovum_disk::{OpenError, OpenErrorKind, io_remedy};
use thiserror::Error;

use super::resemblance::Resemblance;
use super::tar::{TarError, TarProblem};

/// A package that cannot be opened, or a file of it: [`fmt::Display`] is one line that names the package and the place.
#[derive(Debug)]
pub struct PackageError {
    path: PathBuf,
    /// Behind a pointer, because results travel through many hands.
    pub(super) problem: Box<PackageProblem>,
}

/// What is wrong with a package. Sizes are in bytes.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PackageProblem {
    /// The package itself cannot be opened.
    #[error("{}", without_path(.0))]
    Closed(OpenError),
    /// It is something else.
    #[error("it is neither an OVA nor an OVF descriptor{}", .0.map_or(String::new(), |it| format!(", but {it}")))]
    NotAPackage(Option<Resemblance>),
    /// There is no descriptor in it.
    #[error("there is no .ovf file in it")]
    NoDescriptor,
    /// There are several descriptors (or archives) in it.
    #[error("there are several things in it that it could be: {0} and {1}")]
    ManyDescriptors(String, String),
    /// There are more files in a folder than any package needs.
    #[error("there are more than {0} files in the folder")]
    TooManyFiles(usize),
    /// A file that is read whole is larger than any that is made on purpose.
    #[error("{name} has {size} bytes, and at most {limit} are read")]
    TooLarge {
        /// The file.
        name: String,
        /// What it has.
        size: u64,
        /// What it may have.
        limit: u64,
    },
    /// The archive is damaged, or holds what does not belong into a package.
    #[error("{}", in_archive(.0))]
    Archive(TarError),
    /// A file is not there.
    #[error("the file {0} is not there")]
    NoSuchFile(String),
    /// A reference is a URL.
    #[error("the file {href} is to be fetched by {scheme}, and Ovum fetches nothing")]
    Remote {
        /// The reference.
        href: String,
        /// How it would be fetched.
        scheme: String,
    },
    /// A reference leads out of the package.
    #[error("the file {0} would lie outside of the package")]
    Outside(String),
    /// In the place of a file there is a link.
    #[error("in the place of the file {0} there is a link")]
    Link(String),
    /// A file has another size than the descriptor says.
    #[error("the file {href} has {found} bytes, and by the descriptor (ovf:size) {declared}")]
    OtherSize {
        /// The reference.
        href: String,
        /// What `ovf:size` says.
        declared: u64,
        /// What is there.
        found: u64,
    },
    /// A file is there and cannot be opened, or read.
    #[error("the file {href}: {}", without_path(.error))]
    File {
        /// The reference.
        href: String,
        /// Why.
        error: OpenError,
    },
}

impl PackageError {
    pub(super) fn new(path: &Path, problem: PackageProblem) -> Self {
        Self { path: path.to_owned(), problem: Box::new(problem) }
    }

    /// The package, as the caller named it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> &PackageProblem {
        &self.problem
    }

    /// Whether the host is to blame, and not what was asked for.
    #[must_use]
    pub fn is_the_hosts(&self) -> bool {
        match self.problem() {
            PackageProblem::Closed(error) | PackageProblem::File { error, .. } => error.is_the_hosts(),
            PackageProblem::Archive(error) => matches!(error.problem, TarProblem::Io(_)),
            _ => false,
        }
    }

    /// One line that says what to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        let path = self.path.display();
        match self.problem() {
            PackageProblem::Closed(error) | PackageProblem::File { error, .. } => file_remedy(error),
            PackageProblem::NotAPackage(None) => {
                "give an .ova, an .ovf, or the folder that an .ovf is in; a disk image goes after --disk".into()
            }
            PackageProblem::NotAPackage(Some(resemblance)) => resemblance.remedy(&self.path),
            PackageProblem::NoDescriptor => "get the package again: without an .ovf nobody knows what it is".into(),
            PackageProblem::ManyDescriptors(..) if self.path.is_dir() => "name the one that is meant".into(),
            PackageProblem::ManyDescriptors(..) => {
                format!("unpack it (tar -xf {path}), and name the one that is meant")
            }
            PackageProblem::TooManyFiles(_) => "name the .ovf itself".into(),
            PackageProblem::TooLarge { .. } => "get the package again: that is not what it should be".into(),
            PackageProblem::Archive(error) => error.problem.remedy().into(),
            PackageProblem::NoSuchFile(_) => {
                "put it beside the descriptor, under the name that it has there, or get the package again".into()
            }
            PackageProblem::Remote { .. } => {
                "fetch it yourself, put it beside the descriptor, and write its plain name there".into()
            }
            PackageProblem::Outside(_) => {
                "put it beside the descriptor, and write its plain name there, if you trust who made it".into()
            }
            PackageProblem::Link(_) => "put the file itself in that place".into(),
            PackageProblem::OtherSize { .. } => {
                "get the package again: the file was cut off, or is not the one that belongs to it".into()
            }
        }
    }
}

/// What [`OpenError`] advises is for disks that are named by hand.
fn file_remedy(error: &OpenError) -> String {
    match error.kind() {
        OpenErrorKind::Missing => "check the path; a relative one starts at the current folder".into(),
        OpenErrorKind::NoPermission => {
            "make it readable for this user (chmod a+r), or run as a user who may read it".into()
        }
        OpenErrorKind::NotADisk(_) => "put a plain file in that place".into(),
        OpenErrorKind::Empty => "get it again: it was probably cut off while it was copied".into(),
        OpenErrorKind::Locked => "wait until nobody writes to it any more".into(),
        OpenErrorKind::Io(error) => io_remedy(error).into(),
        _ => error.remedy(),
    }
}

/// The cause alone: what it is about has been said.
fn without_path(error: &OpenError) -> String {
    let text = match error.kind() {
        OpenErrorKind::NotADisk(what) => return format!("it is {what}, not a file"),
        _ => error.to_string(),
    };
    let before = format!("disk {}: ", error.path().display());
    text.strip_prefix(&before).unwrap_or(&text).to_owned()
}

fn in_archive(TarError { member, offset, problem }: &TarError) -> String {
    match member {
        Some(member) => format!("member {member} at byte {offset}: {problem}"),
        None => format!("at byte {offset}: {problem}"),
    }
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "package {}: {}", self.path.display(), self.problem)
    }
}

impl std::error::Error for PackageError {}
