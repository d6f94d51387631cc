//! One run: a VMM boots a guest in the counting lab, and is looked at when the guest's init speaks.

use std::path::PathBuf;
use std::time::Duration;

use ovum_tests::agent::protocol::Command;
use ovum_tests::failure::{Failure, Result};
use ovum_tests::host::{Host, Process};
use ovum_tests::kernel::{MicrovmKernel, StockKernel};
use ovum_tests::lab::Lab;
use ovum_tests::packages;
use ovum_tests::sys;
use ovum_tests::userspace;

use super::figures::Figures;
use super::vmm::{self, Vmm};

/// The cache of runs that find nothing in it.
const COLD: &str = "/scratch/cold";
/// The guest's memory.
pub(super) const MEMORY_MIB: u64 = 128;

/// What is booted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Guest {
    Small,
    Stock,
}

impl Guest {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Small => "bench",
            Self::Stock => "stock",
        }
    }

    /// Its kernel, on the kind of file system that kernels lie on.
    pub(super) fn kernel(self) -> &'static str {
        match self {
            Self::Small => "/scratch/vmlinux",
            Self::Stock => "/scratch/vmlinuz",
        }
    }

    /// Its initramfs' path in the lab.
    pub(super) fn initramfs(self) -> &'static str {
        match self {
            Self::Small => "/scratch/small.cpio",
            Self::Stock => "/scratch/stock.cpio",
        }
    }
}

/// A lab with all that is compared in it.
pub(super) struct Bench {
    host: Host,
}

impl Bench {
    pub(super) fn new(
        ovum: PathBuf,
        small: Option<&MicrovmKernel>,
        stock: &StockKernel,
        stock_runs: bool,
    ) -> Result<Self> {
        let qemu = packages::program("qemu-system-x86_64").ok_or_else(|| Failure::new("there is no QEMU"))?;
        let mut lab = Lab::counting().program("/bin/ovum", ovum).program("/bin/qemu-system-x86_64", qemu);
        for file in vmm::firmware() {
            lab = lab.file(file);
        }
        let host = lab.boot()?;
        if let Some(small) = small {
            host.put(&small.vmlinux, Guest::Small.kernel())?;
        }
        host.put(&stock.image, Guest::Stock.kernel())?;
        host.write(Guest::Small.initramfs(), 0o644, &userspace::initramfs(&[], "")?)?;
        host.write(Guest::Stock.initramfs(), 0o644, &userspace::initramfs(&userspace::modules(stock)?, "")?)?;
        let bench = Self { host };
        if stock_runs {
            // A kernel that was written a moment ago is not put into the cache.
            bench.host.shell("sleep 3")?;
            bench.run(Guest::Stock, &Vmm::Ovum { also: Vec::new(), cold: false })?;
        }
        Ok(bench)
    }

    /// Boots `guest` with `vmm` once.
    pub(super) fn run(&self, guest: Guest, vmm: &Vmm) -> Result<Figures> {
        let cold = matches!(vmm, Vmm::Ovum { cold: true, .. });
        let cache = if cold { COLD } else { "/scratch/cache" };
        if cold {
            self.host.shell(&format!("rm -rf {COLD}"))?;
        }
        let command = Command {
            environment: [("XDG_CACHE_HOME".to_owned(), cache.to_owned())].into(),
            arguments: vmm.command(guest),
            probe_at: Some(userspace::MARKER.to_owned()),
            ..Command::default()
        };
        let mut process = self.host.spawn(command)?;
        process.wait_until(Duration::from_secs(300), |process| process.probe().is_some())?;
        if matches!(vmm, Vmm::Ovum { .. }) {
            // It says what its start-up took when it ends.
            process.input().signal(sys::SIGTERM)?;
            process.wait(Duration::from_secs(60))?;
        }
        Figures::of(&process).ok_or_else(|| failed(vmm, guest, &process))
    }
}

fn failed(vmm: &Vmm, guest: Guest, process: &Process) -> Failure {
    let (vmm, guest) = (vmm.name(), guest.name());
    let text = format!("{}{}", process.text(false), process.text(true));
    Failure::new(format!("{vmm} did not bring the {guest} kernel to its init ({:?}):\n{text}", process.end()))
}
