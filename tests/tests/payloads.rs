//! What a machine does, shown by bare-metal guests of a few hundred bytes. They run in milliseconds on any `/dev/kvm`, one
//! that emulates instructions in software included; where there is none, each test says that it was skipped.

#![cfg(target_arch = "x86_64")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ovum_payloads::Payload;
use ovum_vmm::config::{CmdlineChoice, DiskFormat};
use ovum_vmm::{Console, DiskConfig, End, Machine, MachineConfig, RunningMachine, Timeline};
use tempfile::TempDir;

/// Long enough for a busy host; a guest that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A machine for one payload, described step by step.
struct Trial {
    folder: TempDir,
    config: MachineConfig,
    input: Option<File>,
}

/// How a trial ended, and what the guest said.
#[derive(Debug, PartialEq)]
struct Outcome {
    end: End,
    said: String,
}

/// The machine's console, kept.
#[derive(Clone, Default)]
struct Transcript(Arc<Mutex<Vec<u8>>>);

impl Write for Transcript {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Trial {
    /// A machine that starts `payload`; `None` with a message on hosts that run no machines.
    fn of(payload: Payload) -> Option<Self> {
        Self::of_kernel(&payload.elf())
    }

    fn of_kernel(kernel: &[u8]) -> Option<Self> {
        if let Err(error) = OpenOptions::new().read(true).write(true).open("/dev/kvm") {
            eprintln!("skipped: /dev/kvm: {error}");
            return None;
        }
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("kernel");
        fs::write(&path, kernel).unwrap();
        let config = MachineConfig { memory: 8 << 20, time_limit: Some(PATIENCE), ..MachineConfig::new(path) };
        Some(Self { folder, config, input: None })
    }

    fn disk(mut self, content: &[u8]) -> Self {
        let path = self.folder.path().join("disk");
        fs::write(&path, content).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(1 << 20).unwrap();
        self.config.disks.push(DiskConfig::new(path).with_format(DiskFormat::Raw));
        self
    }

    fn cpus(mut self, cpus: u32) -> Self {
        self.config.cpus = cpus;
        self.config.cmdline = CmdlineChoice::Append(format!("cpus={cpus}"));
        self
    }

    fn time_limit(mut self, limit: Duration) -> Self {
        self.config.time_limit = Some(limit);
        self
    }

    /// Types `text` as fast as the guest takes it.
    fn types(mut self, text: &str) -> Self {
        let (reader, mut writer) = io::pipe().unwrap();
        self.input = Some(File::from(OwnedFd::from(reader)));
        let text = text.to_owned();
        thread::spawn(move || writer.write_all(text.as_bytes()));
        self
    }

    fn start(mut self) -> (RunningMachine, Transcript, TempDir) {
        let transcript = Transcript::default();
        let console = Console { output: Box::new(transcript.clone()), input: self.input.take() };
        let machine = Machine::build(&self.config, console, &Timeline::start()).unwrap().start().unwrap();
        (machine, transcript, self.folder)
    }

    fn run(self) -> Outcome {
        let (machine, transcript, _folder) = self.start();
        let end = machine.wait().unwrap().end;
        let said = String::from_utf8(transcript.0.lock().unwrap().clone()).unwrap();
        Outcome { end, said }
    }
}

fn switched_off(said: &str) -> Outcome {
    Outcome { end: End::PowerOff, said: said.to_owned() }
}

fn silent(end: End) -> Outcome {
    Outcome { end, said: String::new() }
}

#[test]
fn a_guest_speaks_and_switches_off() {
    let Some(machine) = Trial::of(Payload::Hello) else { return };
    assert_eq!(machine.run(), switched_off("hello from the guest\n"));
}

#[test]
fn a_bzimage_starts_as_well() {
    let Some(machine) = Trial::of_kernel(&Payload::Hello.bzimage()) else { return };
    assert_eq!(machine.run(), switched_off("hello from the guest\n"));
}

#[test]
fn a_kernel_with_nothing_but_a_pvh_entry_starts_there() {
    let Some(machine) = Trial::of(Payload::Pvh) else { return };
    assert_eq!(machine.run(), switched_off("hello over pvh\n"));
}

#[test]
fn every_way_to_end_is_told_apart() {
    for (payload, end) in [
        (Payload::PowerOff, End::PowerOff),
        (Payload::ResetAcpi, End::Reset),
        (Payload::ResetKeyboard, End::Reset),
        (Payload::Panic, End::Panic),
        (Payload::TripleFault, End::TripleFault),
    ] {
        let Some(machine) = Trial::of(payload) else { return };
        assert_eq!(machine.run(), silent(end), "{}", payload.name());
    }
}

#[test]
fn a_guest_that_never_ends_meets_the_time_limit() {
    for payload in [Payload::Halt, Payload::Spin] {
        let Some(machine) = Trial::of(payload) else { return };
        let started = Instant::now();
        assert_eq!(machine.time_limit(Duration::from_millis(200)).run(), silent(End::TimeLimit), "{}", payload.name());
        assert!(started.elapsed() < Duration::from_secs(10), "{} ended late", payload.name());
    }
}

#[test]
fn a_running_machine_can_be_stopped_from_elsewhere() {
    for payload in [Payload::Halt, Payload::Spin] {
        let Some(machine) = Trial::of(payload) else { return };
        let (machine, _transcript, _folder) = machine.start();
        let handle = machine.stop_handle();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            handle.stop();
        });
        assert_eq!(machine.wait().unwrap().end, End::Stopped, "{}", payload.name());
    }
}

