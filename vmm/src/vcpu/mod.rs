//! The threads that run guest code, one for each vCPU.
//!
//! A vCPU runs until it touches something that is not memory; the exit tells what, and the bus finds the device.

mod fault;
mod kick;
mod threads;

use std::sync::Arc;

use kvm_ioctls::{VcpuExit, VcpuFd};
use serde::Serialize;

use crate::buses::Buses;
use crate::ending::{End, Ending};
use crate::timeline::Timeline;

pub(crate) use threads::VcpuThreads;

/// What every vCPU thread shares.
#[derive(Clone)]
pub(crate) struct Context {
    pub buses: Buses,
    pub ending: Arc<Ending>,
    pub timeline: Timeline,
}

/// How often guest code came back to this process, by reason. What KVM answers by itself is not among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ExitCounts {
    /// Reads of a port.
    pub port_reads: u64,
    /// Writes to a port.
    pub port_writes: u64,
    /// Reads of an address without memory.
    pub memory_reads: u64,
    /// Writes to an address without memory.
    pub memory_writes: u64,
    /// Everything else, signals included.
    pub other: u64,
}

impl ExitCounts {
    fn add(&mut self, other: &Self) {
        self.port_reads += other.port_reads;
        self.port_writes += other.port_writes;
        self.memory_reads += other.memory_reads;
        self.memory_writes += other.memory_writes;
        self.other += other.other;
    }
}

/// Runs a vCPU until the machine ends.
fn run(vcpu: &mut VcpuFd, context: &Context) -> ExitCounts {
    let mut exits = ExitCounts::default();
    while !context.ending.is_signalled() {
        match vcpu.run() {
            Ok(VcpuExit::InternalError) => {
                exits.other += 1;
                context.ending.signal(fault::internal_error(vcpu));
            }
            Ok(exit) => {
                if let Some(end) = handle(exit, &context.buses, &mut exits) {
                    context.ending.signal(end);
                }
            }
            // A kick, or nothing to do before another vCPU wakes this one: look whether the machine ends.
            Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => exits.other += 1,
            Err(error) => context.ending.signal(End::HostFault(format!("KVM_RUN failed: {error}"))),
        }
    }
    exits
}

/// Does what an exit asks for. Says whether, and how, it ends the machine.
fn handle(exit: VcpuExit<'_>, buses: &Buses, exits: &mut ExitCounts) -> Option<End> {
    match exit {
        VcpuExit::IoIn(port, data) => {
            exits.port_reads += 1;
            buses.ports.read(port.into(), data);
        }
        VcpuExit::IoOut(port, data) => {
            exits.port_writes += 1;
            buses.ports.write(port.into(), data);
        }
        VcpuExit::MmioRead(address, data) => {
            exits.memory_reads += 1;
            buses.memory.read(address, data);
        }
        VcpuExit::MmioWrite(address, data) => {
            exits.memory_writes += 1;
            buses.memory.write(address, data);
        }
        other => {
            exits.other += 1;
            return end_of(&other);
        }
    }
    None
}

/// The end of the machine that an exit means, if it does.
fn end_of(exit: &VcpuExit<'_>) -> Option<End> {
    // What a guest's firmware says where it is KVM that plays the firmware (KVM API, KVM_EXIT_SYSTEM_EVENT).
    const SHUTDOWN: u32 = 1;
    const RESET: u32 = 2;
    const CRASH: u32 = 3;
    match exit {
        VcpuExit::Shutdown => Some(End::TripleFault),
        VcpuExit::SystemEvent(SHUTDOWN, _) => Some(End::PowerOff),
        VcpuExit::SystemEvent(RESET, _) => Some(End::Reset),
        VcpuExit::SystemEvent(CRASH, _) => Some(End::Panic),
        VcpuExit::FailEntry(reason, cpu) => {
            Some(End::HostFault(format!("the CPU refused to enter the guest (reason {reason:#x}, CPU {cpu})")))
        }
        VcpuExit::Hlt | VcpuExit::Intr | VcpuExit::IrqWindowOpen | VcpuExit::IoapicEoi(_) => None,
        other => Some(End::HostFault(format!("it came back for a reason that Ovum does not know ({other:?})"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_counted_and_answered() {
        let (buses, mut exits) = (Buses::default(), ExitCounts::default());
        let mut data = [0; 4];
        assert_eq!(handle(VcpuExit::MmioRead(0xd000_0000, &mut data), &buses, &mut exits), None);
        assert_eq!(data, [0xff; 4], "an empty bus floats");
        assert_eq!(handle(VcpuExit::Shutdown, &buses, &mut exits), Some(End::TripleFault));
        assert_eq!(exits, ExitCounts { memory_reads: 1, other: 1, ..Default::default() });
    }

    #[test]
    fn what_kvm_cannot_do_is_the_hosts_fault() {
        assert!(matches!(end_of(&VcpuExit::FailEntry(7, 0)), Some(End::HostFault(_))));
        assert_eq!(end_of(&VcpuExit::Hlt), None);
    }
}
