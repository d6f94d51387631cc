//! Why a package cannot be started.

use ovum_arch::ARCHITECTURE;
use ovum_boot::environment::EnvironmentError;
use ovum_boot::package::PackageError;
use ovum_disk::{OpenError, OpenErrorKind};

use crate::failure::{Blame, Explain};
use crate::fleet::MAX_MEMBERS;

/// A package that cannot be started, or not in this way.
#[derive(Debug, thiserror::Error)]
pub enum ApplianceError {
    /// No machine has the id that was asked for.
    #[error("there is no machine {id} in this package")]
    NoSuchSystem {
        /// What was asked for.
        id: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The package says of all its machines that they do not start by themselves.
    #[error("no machine of this package starts by itself")]
    NothingStarts,
    /// The guest is no Linux.
    #[error("machine {id}: its system is {os}, and Ovum starts Linux only")]
    OtherSystem {
        /// The machine.
        id: String,
        /// What the descriptor calls it.
        os: String,
    },
    /// The guest is for another CPU.
    #[error("machine {id}: its system is for {architecture}, and this machine is {ARCHITECTURE}")]
    OtherArchitecture {
        /// The machine.
        id: String,
        /// What it is for.
        architecture: &'static str,
    },
    /// Nobody said which kernel to start.
    #[error("machine {id}: no kernel was named, and to find the one on its disk comes with a later version")]
    NoKernel {
        /// The machine.
        id: String,
    },
    /// A disk or file that the descriptor speaks of and does not describe.
    #[error("the descriptor has no {kind} {id}")]
    Dangling {
        /// "disk" or "file".
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// A chain of disks without an end.
    #[error("disk {id}: the disks below it (parentRef) come back to themselves, or are too many")]
    EndlessChain {
        /// The uppermost disk.
        id: String,
    },
    /// A format that nobody here knows, of an image that does not say itself what it is.
    #[error("disk {id}: its format {uri} is not known, and its bytes do not tell")]
    UnknownFormat {
        /// The disk.
        id: String,
        /// What the descriptor says.
        uri: String,
    },
    /// A file of the package.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// An image in the package.
    #[error("{what}: {error}")]
    Image {
        /// The disk or the file, as the descriptor calls it.
        what: String,
        /// What is wrong.
        error: OpenError,
    },
    /// What the guest is to be told.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// One overlay for several disks.
    #[error("{disks} disks are to be kept in the file {file}")]
    OneOverlay {
        /// How many.
        disks: usize,
        /// The file.
        file: String,
    },
    /// The folder for overlays.
    #[error("the folder {folder} for overlays cannot be made: {cause}")]
    OverlayFolder {
        /// Its path.
        folder: String,
        /// What the host says.
        cause: std::io::Error,
    },
    /// No disk whose changes could be kept.
    #[error("an overlay was named, and no machine of this package has a disk to write to")]
    NothingToKeep,
    /// Something that several machines cannot share.
    #[error("{0} is for one machine, and this package has several")]
    ForOneOnly(&'static str),
    /// More machines than one process runs.
    #[error("this package has {0} machines; one process runs up to {MAX_MEMBERS}")]
    TooMany(usize),
}

impl Explain for ApplianceError {
    fn remedy(&self) -> String {
        match self {
            Self::NoSuchSystem { known, .. } => format!("give --vm one of: {}", known.join(", ")),
            Self::NothingStarts => "name one with --vm; ovum inspect lists them".into(),
            Self::OtherSystem { .. } => {
                "run it with another hypervisor; if it is Linux all the same: --ignore-section OperatingSystemSection"
                    .into()
            }
            Self::OtherArchitecture { .. } => {
                format!("get the package for {ARCHITECTURE}; if it is that: --ignore-section OperatingSystemSection")
            }
            Self::NoKernel { .. } => {
                "name the guest's kernel with --kernel (and --initrd, and its disk with --append root=/dev/vda1)".into()
            }
            Self::Dangling { .. } | Self::EndlessChain { .. } => "get the package anew from its maker".into(),
            Self::UnknownFormat { .. } => {
                "unpack it, and give the image to --disk with its format (ovum run --help)".into()
            }
            Self::Package(error) => error.remedy(),
            Self::Image { error, .. } => match error.kind() {
                OpenErrorKind::OtherFormat { .. } | OpenErrorKind::OtherPacking(_) | OpenErrorKind::Undeclared => {
                    "get the package anew; if you trust its maker, unpack it, and give the image to --disk".into()
                }
                OpenErrorKind::Empty | OpenErrorKind::OtherParent { .. } => {
                    "get the package anew from its maker".into()
                }
                _ => error.remedy(),
            },
            Self::Environment(error) => error.remedy(),
            Self::OneOverlay { .. } => "give --overlay a folder: each disk gets a file in it".into(),
            Self::OverlayFolder { .. } => "give --overlay a place that you can write to".into(),
            Self::NothingToKeep => "leave out --overlay".into(),
            Self::ForOneOnly(option) => format!("choose one machine with --vm, or leave out {option}"),
            Self::TooMany(_) => "start them one by one, with --vm".into(),
        }
    }

    fn blame(&self) -> Blame {
        let is_the_hosts = match self {
            Self::Package(error) => error.is_the_hosts(),
            Self::Image { error, .. } => error.is_the_hosts(),
            Self::OverlayFolder { .. } => true,
            _ => false,
        };
        if is_the_hosts { Blame::Host } else { Blame::Request }
    }
}
