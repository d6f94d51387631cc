//! When each step of a boot happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock;
use serde::Serialize;

/// A step of a boot, in the order in which they happen as a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The process began.
    ProcessStart,
    /// Kernel, initramfs and disks are open and were found sound.
    InputsOpen,
    /// KVM is open and there is a VM.
    KvmOpen,
    /// Guest memory is mapped.
    MemoryMapped,
    /// Kernel and initramfs are in guest memory.
    KernelLoaded,
    /// The first vCPU is about to execute its first instruction.
    FirstInstruction,
    /// The guest wrote its first byte to the console.
    FirstConsoleByte,
    /// The kernel said that it starts init.
    Init,
    /// The machine ended.
    Exit,
}

impl Event {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::ProcessStart,
        Self::InputsOpen,
        Self::KvmOpen,
        Self::MemoryMapped,
        Self::KernelLoaded,
        Self::FirstInstruction,
        Self::FirstConsoleByte,
        Self::Init,
        Self::Exit,
    ];

    /// What a person reads.
    pub fn label(self) -> &'static str {
        match self {
            Self::ProcessStart => "process start",
            Self::InputsOpen => "kernel and disks open",
            Self::KvmOpen => "KVM open",
            Self::MemoryMapped => "memory mapped",
            Self::KernelLoaded => "kernel loaded",
            Self::FirstInstruction => "first guest instruction",
            Self::FirstConsoleByte => "first console byte",
            Self::Init => "init",
            Self::Exit => "exit",
        }
    }
}

/// One event that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// What happened.
    pub event: Event,
    /// Microseconds since the first event.
    pub at_us: u64,
    /// Microseconds of CPU time that the whole process had used by then, guest code included.
    pub cpu_us: u64,
}

/// The record of a boot; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Timeline(Arc<[Slot; Event::ALL.len()]>);

#[derive(Debug, Default)]
struct Slot {
    /// Nanoseconds of the monotonic clock; 0 where the event did not happen.
    at: AtomicU64,
    cpu: AtomicU64,
}

impl Timeline {
    /// A record that begins now.
    pub fn start() -> Self {
        let timeline = Self::default();
        timeline.mark(Event::ProcessStart);
        timeline
    }

    /// Notes that `event` happens now, unless it did before.
    pub fn mark(&self, event: Event) {
        // The first look keeps repeated events (each byte of the console is one) from asking the clock.
        let Some(slot) = self.slot(event).filter(|slot| slot.at.load(Ordering::Relaxed) == 0) else { return };
        let now = clock::monotonic_ns();
        if slot.at.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            slot.cpu.store(clock::process_cpu_ns(), Ordering::Relaxed);
        }
    }

    /// What happened so far, in the order of [`Event::ALL`].
    pub fn moments(&self) -> Vec<Moment> {
        let began = self.0.iter().map(|slot| slot.at.load(Ordering::Relaxed)).find(|at| *at != 0).unwrap_or(0);
        Event::ALL.into_iter().filter_map(|event| self.moment(event, began)).collect()
    }

    fn moment(&self, event: Event, began: u64) -> Option<Moment> {
        let slot = self.slot(event)?;
        let at = slot.at.load(Ordering::Relaxed);
        let cpu = slot.cpu.load(Ordering::Relaxed);
        (at != 0).then(|| Moment { event, at_us: at.saturating_sub(began) / 1000, cpu_us: cpu / 1000 })
    }

    fn slot(&self, event: Event) -> Option<&Slot> {
        self.0.get(event as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_time_counts_and_what_did_not_happen_is_left_out() {
        let timeline = Timeline::start();
        timeline.mark(Event::Init);
        let first = timeline.moments();
        std::thread::sleep(std::time::Duration::from_millis(2));
        timeline.clone().mark(Event::Init);
        assert_eq!(timeline.moments(), first);
        assert_eq!(first.iter().map(|moment| moment.event).collect::<Vec<_>>(), [Event::ProcessStart, Event::Init]);
    }
}
