//! Ovum's library: describe a machine, build it, run it, and learn how it ended.
//!
//! ```text
//! MachineConfig --Machine::build--> BuiltMachine --start--> RunningMachine --wait--> Report
//! ```
//!
//! * [`config`]: what machine is wanted. Plain data.
//! * [`plan`]: what would be built from it, without building it (`ovum run --dry-run`).
//! * [`builder`]: the assembly, an ordered list of steps, each in a file of its own.
//! * [`machine`]: the states of a machine and what leads from one to the next.
//! * [`appliance`]: from an OVF package to machines.
//! * [`fleet`]: several machines at a time.
//! * [`vcpu`]: the threads that run guest code.
//! * [`console`]: the guest's serial port, and what its output tells about the boot.
//! * [`timeline`]: when each step of a boot happened.
//! * [`host`]: what this host can do (`ovum doctor`); [`kvm`]: what a machine needs of it.
//!
//! The library returns: it never ends the process, installs no signal handler, and logs through the `log` facade.
//! Start reading at [`builder::build`].

pub mod appliance;
pub mod builder;
mod buses;
mod clock;
pub mod config;
pub mod console;
mod ending;
mod event_loop;
pub mod failure;
pub mod fleet;
#[cfg(any(test, feature = "test-support"))]
pub mod fuzz;
pub mod host;
pub mod kvm;
pub mod machine;
pub mod plan;
pub mod timeline;
pub mod vcpu;

pub use config::{DiskConfig, MachineConfig};
pub use console::Console;
pub use ending::End;
pub use failure::{Blame, Explain};
pub use machine::{BuiltMachine, Machine, Report, RunningMachine, StopHandle};
pub use timeline::{Event, Timeline};
