//! In which order machines are started and stopped (DSP0243, StartupSection). Nothing here starts anything: given what has
//! happened so far, it says what is next, and when to ask again.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use ovum_boot::ovf::appliance::{Collection, Content, Startup, StopAction};

/// How long a guest is waited for that shall say that it is ready, where nobody says how long. Most kernels are told to be
/// quiet, and then it is never seen that they are.
pub const READY_LIMIT: Duration = Duration::from_secs(120);

/// A machine, or machines that are started as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// A machine, by its number among the fleet's members.
    Machine(usize),
    /// Steps one after the other.
    Group(Vec<Step>),
}

/// What is started at the same time.
pub type Step = Vec<Item>;

/// A unit, and what is to be waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What is started.
    pub unit: Unit,
    /// How long to wait before the next step.
    pub start_delay: Duration,
    /// Whether to go on earlier, when all guests of the unit are ready; without a delay, after [`READY_LIMIT`].
    pub waiting_for_guest: bool,
    /// How it is stopped.
    pub stop: StopAction,
}

impl Item {
    /// A unit that is waited for by nobody.
    pub fn new(unit: Unit) -> Self {
        Self { unit, start_delay: Duration::ZERO, waiting_for_guest: false, stop: StopAction::PowerOff }
    }

    fn of(unit: Unit, startup: &Startup) -> Self {
        Self {
            unit,
            start_delay: Duration::from_secs(startup.start_delay.into()),
            waiting_for_guest: startup.waiting_for_guest,
            stop: startup.stop,
        }
    }

    fn patience(&self) -> Duration {
        if self.waiting_for_guest && self.start_delay.is_zero() { READY_LIMIT } else { self.start_delay }
    }
}

impl Unit {
    /// The order in which the machines of `content` start. `member` tells their numbers by their ids; those that it does
    /// not know, and those that the package says not to start, are left out.
    pub fn of(content: &Content, member: &dyn Fn(&str) -> Option<usize>) -> Option<Self> {
        match content {
            Content::System(system) => member(&system.id).map(Self::Machine),
            Content::Collection(collection) => {
                let steps = steps(collection, member);
                (!steps.is_empty()).then_some(Self::Group(steps))
            }
        }
    }

    /// Shows `visit` the number of each machine.
    pub fn visit(&self, visit: &mut impl FnMut(usize)) {
        match self {
            Self::Machine(number) => visit(*number),
            Self::Group(steps) => steps.iter().flatten().for_each(|item| item.unit.visit(visit)),
        }
    }

    /// Whether `is` holds for all machines.
    fn all(&self, is: &dyn Fn(usize) -> bool) -> bool {
        match self {
            Self::Machine(number) => is(*number),
            Self::Group(steps) => steps.iter().flatten().all(|item| item.unit.all(is)),
        }
    }
}

