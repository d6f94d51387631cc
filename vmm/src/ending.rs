//! How a machine comes to its end: whoever sees the reason first says it, everybody else is told to stop.

use std::io;
use std::sync::{Arc, Once, OnceLock};

use ovum_devices::Memory;
use ovum_devices::legacy::{PowerEvent, PowerHandler};
use serde::Serialize;
use vmm_sys_util::eventfd::EventFd;

/// Why a machine ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The guest switched itself off.
    PowerOff,
    /// The guest asked for a reset.
    Reset,
    /// The guest's kernel panicked.
    Panic,
    /// The guest's first vCPU met a fault that it had no handler for, three times over.
    TripleFault,
    /// The guest went astray in a way that no CPU could follow; the text says how.
    GuestFault(String),
    /// The time limit passed.
    TimeLimit,
    /// Somebody used a [`StopHandle`].
    Stopped,
    /// The console's output failed; the text says how.
    ConsoleLost(String),
    /// KVM could not run a vCPU; the text says how.
    HostFault(String),
}

/// The shared word about the end of a machine.
#[derive(Debug)]
pub(crate) struct Ending {
    reason: OnceLock<End>,
    event: EventFd,
}

impl Ending {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let event = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?;
        Ok(Arc::new(Self { reason: OnceLock::new(), event }))
    }

    /// Ends the machine for `reason`, unless it is ending already.
    pub(crate) fn signal(&self, reason: End) {
        if self.reason.set(reason).is_ok() {
            // Fails only when the counter is full, and then the event is signalled anyway.
            let _ = self.event.write(1);
        }
    }

    /// Whether the machine is ending. Each vCPU asks after each exit.
    pub(crate) fn is_signalled(&self) -> bool {
        self.reason.get().is_some()
    }

    /// Why the machine ends, as soon as it does.
    pub(crate) fn reason(&self) -> Option<&End> {
        self.reason.get()
    }

    /// Becomes readable when the machine ends.
    pub(crate) fn event(&self) -> &EventFd {
        &self.event
    }

    /// Turns what a guest writes to its power and panic registers into the end of the machine.
    ///
    /// `warm_after_panic` is the guest's memory if its kernel asks for a warm reset after a panic, and only then.
    pub(crate) fn power_handler(self: &Arc<Self>, warm_after_panic: Option<Memory>) -> PowerHandler {
        let ending = Arc::clone(self);
        let panicked = move || warm_after_panic.as_ref().is_some_and(ovum_arch::asks_for_warm_reset);
        let warned = Once::new();
        Arc::new(move |event| match event {
            PowerEvent::PowerOff => ending.signal(End::PowerOff),
            PowerEvent::Reset if panicked() => ending.signal(End::Panic),
            PowerEvent::Reset => ending.signal(End::Reset),
            PowerEvent::Panicked => ending.signal(End::Panic),
            // The guest's own crash kernel goes on from here, and ends the machine when it is done.
            PowerEvent::CrashLoaded => {
                warned.call_once(|| log::warn!("the guest's kernel panicked; its crash kernel takes over"));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stands() {
        let ending = Ending::new().unwrap();
        let power = ending.power_handler(None);
        assert!(!ending.is_signalled());
        power(PowerEvent::CrashLoaded);
        assert!(!ending.is_signalled(), "the crash kernel still runs");
        power(PowerEvent::Reset);
        power(PowerEvent::PowerOff);
        assert_eq!(ending.reason(), Some(&End::Reset));
        assert_eq!(ending.event().read().unwrap(), 1);
    }
}
