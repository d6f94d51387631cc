//! The KVM lab: real KVM on any machine, by software.
//!
//! QEMU's TCG emulates an AMD processor with SVM and nested paging. A stock kernel boots on it from an initramfs made
//! here, loads kvm-amd, and the [agent](crate::agent) in it starts Ovum with the true KVM ABI below. Nothing is
//! installed and no file is left: the initramfs and the scratch disk are unnamed files, the agent's port is a socket
//! that QEMU inherits, and QEMU dies with this process.

mod qemu;

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::binaries;
use crate::failure::{Context as _, Failure, Result};
use crate::host::{Connection, Host, Keeper, Place};
use crate::initramfs::Initramfs;
use crate::kernel;
use crate::packages;

const INIT: &str = include_str!("../../../resources/lab/init");

/// What the lab's own kernel needs.
const MODULES: &[&str] = &["virtio_pci", "virtio_blk", "virtio_console", "kvm", "kvm_amd", "tun"];

/// What the lab's clocks show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Time.
    Wall,
    /// Executed instructions: one is one nanosecond. Repeats to about 1 %, however busy the machine is. One processor.
    Instructions,
}

/// A lab that is about to be booted.
#[derive(Debug)]
pub struct Lab {
    clock: Clock,
    memory_mib: u32,
    scratch_gib: u64,
    programs: Vec<(String, PathBuf)>,
    files: Vec<PathBuf>,
}

impl Default for Lab {
    fn default() -> Self {
        Self { clock: Clock::Wall, memory_mib: 4096, scratch_gib: 16, programs: Vec::new(), files: Vec::new() }
    }
}

impl Lab {
    /// One processor, 4 GiB of memory, 16 GiB on /scratch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A lab whose clock counts instructions.
    #[must_use]
    pub fn counting() -> Self {
        Self { clock: Clock::Instructions, ..Self::default() }
    }

    /// Gives the lab another amount of memory.
    #[must_use]
    pub fn memory_mib(mut self, memory_mib: u32) -> Self {
        self.memory_mib = memory_mib;
        self
    }

    /// Adds a program of this machine, with its libraries, at `path`.
    #[must_use]
    pub fn program(mut self, path: &str, source: PathBuf) -> Self {
        self.programs.push((path.to_owned(), source));
        self
    }

    /// Adds a file of this machine at the same path.
    #[must_use]
    pub fn file(mut self, path: PathBuf) -> Self {
        self.files.push(path);
        self
    }

    /// Boots the lab and waits for its agent.
    ///
    /// # Errors
    /// When a package is missing, or the lab does not come up; then with the lab's console.
    pub fn boot(self) -> Result<Host> {
        packages::ensure(packages::LAB)?;
        let kernel = kernel::stock()?;
        let modules = kernel.modules.in_order(MODULES)?;
        let mut initramfs = qemu::unnamed_file("lab.cpio")?;
        initramfs.write_all(&self.initramfs(&modules)?).doing("writing the lab's initramfs")?;
        let scratch = qemu::scratch_disk(self.scratch_gib)?;
        let (ours, theirs) = UnixStream::pair().doing("making a pair of sockets")?;
        let command = qemu::command(qemu::Machine {
            clock: self.clock,
            memory_mib: self.memory_mib,
            kernel: &kernel.image,
            initramfs: initramfs.into(),
            scratch: scratch.into(),
            agent: theirs.into(),
        });
        let keeper = Keeper::start(command)?;
        let started = Instant::now();
        match Connection::open(ours, Place::Elsewhere, Duration::from_secs(120)) {
            Ok(connection) => Ok(Host::new(connection, keeper)),
            Err(failure) => Err(Failure::new(format!(
                "the KVM lab did not come up after {:.0?}: {failure}\n--- the lab's console\n{}---",
                started.elapsed(),
                keeper.log()
            ))),
        }
    }

    fn initramfs(&self, modules: &[kernel::Module]) -> Result<Vec<u8>> {
        let mut archive = Initramfs::new();
        archive.file("/init", 0o755, INIT.as_bytes()).busybox()?;
        archive.modules(modules).program("/bin/lab-agent", &binaries::agent()?)?;
        for (path, source) in &self.programs {
            archive.program(path, source)?;
        }
        for file in &self.files {
            let bytes = fs::read(file).doing(format!("reading {}", file.display()))?;
            archive.file(file, 0o755, &bytes);
        }
        Ok(archive.finish())
    }
}
