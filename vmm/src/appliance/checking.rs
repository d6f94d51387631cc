//! The files of a package against their digests, while its machines run.
//!
//! One thread reads, at a priority at which it only gets what nobody else wants, half of the time at most, and past the page
//! cache where it can. So a package of any size starts at once, and what is wrong with it shows before it has run for long.
#![allow(unsafe_code)]

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

use ovum_boot::integrity::{FileCheck, FileState, Manifest, Pace, Plan};
use ovum_boot::ovf::appliance::FileReference;
use ovum_boot::package::Package;

/// A check in the background.
#[derive(Debug)]
pub struct Checking {
    stop: Arc<AtomicBool>,
    state: Arc<Mutex<State>>,
}

/// How far it is.
#[derive(Debug, Default)]
struct State {
    /// All files, with what is known before any is read; nothing until that is known.
    checks: Option<Vec<FileCheck>>,
    /// The lines in the manifest of those that were read to their end.
    read: HashSet<usize>,
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
        let checking = Self { stop: Arc::default(), state: Arc::default() };
        let (stop, state) = (Arc::clone(&checking.stop), Arc::clone(&checking.state));
        Builder::new().name("check".into()).spawn(move || {
            idle();
            let plan = Plan::new(&package, Some(&manifest), &files);
            lock(&state).checks = Some(plan.checks().to_vec());
            plan.checks().iter().filter(|check| check.is_problem()).for_each(&mut problem);
            let mut found = |check: &FileCheck| {
                lock(&state).read.extend(check.line);
                if check.is_problem() {
                    problem(check);
                }
            };
            if let Err(error) = plan.run_watched(Pace::Gentle, &stop, &mut |_| {}, &mut found) {
                log::warn!("the package's files are not compared with its manifest: {error}");
            }
        })?;
        Ok(checking)
    }

    /// Ends the check, without waiting for anything: nobody knows when a thread of this priority gets to it. Returns the files
    /// of the manifest that were not read to their end; nothing if it is not known yet which there are.
    pub fn finish(self) -> Option<Vec<FileCheck>> {
        self.stop.store(true, Ordering::Relaxed);
        let state = lock(&self.state);
        let is_open = |check: &&FileCheck| {
            check.state == FileState::Stopped && check.line.is_none_or(|line| !state.read.contains(&line))
        };
        Some(state.checks.as_ref()?.iter().filter(is_open).cloned().collect())
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets the calling thread, and those that it starts, have only what nobody else wants of the CPUs.
fn idle() {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 is the calling thread, and the parameters are valid for as long as the call reads them. Where it fails, the
    // thread is as important as others, and still sleeps half of its time.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) };
}
