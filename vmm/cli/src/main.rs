//! The command `ovum`: reads its arguments, calls the library, prints what came of it. It holds no machine logic.
//!
//! * [`args`]: what can be said on the command line, and its help.
//! * [`run`]: `ovum run`.
//! * [`appliance`]: `ovum inspect`, `verify` and `pack`, and what concerns packages.
//! * [`disk`]: `ovum disk`.
//! * [`doctor`]: `ovum doctor`.
//! * [`terminal`], [`keys`], [`signals`]: the person at the terminal, and those who end the process from outside.
//! * [`folders`]: where a user's files are.
//! * [`failure`]: why a command did not work; [`progress`]: how far it is.
//! * [`report`]: what is printed, and the exit status.

mod appliance;
mod args;
mod disk;
mod doctor;
mod failure;
mod folders;
mod keys;
mod logger;
mod progress;
mod report;
mod run;
mod signals;
mod terminal;
mod units;

use std::process::ExitCode;

use args::{Command, Parsed};
use ovum_vmm::Timeline;

fn main() -> ExitCode {
    let timeline = Timeline::start();
    logger::install();
    match args::parse() {
        Parsed::Command(Command::Run(run)) => run::run(&run, &timeline),
        Parsed::Command(Command::Inspect(inspect)) => appliance::inspect::run(&inspect),
        Parsed::Command(Command::Pack(pack)) => appliance::pack::run(&pack),
        Parsed::Command(Command::Verify(verify)) => appliance::verify::run(&verify),
        Parsed::Command(Command::Disk(disk)) => disk::run(&disk),
        Parsed::Command(Command::Doctor(doctor)) => doctor::run(&doctor),
        Parsed::Answered(status) => status,
    }
}
