//! The lives of the vCPU threads: spawned together, kicked, joined.

use std::io;
use std::thread::{Builder, JoinHandle};

use kvm_ioctls::VcpuFd;
use vmm_sys_util::signal::Killable;

use super::{Context, ExitCounts, kick, run};
use crate::ending::End;
use crate::timeline::Event;

/// A vCPU thread calls nothing deep.
const STACK: usize = 256 << 10;

/// The running vCPUs of a machine. Dropping it ends the machine.
pub(crate) struct VcpuThreads {
    threads: Vec<JoinHandle<ExitCounts>>,
    context: Context,
}

impl VcpuThreads {
    /// Starts a thread for each vCPU. The first begins with guest code at once; the others wait inside KVM to be woken
    /// by it, and if it wakes one whose thread is not there yet, KVM remembers.
    pub(crate) fn spawn(vcpus: Vec<VcpuFd>, context: &Context) -> io::Result<Self> {
        let mut all = Self { threads: Vec::with_capacity(vcpus.len()), context: context.clone() };
        let _blocked = kick::Blocked::new()?;
        for (index, vcpu) in vcpus.into_iter().enumerate() {
            let context = context.clone();
            let builder = Builder::new().name(format!("vcpu{index}")).stack_size(STACK);
            all.threads.push(builder.spawn(move || live(index, vcpu, &context))?);
        }
        Ok(all)
    }

    /// Brings every vCPU back and waits for it. The machine must be ending already.
    pub(crate) fn join(mut self) -> ExitCounts {
        self.stop()
    }

    fn stop(&mut self) -> ExitCounts {
        let mut sum = ExitCounts::default();
        for thread in &self.threads {
            // Fails only when the thread has ended.
            let _ = thread.kill(kick::signal());
        }
        for thread in self.threads.drain(..) {
            if let Ok(exits) = thread.join() {
                sum.add(&exits);
            }
        }
        sum
    }
}

impl Drop for VcpuThreads {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.context.ending.signal(End::Stopped);
            self.stop();
        }
    }
}

/// A vCPU thread from its beginning to its end.
fn live(index: usize, mut vcpu: VcpuFd, context: &Context) -> ExitCounts {
    let _guard = PanicGuard(context);
    if let Err(error) = kick::prepare(&vcpu) {
        context.ending.signal(End::HostFault(format!("vCPU {index} could not take signals: {error}")));
    }
    if index == 0 {
        context.timeline.mark(Event::FirstInstruction);
    }
    run(&mut vcpu, context)
}

/// Ends the machine when its thread panics: in a program that unwinds, nobody else would.
struct PanicGuard<'a>(&'a Context);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.ending.signal(End::HostFault("a vCPU's thread panicked".into()));
        }
    }
}