/// Steps by ascending order; what has none comes last, together.
fn steps(collection: &Collection, member: &dyn Fn(&str) -> Option<usize>) -> Vec<Step> {
    let mut startup: Vec<&Startup> = collection.startup.iter().collect();
    startup.sort_by_key(|startup| startup.order);
    let contents: HashMap<&str, &Content> = collection.contents.iter().map(|content| (content.id(), content)).collect();
    let mut steps: Vec<Step> = Vec::new();
    let mut order = None;
    for startup in startup.iter().filter(|startup| startup.starts) {
        let unit = contents.get(startup.id.as_str()).and_then(|content| Unit::of(content, member));
        let Some(item) = unit.map(|unit| Item::of(unit, startup)) else { continue };
        match steps.last_mut() {
            Some(step) if order == Some(startup.order) => step.push(item),
            _ => steps.push(vec![item]),
        }
        order = Some(startup.order);
    }
    let named: HashSet<&str> = startup.iter().map(|startup| startup.id.as_str()).collect();
    let others = collection.contents.iter().filter(|content| !named.contains(content.id()));
    let last: Step = others.filter_map(|content| Unit::of(content, member)).map(Item::new).collect();
    if !last.is_empty() {
        steps.push(last);
    }
    steps
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Turn {
    /// The machines whose turn it is.
    pub machines: Vec<usize>,
    /// When to ask again, if nothing happens before.
    pub again: Option<Instant>,
}

/// A start on its way.
#[derive(Debug)]
pub(super) struct Starting(Started);

/// How far the start of a unit has come.
#[derive(Debug)]
enum Started {
    Machine { number: usize, begun: bool },
    Group { steps: Vec<Vec<StartedItem>>, at: usize },
}

#[derive(Debug)]
struct StartedItem {
    item: Item,
    started: Started,
    /// When all of it was started.
    since: Option<Instant>,
}

impl Starting {
    pub(super) fn new(unit: &Unit) -> Self {
        Self(Started::new(unit))
    }

    /// What is to be started now, when the guests that `ready` knows are ready.
    pub(super) fn advance(&mut self, now: Instant, ready: &dyn Fn(usize) -> bool) -> Turn {
        let mut turn = Turn::default();
        self.0.advance(now, ready, &mut turn);
        turn
    }
}

impl Started {
    fn new(unit: &Unit) -> Self {
        let item = |item: &Item| StartedItem { item: item.clone(), started: Self::new(&item.unit), since: None };
        match unit {
            Unit::Machine(number) => Self::Machine { number: *number, begun: false },
            Unit::Group(steps) => {
                let steps = steps.iter().map(|step| step.iter().map(item).collect()).collect();
                Self::Group { steps, at: 0 }
            }
        }
    }

    /// Whether all of it is started.
    fn advance(&mut self, now: Instant, ready: &dyn Fn(usize) -> bool, turn: &mut Turn) -> bool {
        match self {
            Self::Machine { number, begun } => {
                if !std::mem::replace(begun, true) {
                    turn.machines.push(*number);
                }
                true
            }
            Self::Group { steps, at } => {
                while let Some(step) = steps.get_mut(*at) {
                    // All of them, whether or not one has to wait.
                    let started = step.iter_mut().filter_map(|item| item.start(now, ready, turn)).count();
                    let is_last = at.checked_add(1) == Some(steps.len());
                    let Some(step) = steps.get(*at) else { break };
                    let passed = || step.iter().all(|item| item.passed(now, ready));
                    if started < step.len() || !(is_last || passed()) {
                        let waits = step.iter().filter_map(|item| item.again(now, ready));
                        turn.again = turn.again.into_iter().chain(waits).min();
                        return false;
                    }
                    *at += 1;
                }
                true
            }
        }
    }
}

impl StartedItem {
    /// Goes on with the start; when all of it was started.
    fn start(&mut self, now: Instant, ready: &dyn Fn(usize) -> bool, turn: &mut Turn) -> Option<Instant> {
        if self.since.is_none() && self.started.advance(now, ready, turn) {
            self.since = Some(now);
        }
        self.since
    }

    /// Whether what comes after it may start.
    fn passed(&self, now: Instant, ready: &dyn Fn(usize) -> bool) -> bool {
        let waited = self.since.is_some_and(|since| now.saturating_duration_since(since) >= self.item.patience());
        waited || (self.item.waiting_for_guest && self.item.unit.all(ready))
    }

    /// When its patience is over, if somebody waits for that.
    fn again(&self, now: Instant, ready: &dyn Fn(usize) -> bool) -> Option<Instant> {
        let over = self.since?.checked_add(self.item.patience())?;
        (!self.passed(now, ready)).then_some(over)
    }
}

/// A stop on its way, in the reverse order of the start.
#[derive(Debug)]
pub(super) struct Stopping<'u>(&'u Unit);

impl<'u> Stopping<'u> {
    pub(super) fn new(unit: &'u Unit) -> Self {
        Self(unit)
    }

    /// The machines that are to be stopped next, when those that `ended` knows run no longer; none when all that is left
    /// are those that nobody may stop, and these come last.
    pub(super) fn next(&self, ended: &dyn Fn(usize) -> bool) -> Vec<usize> {
        let mut machines = Vec::new();
        next_to_stop(self.0, ended, &mut machines);
        if machines.is_empty() {
            self.0.visit(&mut |number| machines.extend((!ended(number)).then_some(number)));
        }
        machines
    }
}

fn next_to_stop(unit: &Unit, ended: &dyn Fn(usize) -> bool, machines: &mut Vec<usize>) {
    match unit {
        Unit::Machine(number) if ended(*number) => {}
        Unit::Machine(number) => machines.push(*number),
        Unit::Group(steps) => {
            for step in steps.iter().rev() {
                let items = step.iter().filter(|item| item.stop != StopAction::None);
                let before = machines.len();
                items.for_each(|item| next_to_stop(&item.unit, ended, machines));
                if machines.len() > before {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
