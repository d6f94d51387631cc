//! Several machines in one process, shown by bare-metal guests; see `payloads.rs`.

#![cfg(target_arch = "x86_64")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ovum_payloads::Payload;
use ovum_vmm::fleet::schedule::{Item, Unit};
use ovum_vmm::fleet::{Fleet, FleetEvent, Member, Outcome};
use ovum_vmm::{End, Explain, MachineConfig};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// The stream of all consoles, kept.
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

impl Transcript {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn member(folder: &TempDir, name: &str, payload: Payload) -> Member {
    let kernel = folder.path().join(payload.name());
    fs::write(&kernel, payload.elf()).unwrap();
    Member { name: name.into(), config: MachineConfig { memory: 8 << 20, ..MachineConfig::new(kernel) } }
}

/// One step for each member, which waits until the one before is ready or has ended.
fn in_turn(count: usize) -> Unit {
    let item = |number| Item { waiting_for_guest: true, start_delay: PATIENCE, ..Item::new(Unit::Machine(number)) };
    Unit::Group((0..count).map(|number| vec![item(number)]).collect())
}

fn has_kvm() -> bool {
    let opened = OpenOptions::new().read(true).write(true).open("/dev/kvm");
    opened.inspect_err(|error| eprintln!("skipped: /dev/kvm: {error}")).is_ok()
}

fn end(outcome: &Outcome) -> End {
    match outcome {
        Outcome::Ended(report) => report.end.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn machines_start_in_their_order_and_each_line_has_its_machine() {
    if !has_kvm() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let members = ["db", "app", "web"].map(|name| member(&folder, name, Payload::Hello));
    let order = Unit::Group(vec![
        vec![Item { waiting_for_guest: true, start_delay: PATIENCE, ..Item::new(Unit::Machine(2)) }],
        vec![Item { waiting_for_guest: true, start_delay: PATIENCE, ..Item::new(Unit::Machine(0)) }],
        vec![Item::new(Unit::Machine(1))],
    ]);
    let transcript = Transcript::default();
    let fleet = Fleet::build(&members, order, Box::new(transcript.clone()), Some(PATIENCE)).unwrap();
    let report = fleet.run(&mut |_| {});
    let said = ["web", "db ", "app"].map(|name| format!("{name} | hello from the guest\n"));
    assert_eq!(transcript.text(), said.concat());
    assert!(report.members.iter().all(|(_, outcome)| end(outcome) == End::PowerOff), "{report:?}");
}

#[test]
fn a_machine_that_crashes_leaves_the_others_alone() {
    if !has_kvm() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let members = [member(&folder, "bad", Payload::Panic), member(&folder, "good", Payload::Hello)];
    let transcript = Transcript::default();
    let fleet = Fleet::build(&members, in_turn(2), Box::new(transcript.clone()), Some(PATIENCE)).unwrap();
    let mut events = Vec::new();
    let report = fleet.run(&mut |event| {
        events.push(match event {
            FleetEvent::Started(name) => format!("{name} starts"),
            FleetEvent::Ended(name, outcome) => format!("{name}: {:?}", end(outcome)),
        });
    });
    assert_eq!(events, ["bad starts", "bad: Panic", "good starts", "good: PowerOff"]);
    assert_eq!(transcript.text(), "good | hello from the guest\n");
    assert_eq!(report.members.len(), 2);
}

#[test]
fn all_are_stopped_in_reverse_and_what_has_not_begun_never_does() {
    if !has_kvm() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let members = ["a", "b", "c"].map(|name| member(&folder, name, Payload::Halt));
    let item = |number, delay| Item { start_delay: delay, ..Item::new(Unit::Machine(number)) };
    let order = Unit::Group(vec![
        vec![item(0, Duration::ZERO)],
        vec![item(1, Duration::from_secs(3600))],
        vec![item(2, Duration::ZERO)],
    ]);
    let fleet = Fleet::build(&members, order, Box::new(io::sink()), Some(PATIENCE)).unwrap();
    let handle = fleet.handle();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        handle.stop();
    });
    let mut ended = Vec::new();
    let report = fleet.run(&mut |event| {
        if let FleetEvent::Ended(name, _) = event {
            ended.push(name.to_owned());
        }
    });
    assert_eq!(ended, ["b", "a"]);
    let outcomes: Vec<_> = report.members.iter().map(|(_, outcome)| outcome).collect();
    assert!(matches!(outcomes.as_slice(), [Outcome::Ended(_), Outcome::Ended(_), Outcome::NeverStarted]));
}

#[test]
fn the_time_limit_is_that_of_all() {
    if !has_kvm() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let members = ["a", "b"].map(|name| member(&folder, name, Payload::Spin));
    let order = Unit::Group(vec![vec![Item::new(Unit::Machine(0)), Item::new(Unit::Machine(1))]]);
    let fleet = Fleet::build(&members, order, Box::new(io::sink()), Some(Duration::from_millis(200))).unwrap();
    let began = Instant::now();
    let report = fleet.run(&mut |_| {});
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(report.members.iter().all(|(_, outcome)| end(outcome) == End::TimeLimit), "{report:?}");
}

#[test]
fn nothing_starts_when_one_cannot_be_built() {
    if !has_kvm() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let good = member(&folder, "good", Payload::Hello);
    let bad = Member { name: "bad".into(), config: MachineConfig::new("/nowhere/vmlinuz") };
    let error = Fleet::build(&[good, bad], in_turn(2), Box::new(io::sink()), None).err().unwrap();
    assert!(error.to_string().starts_with("machine bad: kernel /nowhere/vmlinuz: "), "{error}");
    assert!(!error.remedy().is_empty());
}
