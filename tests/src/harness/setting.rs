//! Where this test binary's machines run. Chosen once, booted once, shared by all tests.
//!
//! In the lab's place there are two labs with one processor each, and every test stays in one of them: QEMU's software CPU
//! runs nested guests wrongly where it has several processors in threads of their own. Guests with 32 vCPUs then die of
//! triple faults at random places in their boot, more often than not, and now and then a small one hangs.

use std::cell::Cell;
use std::env;
use std::fs::{self, OpenOptions};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use crate::binaries;
use crate::failure::{Failure, Result};
use crate::host::{Host, Place};
use crate::kernel::{self, StockKernel};
use crate::lab::Lab;
use crate::packages;

/// What all tests of a binary share.
pub struct Setting {
    /// Where VMMs run.
    pub host: Host,
    /// The command under test, a path on the host.
    pub ovum: String,
    /// The stock kernel.
    pub kernel: StockKernel,
    /// The stock kernel's image, a path on the host.
    pub kernel_path: String,
    /// The same busybox as the guests', a path on the host: its checksums are the guest's.
    pub busybox: String,
    /// A folder on the host with room for big files.
    pub big: &'static str,
}

/// Where machines run, and why.
#[derive(Debug, Clone)]
pub enum Choice {
    /// On this machine.
    Native(String),
    /// In the KVM lab.
    Lab(String),
}

/// This machine where its KVM is a hardware one, the lab elsewhere; `OVUM_TEST_HOST` overrides it.
#[must_use]
pub fn choice() -> Choice {
    match env::var("OVUM_TEST_HOST").as_deref() {
        Ok("native") => return Choice::Native("OVUM_TEST_HOST says so".into()),
        Ok("lab") => return Choice::Lab("OVUM_TEST_HOST says so".into()),
        _ => {}
    }
    if let Err(error) = OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        return Choice::Lab(format!("/dev/kvm cannot be used here: {error}"));
    }
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if flags.split_whitespace().any(|flag| matches!(flag, "vmx" | "svm")) {
        Choice::Native("it has hardware KVM".into())
    } else {
        Choice::Lab("the KVM here is a software one".into())
    }
}

/// The host that all tests of this binary share.
///
/// # Errors
/// When it cannot be had.
pub fn host() -> Result<&'static Host> {
    Ok(&setting()?.host)
}

/// How many labs stand in for a machine with KVM.
const LABS: usize = 2;

/// What the tests share that run where this thread's test does.
///
/// # Errors
/// When it cannot be had; the same error for every test that asks.
pub fn setting() -> Result<&'static Setting> {
    static SETTINGS: [OnceLock<std::result::Result<Setting, String>>; LABS] = [const { OnceLock::new() }; LABS];
    let setting = SETTINGS.get(place()).map(|it| it.get_or_init(|| open().map_err(|failure| failure.to_string())));
    match setting {
        Some(Ok(setting)) => Ok(setting),
        Some(Err(why)) => Err(Failure::new(why.as_str())),
        None => Err(Failure::new("there is no such lab")),
    }
}

/// Which of the settings this thread, and so its test, uses: each test has a thread of its own, and takes the next.
fn place() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<Option<usize>> = const { Cell::new(None) };
    }
    let mine = MINE.get().unwrap_or_else(|| match choice() {
        Choice::Native(_) => 0,
        Choice::Lab(_) => NEXT.fetch_add(1, Ordering::Relaxed) % LABS,
    });
    MINE.set(Some(mine));
    mine
}

fn open() -> Result<Setting> {
    let ovum = binaries::ovum()?;
    let kernel = kernel::stock()?;
    let host = match choice() {
        Choice::Native(why) => {
            eprintln!("machines run on this host: {why}");
            Host::native()?
        }
        Choice::Lab(why) => {
            eprintln!("machines run in the KVM lab: {why}");
            Lab::new().program("/bin/ovum", ovum.clone()).boot()?
        }
    };
    let here = host.place == Place::Here;
    let kernel_path = if here { kernel.image.to_string_lossy().into_owned() } else { "/boot/vmlinuz".into() };
    host.put(&kernel.image, &kernel_path)?;
    Ok(Setting {
        ovum: if here { ovum.to_string_lossy().into_owned() } else { "/bin/ovum".into() },
        busybox: if here { packages::busybox()?.to_string_lossy().into_owned() } else { "/bin/busybox".into() },
        big: if here { "/var/tmp" } else { "/scratch" },
        host,
        kernel,
        kernel_path,
    })
}

/// The right to run one machine in one place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot(usize);

static RUNNING: Mutex<[usize; LABS]> = Mutex::new([0; LABS]);
static ENDED: Condvar = Condvar::new();

fn running() -> MutexGuard<'static, [usize; LABS]> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until there is room for one more machine: a lab has one processor, however many this host has, and a test's
/// patience begins with its own machine.
pub(super) fn slot() -> Result<Slot> {
    let room = match setting()?.host.place {
        Place::Here => thread::available_parallelism().map_or(2, usize::from),
        Place::Elsewhere => 1,
    };
    let mut running = running();
    let place = place();
    while running[place] >= room {
        running = ENDED.wait(running).unwrap_or_else(PoisonError::into_inner);
    }
    running[place] += 1;
    Ok(Slot(place))
}

impl Drop for Slot {
    fn drop(&mut self) {
        running()[self.0] -= 1;
        ENDED.notify_all();
    }
}
