//! What can be wrong with a kernel, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{Architecture, Protocol, Resemblance};
use crate::file::FileProblem;
use crate::memory::mebibytes;

/// A kernel that cannot be started: the file and what is wrong with it.
#[derive(Debug, Error)]
#[error("kernel {}: {problem}", path.display())]
pub struct KernelError {
    path: PathBuf,
    pub(super) problem: KernelProblem,
}

impl KernelError {
    pub(super) fn new(path: &Path, problem: KernelProblem) -> Self {
        Self { path: path.to_owned(), problem }
    }

    /// The file that the error is about, as the caller named it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> &KernelProblem {
        &self.problem
    }

    /// One line that says what to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        self.problem.remedy()
    }
}

/// What is wrong with a kernel file, or with loading it. Offsets and lengths are in bytes.
#[derive(Debug, Error)]
pub enum KernelProblem {
    /// The path leads to nothing that can be read.
    #[error(transparent)]
    File(#[from] FileProblem),
    /// It is something else.
    #[error("{}", not_a_kernel(*.0))]
    NotAKernel(Option<Resemblance>),
    /// The file ends before a part that its headers name.
    #[error("the file is truncated: {part} ends at offset {needed:#x}, the file at {length:#x}")]
    Truncated {
        /// What is cut off.
        part: String,
        /// Where that part would end.
        needed: u64,
        /// Where the file ends.
        length: u64,
    },
    /// A header field has a value that no working kernel has.
    #[error("the header is broken at offset {offset:#x}: {reason}")]
    BadHeader {
        /// Where in the file the field lies.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// It runs on 32-bit CPUs only.
    #[error("it is a 32-bit kernel ({evidence})")]
    ThirtyTwoBit {
        /// Which field says so.
        evidence: &'static str,
    },
    /// It runs on another kind of CPU.
    #[error("it is a kernel for {0}, not for x86-64")]
    OtherArchitecture(Architecture),
    /// Its numbers are stored most significant byte first.
    #[error("it is a big-endian ELF file (byte 5 is 2)")]
    BigEndian,
    /// The setup header is older than the first one with a 64-bit entry.
    #[error("its boot protocol {}.{:02} is too old: the 64-bit entry came with 2.12 (Linux 3.8)", version >> 8, version & 0xff)]
    OldProtocol {
        /// The protocol's version, the major number in the high byte.
        version: u16,
    },
    /// It cannot be entered in the way that the caller asked for.
    #[error("it has no {0} entry point")]
    NoSuchEntry(Protocol),
    /// The guest has too little memory for it.
    #[error("it needs {} MiB of guest memory to start", mebibytes(*needed))]
    TooBig {
        /// The memory that would do.
        needed: u64,
    },
    /// It wants to lie where the guest has no memory, or where the VMM keeps its own tables.
    #[error("{part} wants to lie at {start:#x}..{end:#x}, where the guest has no memory for a kernel")]
    OutsideRam {
        /// Which part of the kernel.
        part: String,
        /// The guest physical address of its first byte.
        start: u64,
        /// The guest physical address past its last byte.
        end: u64,
    },
    /// What is packed into it cannot be unpacked here; the kernel may be able to do so itself.
    #[error("its packed kernel cannot be opened: {0}")]
    Packed(String),
    /// Reading failed half way.
    #[error("reading {part} failed: {source}")]
    Read {
        /// What was being read.
        part: String,
        /// What the system said.
        source: io::Error,
    },
}

impl KernelProblem {
    fn remedy(&self) -> String {
        match self {
            Self::File(problem) => problem.remedy(),
            Self::NotAKernel(resemblance) => resemblance
                .map_or("give a bzImage (a distribution's vmlinuz) or an ELF vmlinux", Resemblance::remedy)
                .to_owned(),
            Self::Packed(_) => "leave it to the kernel to unpack itself".to_owned(),
            Self::Truncated { .. } => "fetch or build the kernel again; the copy is not complete".to_owned(),
            Self::BadHeader { .. } => "fetch or build the kernel again; the file is damaged or not a kernel".to_owned(),
            Self::ThirtyTwoBit { .. } | Self::OtherArchitecture(_) | Self::BigEndian => {
                "give an x86-64 kernel, such as the vmlinuz of a distribution's amd64 or x86_64 image".to_owned()
            }
            Self::OldProtocol { .. } => "give the ELF vmlinux of this kernel, or a newer kernel".to_owned(),
            Self::NoSuchEntry(Protocol::Pvh) => {
                "leave the boot protocol to be chosen, or build the vmlinux with CONFIG_PVH=y".to_owned()
            }
            Self::NoSuchEntry(_) => "leave the boot protocol to be chosen".to_owned(),
            Self::TooBig { needed } => format!("give the guest at least {} MiB of memory", mebibytes(*needed)),
            Self::OutsideRam { .. } => {
                "build the kernel with CONFIG_PHYSICAL_START between 1 MiB and the guest's memory size".to_owned()
            }
            Self::Read { .. } => {
                "check the disk that the kernel lies on, and that nothing writes to the file".to_owned()
            }
        }
    }
}

fn not_a_kernel(resemblance: Option<Resemblance>) -> String {
    match resemblance {
        Some(resemblance) => format!("it is not a kernel but {resemblance}"),
        None => {
            "it is not a kernel: neither the mark of an ELF file (offset 0) nor of a bzImage (offset 0x202) is there"
                .to_owned()
        }
    }
}
