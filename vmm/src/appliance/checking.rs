//! The files of a package against their digests, while its machines run.
//!
//! One thread reads, at a priority at which it only gets what nobody else wants, half of the time at most, and past the page
//! cache where it can. So a package of any size starts at once, and what is wrong with it shows before it has run for long.
#![allow(unsafe_code)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::Builder;
use std::time::Duration;

use ovum_boot::integrity::{FileCheck, Manifest, Pace, Plan};
use ovum_boot::ovf::appliance::FileReference;
use ovum_boot::package::Package;

/// How long the end of the check is waited for: a read from a slow share takes as long as it takes.
const PATIENCE: Duration = Duration::from_secs(2);

/// A check in the background.
#[derive(Debug)]
pub struct Checking {
    stop: Arc<AtomicBool>,
    result: Receiver<io::Result<Vec<FileCheck>>>,
}

impl Checking {
    /// Begins to compare the files of `package`, which its descriptor lists as `files`, with `manifest`. `problem` is called,
    /// on the thread that checks, for each file that is wrong.
    ///
    /// # Errors
    /// When the host gives no thread.
    pub fn start(
        package: Arc<Package>,
        manifest: Manifest,
        files: Vec<FileReference>,
        mut problem: Box<dyn FnMut(&FileCheck) + Send>,
    ) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, result) = mpsc::channel();
        let stopped = Arc::clone(&stop);
        Builder::new().name("check".into()).spawn(move || {
            idle();
            let plan = Plan::new(&package, Some(&manifest), &files);
            let mut found = |check: &FileCheck| {
                if check.is_problem() {
                    problem(check);
                }
            };
            plan.checks().iter().filter(|check| check.is_referenced).for_each(&mut found);
            // Nobody waits for it only when the process ends.
            let _ = tell.send(plan.run_watched(Pace::Gentle, &stopped, &mut |_| {}, &mut found));
        })?;
        Ok(Self { stop, result })
    }

    /// Ends the check and says how far it came. What was not read to its end is
    /// [`Stopped`](ovum_boot::integrity::FileState::Stopped).
    ///
    /// # Errors
    /// When the host gave no thread to read.
    pub fn finish(self) -> io::Result<Vec<FileCheck>> {
        self.stop.store(true, Ordering::Relaxed);
        self.result.recv_timeout(PATIENCE).unwrap_or_else(|_| Ok(Vec::new()))
    }
}

/// Lets the calling thread, and those that it starts, have only what nobody else wants of the CPUs.
fn idle() {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 is the calling thread, and the parameters are valid for as long as the call reads them. Where it fails, the
    // thread is as important as others, and still sleeps half of its time.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) };
}
