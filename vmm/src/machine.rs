//! The states of a machine, and what leads from one to the next.
//!
//! ```text
//! Machine::build -> BuiltMachine --start()--> RunningMachine --wait()--> Report
//! ```
//!
//! Each step takes the state before by value, so that nothing can be done out of order.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::builder::{self, BuildError, Parts};
use crate::config::MachineConfig;
use crate::console::Console;
use crate::ending::{End, Ending};
use crate::event_loop;
use crate::failure::{Blame, Explain};
use crate::timeline::{Event, Timeline};
use crate::vcpu::{self, ExitCounts, VcpuThreads};

/// How long the end of a machine waits for the reader of its console.
pub(crate) const OUTPUT_PATIENCE: Duration = Duration::from_secs(2);

/// Where a machine begins: [`Machine::build`].
#[derive(Debug)]
pub struct Machine;

impl Machine {
    /// Builds the machine that `config` describes, with the far end of its serial port in `console`, and notes each step
    /// in `timeline`.
    ///
    /// # Errors
    /// [`BuildError`] names the step that failed.
    pub fn build(config: &MachineConfig, console: Console, timeline: &Timeline) -> Result<BuiltMachine, BuildError> {
        let parts = builder::build(config, console, timeline)?;
        Ok(BuiltMachine { parts, time_limit: config.time_limit, timeline: timeline.clone() })
    }
}

/// A machine that has not executed anything yet.
pub struct BuiltMachine {
    parts: Parts,
    time_limit: Option<Duration>,
    timeline: Timeline,
}

impl BuiltMachine {
    /// Starts the vCPUs.
    ///
    /// # Errors
    /// When the host gives no thread.
    pub fn start(self) -> Result<RunningMachine, RunError> {
        let Self { parts, time_limit, timeline } = self;
        // Resources first: what is bound last is dropped first, and guest memory must outlive its devices.
        let Parts { resources, console, ending, buses, vcpus } = parts;
        let deadline = time_limit.and_then(|limit| Instant::now().checked_add(limit));
        let context = vcpu::Context { buses, ending: Arc::clone(&ending), timeline: timeline.clone() };
        let threads = VcpuThreads::spawn(vcpus, &context).map_err(RunError::Thread)?;
        Ok(RunningMachine { threads, ending, console, deadline, timeline, _resources: resources })
    }
}

/// A machine whose vCPUs run.
pub struct RunningMachine {
    // Declared, and so dropped, in this order: no vCPU may run when the devices behind it go.
    threads: VcpuThreads,
    console: builder::PlacedConsole,
    ending: Arc<Ending>,
    deadline: Option<Instant>,
    timeline: Timeline,
    _resources: builder::Resources,
}

impl RunningMachine {
    /// A handle that can end the machine from elsewhere.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle(Arc::clone(&self.ending))
    }

    /// Runs the control plane (console input, time limit) until the machine ends.
    ///
    /// # Errors
    /// When the host failed the machine; the guest's own failures are a [`Report`].
    pub fn wait(self) -> Result<Report, RunError> {
        let waited = event_loop::run(&self.ending, &self.console.input, self.deadline);
        if waited.is_err() {
            self.ending.signal(End::Stopped);
        }
        let exits = self.threads.join();
        self.timeline.mark(Event::Exit);
        if !self.console.pump.finish(OUTPUT_PATIENCE) {
            log::warn!("the reader of the console does not read: the end of the guest's output is lost");
        }
        waited.map_err(RunError::EventLoop)?;
        match self.ending.reason() {
            Some(End::ConsoleLost(cause)) => Err(RunError::ConsoleLost(cause.clone())),
            Some(End::HostFault(cause)) => Err(RunError::Vcpu(cause.clone())),
            Some(end) => Ok(Report { end: end.clone(), timeline: self.timeline.clone(), exits }),
            None => Ok(Report { end: End::Stopped, timeline: self.timeline.clone(), exits }),
        }
    }
}

/// Ends a running machine from another thread.
#[derive(Debug, Clone)]
pub struct StopHandle(Arc<Ending>);

impl StopHandle {
    /// Ends the machine as if its power were cut. What the guest did not flush may be lost.
    pub fn stop(&self) {
        self.end(End::Stopped);
    }

    /// Ends the machine for this reason, unless it is ending already.
    pub(crate) fn end(&self, reason: End) {
        self.0.signal(reason);
    }
}

/// How a machine ended, and what it took.
#[derive(Debug, Clone)]
pub struct Report {
    /// Why it ended.
    pub end: End,
    /// When each step happened.
    pub timeline: Timeline,
    /// The exits from guest code to this process.
    pub exits: ExitCounts,
}

/// The host failed a running machine.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No thread for a vCPU.
    #[error("the host gave no thread for a vCPU: {0}")]
    Thread(io::Error),
    /// The control plane could not go on.
    #[error("the event loop failed: {0}")]
    EventLoop(io::Error),
    /// The console's output failed.
    #[error("the guest's console could not be written: {0}")]
    ConsoleLost(String),
    /// KVM could not run a vCPU.
    #[error("KVM could not run the guest: {0}")]
    Vcpu(String),
}

impl Explain for RunError {
    fn remedy(&self) -> String {
        match self {
            Self::Thread(_) => "ask for fewer vCPUs, or raise the limit of processes (ulimit -u)".into(),
            Self::EventLoop(_) => "raise the limit of open files (ulimit -n)".into(),
            Self::ConsoleLost(_) => {
                "keep the reader of the console open, make room on its disk, or run with --console none".into()
            }
            Self::Vcpu(_) => {
                "run `ovum doctor`: a software KVM (PVM) cannot run a stock kernel, a hardware KVM can".into()
            }
        }
    }

    fn blame(&self) -> Blame {
        Blame::Host
    }
}
