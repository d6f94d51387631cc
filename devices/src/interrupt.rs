//! How a device asks for the guest's attention.

use std::fmt::Debug;
use std::io;

use vmm_sys_util::eventfd::EventFd;

/// A line from a device to the guest's interrupt controller. Each call is one edge.
pub trait Interrupt: Send + Sync + Debug {
    /// Signals the guest once.
    fn trigger(&self);
}

/// An interrupt that is signalled by writing to an eventfd, which the hypervisor turns into an interrupt (KVM: irqfd).
#[derive(Debug)]
pub struct EventInterrupt(EventFd);

impl EventInterrupt {
    /// A new interrupt, and the eventfd to register with the hypervisor.
    ///
    /// # Errors
    /// When the process is out of file descriptors.
    pub fn new() -> io::Result<(Self, EventFd)> {
        let event = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?;
        let registered = event.try_clone()?;
        Ok((Self(event), registered))
    }
}

impl Interrupt for EventInterrupt {
    fn trigger(&self) {
        // The only failure is a full counter (2^64 - 1 signals that nobody took): the guest is then signalled anyway.
        let _ = self.0.write(1);
    }
}

/// Where message-signalled interrupts go: a write of `data` to `address`, which the guest chose, reaches its interrupt
/// controllers.
pub trait MessageSink: Send + Sync + Debug {
    /// Delivers one message. What no controller takes is lost, as on a bus.
    fn send(&self, address: u64, data: u32);
}
