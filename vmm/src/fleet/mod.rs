//! Several machines in one process: built together, started and stopped in an order, with their consoles in one stream.
//!
//! ```text
//! Member... --Fleet::build--> Fleet --run()--> FleetReport
//! ```
//!
//! * [`schedule`]: the order, and what is waited for.
//! * `lines`: the consoles.
//!
//! Nothing starts before all machines are built, so what cannot be built stops none that runs. Then each machine has a thread
//! that waits for its end; the caller's thread starts and stops them. A machine that ends by itself, well or not, leaves the
//! others as they are: what comes after it in the order no longer waits for it.
//!
//! What "the guest is ready" means, where a package waits for that: its kernel has said on the console that it starts init, or
//! the machine has ended. Nothing in a guest is asked, as its makers count on their own tools for that.
//!
//! Machines are stopped by cutting their power, also where a package says that the guest shall shut down: no guest can be
//! asked for that yet, so there is nothing that a delay could wait for.

mod error;
mod lines;
pub mod schedule;

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::Builder;
use std::time::{Duration, Instant};

pub use error::FleetError;
use lines::{Lines, Stream, labels};
use schedule::{Starting, Stopping, Unit};

use crate::config::MachineConfig;
use crate::console::Console;
use crate::ending::End;
use crate::machine::{BuiltMachine, Machine, OUTPUT_PATIENCE, Report, RunError, StopHandle};
use crate::timeline::Timeline;

/// The most machines of a fleet.
pub const MAX_MEMBERS: usize = 256;
/// A machine's own thread only waits.
const STACK: usize = 128 << 10;

/// A machine of a fleet.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its name in front of each line of its console, and in messages.
    pub name: String,
    /// What it is.
    pub config: MachineConfig,
}

/// Machines that have not executed anything yet.
pub struct Fleet {
    members: Vec<State>,
    order: Unit,
    time_limit: Option<Duration>,
    sender: Sender<Message>,
    messages: Receiver<Message>,
}

/// How far a machine is.
struct State {
    name: String,
    lines: Lines,
    /// Until it is started.
    built: Option<BuiltMachine>,
    /// From then on.
    stop: Option<StopHandle>,
    ready: bool,
    flushed: bool,
    outcome: Option<Outcome>,
}

enum Message {
    /// A guest starts init.
    Ready(usize),
    /// A machine has ended.
    Ended(usize, Result<Report, RunError>),
    /// All that it said is written.
    Flushed(usize),
    /// All shall be stopped.
    Stop,
}

/// Something that happens to a machine of a fleet, by its name.
#[derive(Debug)]
pub enum FleetEvent<'f> {
    /// It is started.
    Started(&'f str),
    /// It has ended.
    Ended(&'f str, &'f Outcome),
}

/// What became of a machine.
#[derive(Debug)]
pub enum Outcome {
    /// It ended.
    Ended(Report),
    /// The host failed it.
    Failed(RunError),
    /// The fleet was stopped before its turn came.
    NeverStarted,
}

/// What became of all machines.
#[derive(Debug)]
pub struct FleetReport {
    /// Each machine's name and what became of it, in the order of the members.
    pub members: Vec<(String, Outcome)>,
}

/// Ends a running fleet from another thread.
#[derive(Debug, Clone)]
pub struct FleetHandle(Sender<Message>);

impl FleetHandle {
    /// Stops all machines, in the reverse of their order; the second time, at once.
    pub fn stop(&self) {
        // Fails only when all have ended.
        let _ = self.0.send(Message::Stop);
    }
}

impl Fleet {
    /// Builds all `members`, to be started in `order`, with their consoles in `output`. After the `time_limit`, all of them
    /// are ended at once; those of the members' own configurations count from the start of each.
    ///
    /// # Errors
    /// [`FleetError`] names the member that could not be built.
    pub fn build(
        members: &[Member],
        order: Unit,
        output: Box<dyn Write + Send>,
        time_limit: Option<Duration>,
    ) -> Result<Self, FleetError> {
        if members.len() > MAX_MEMBERS {
            return Err(FleetError::TooMany(members.len()));
        }
        let (sender, messages) = mpsc::channel();
        let stream = Stream::new(output);
        let labels = labels(members.iter().map(|member| member.name.as_str()));
        let mut states = Vec::with_capacity(members.len());
        for (number, (member, label)) in members.iter().zip(labels).enumerate() {
            let ready = sender.clone();
            let on_init = Box::new(move || drop(ready.send(Message::Ready(number))));
            let lines = Lines::new(label, stream.clone(), on_init);
            let console = Console { output: Box::new(lines.clone()), input: None };
            let built = Machine::build(&member.config, console, &Timeline::start())
                .map_err(|error| FleetError::Build { name: member.name.clone(), error: Box::new(error) })?;
            states.push(State {
                name: member.name.clone(),
                lines,
                built: Some(built),
                stop: None,
                ready: false,
                flushed: false,
                outcome: None,
            });
        }
        Ok(Self { members: states, order, time_limit, sender, messages })
    }

    /// A handle that can end the fleet from elsewhere.
    pub fn handle(&self) -> FleetHandle {
        FleetHandle(self.sender.clone())
    }