#[test]
fn the_console_takes_more_than_the_serial_ports_buffer_holds() {
    let Some(machine) = Trial::of(Payload::Echo) else { return };
    let text = format!("{}q", "The lazy dog. ".repeat(100));
    assert_eq!(machine.types(&text).run(), switched_off(&format!("ready\n{text}")));
}

#[test]
fn virtio_devices_say_who_they_are() {
    let Some(machine) = Trial::of(Payload::MmioIdentity) else { return };
    let outcome = machine.disk(b"").run();
    assert_eq!(outcome.end, End::PowerOff);
    let mut devices: Vec<&str> =
        outcome.said.lines().filter_map(|line| line.strip_prefix("74726976 00000002 ")).collect();
    devices.sort_unstable();
    assert_eq!(devices, ["00000002", "00000004"], "a disk and a source of random numbers: {}", outcome.said);
}

#[test]
fn a_disk_is_read_by_polling() {
    let Some(machine) = Trial::of(Payload::BlkRead) else { return };
    let outcome = machine.disk(b"sector 0 is here, and more").run();
    assert_eq!(outcome, switched_off("status 00000000\nsector 0 is here\n"));
}

#[test]
fn a_guest_without_a_disk_finds_none() {
    let Some(machine) = Trial::of(Payload::BlkRead) else { return };
    assert_eq!(machine.run(), switched_off("no disk\n"));
}

#[test]
fn the_other_cpus_start() {
    for cpus in [1, 2, 8, 64] {
        let Some(machine) = Trial::of(Payload::Smp) else { return };
        assert_eq!(machine.cpus(cpus).run(), switched_off(&format!("cpus {cpus:08x}\n")));
    }
}

mod hostile {
    use super::*;

    const READ: &str = "status 00000000\nsector 0 is here\n";

    #[test]
    fn accesses_of_any_size_anywhere_do_no_harm() {
        let Some(machine) = Trial::of(Payload::MmioHostile) else { return };
        assert_eq!(machine.disk(b"").run(), switched_off("survived\n"));
    }

    #[test]
    fn a_descriptor_loop_costs_the_guest_a_reset() {
        let Some(machine) = Trial::of(Payload::BlkLoop) else { return };
        assert_eq!(machine.disk(b"sector 0 is here").run(), switched_off(&format!("needs reset\n{READ}")));
    }

    #[test]
    fn a_buffer_outside_memory_is_not_touched() {
        let Some(machine) = Trial::of(Payload::BlkWild) else { return };
        let outcome = machine.disk(b"sector 0 is here").run();
        // The device may refuse the request, or the queue as a whole.
        let refused = ["status 00000001\n", "needs reset\n"].map(|refusal| switched_off(&format!("{refusal}{READ}")));
        assert!(refused.contains(&outcome), "{outcome:?}");
    }

    #[test]
    fn a_queue_that_is_in_use_stays_where_it_is() {
        let Some(machine) = Trial::of(Payload::BlkMovedQueue) else { return };
        assert_eq!(machine.disk(b"sector 0 is here").run(), switched_off(READ));
    }
}