    /// Starts the machines and returns when all have ended; `watch` is shown what happens.
    pub fn run(mut self, watch: &mut dyn FnMut(FleetEvent<'_>)) -> FleetReport {
        let mut deadline = self.time_limit.and_then(|limit| Instant::now().checked_add(limit));
        let order = self.order.clone();
        let mut starting = Some(Starting::new(&order));
        loop {
            let mut again = None;
            if let Some(start) = &mut starting {
                let turn = start.advance(Instant::now(), &|number| self.is_ready(number));
                again = turn.again;
                let failed = turn.machines.into_iter().filter(|number| !self.start(*number, watch)).count();
                if failed > 0 {
                    // The host has no room for a machine: the others are of no use without it.
                    starting = None;
                }
            }
            if starting.is_none() {
                let next = Stopping::new(&order).next(&|number| !self.is_running(number));
                next.into_iter().for_each(|number| self.end(number, End::Stopped));
            }
            if self.is_over(starting.is_some()) {
                break;
            }
            match self.receive([again, deadline].into_iter().flatten().min()) {
                Some(Message::Stop) if starting.is_none() => self.end_all(&End::Stopped),
                Some(Message::Stop) => starting = None,
                Some(message) => self.note(message, watch),
                None if deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                    (starting, deadline) = (None, None);
                    self.end_all(&End::TimeLimit);
                }
                None => {}
            }
        }
        self.wait_for_output();
        let outcome = |state: State| (state.name, state.outcome.unwrap_or(Outcome::NeverStarted));
        FleetReport { members: self.members.into_iter().map(outcome).collect() }
    }

    /// Starts a machine, and a thread that waits for its end. Says whether it runs.
    fn start(&mut self, number: usize, watch: &mut dyn FnMut(FleetEvent<'_>)) -> bool {
        let sender = self.sender.clone();
        let Some(state) = self.members.get_mut(number) else { return true };
        let Some(built) = state.built.take() else { return true };
        let lines = state.lines.clone();
        let started = built.start().and_then(|running| {
            let stop = running.stop_handle();
            let wait = move || {
                let _ = sender.send(Message::Ended(number, running.wait()));
                // Behind the end: whoever does not read the stream holds this thread and nothing else.
                let _: io::Result<()> = lines.finish();
                let _ = sender.send(Message::Flushed(number));
            };
            Builder::new().name(format!("machine{number}")).stack_size(STACK).spawn(wait).map_err(RunError::Thread)?;
            Ok(stop)
        });
        match started {
            Ok(stop) => {
                state.stop = Some(stop);
                watch(FleetEvent::Started(&state.name));
                true
            }
            Err(error) => {
                let outcome = state.outcome.insert(Outcome::Failed(error));
                watch(FleetEvent::Ended(&state.name, outcome));
                false
            }
        }
    }

    fn note(&mut self, message: Message, watch: &mut dyn FnMut(FleetEvent<'_>)) {
        match message {
            Message::Ready(number) => self.with(number, |state| state.ready = true),
            Message::Flushed(number) => self.with(number, |state| state.flushed = true),
            Message::Ended(number, result) => self.with(number, |state| {
                let outcome = match result {
                    Ok(report) => Outcome::Ended(report),
                    Err(error) => Outcome::Failed(error),
                };
                watch(FleetEvent::Ended(&state.name, state.outcome.insert(outcome)));
            }),
            Message::Stop => {}
        }
    }

    /// The next message, or nothing when it is `until`.
    fn receive(&self, until: Option<Instant>) -> Option<Message> {
        match until {
            // This side holds a sender as well, so the channel is never closed.
            None => self.messages.recv().ok(),
            Some(until) => self.messages.recv_timeout(until.saturating_duration_since(Instant::now())).ok(),
        }
    }

    fn with(&mut self, number: usize, change: impl FnOnce(&mut State)) {
        if let Some(state) = self.members.get_mut(number) {
            change(state);
        }
    }

    fn is_ready(&self, number: usize) -> bool {
        self.members.get(number).is_none_or(|state| state.ready || state.outcome.is_some())
    }

    fn is_running(&self, number: usize) -> bool {
        self.members.get(number).is_some_and(|state| state.stop.is_some() && state.outcome.is_none())
    }

    /// Whether no machine runs and none will.
    fn is_over(&self, starting: bool) -> bool {
        let mut over = true;
        self.order.visit(&mut |number| {
            let to_come = starting && self.members.get(number).is_some_and(|state| state.built.is_some());
            over &= !to_come && !self.is_running(number);
        });
        over
    }

    fn end(&self, number: usize, end: End) {
        if let Some(stop) = self.members.get(number).and_then(|state| state.stop.as_ref()) {
            stop.end(end);
        }
    }

    fn end_all(&self, end: &End) {
        (0..self.members.len()).for_each(|number| self.end(number, end.clone()));
    }

    /// Waits until all that the guests said is written, but not for ever.
    fn wait_for_output(&mut self) {
        let deadline = Instant::now() + OUTPUT_PATIENCE;
        while self.members.iter().any(|state| state.stop.is_some() && !state.flushed) {
            match self.messages.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Message::Flushed(number)) => self.with(number, |state| state.flushed = true),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    log::warn!("the reader of the consoles does not read: the end of the guests' output is lost");
                    return;
                }
            }
        }
    }
}
