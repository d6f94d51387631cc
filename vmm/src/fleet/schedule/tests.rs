#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::BTreeSet;

use ovum_boot::ovf::appliance::System;

use super::*;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn machine(id: &str) -> Content {
    Content::System(Box::new(System { id: id.into(), ..System::default() }))
}

fn collection(id: &str, contents: Vec<Content>, startup: Vec<Startup>) -> Content {
    Content::Collection(Collection { id: id.into(), contents, startup, ..Collection::default() })
}

fn startup(id: &str, order: u32, start_delay: u32) -> Startup {
    Startup {
        id: id.into(),
        order,
        start_delay,
        waiting_for_guest: false,
        starts: true,
        stop_delay: 0,
        stop: StopAction::PowerOff,
    }
}

fn unit(content: &Content) -> Unit {
    Unit::of(content, &|id| NAMES.iter().position(|name| *name == id)).unwrap()
}

/// A start that is watched: seconds pass, guests get ready, and what starts is noted.
struct Watched {
    starting: Starting,
    began: Instant,
    ready: RefCell<BTreeSet<usize>>,
}

impl Watched {
    fn new(unit: &Unit) -> Self {
        Self { starting: Starting::new(unit), began: Instant::now(), ready: RefCell::default() }
    }

    /// What starts `seconds` after the beginning, and how many seconds after it somebody has to look again.
    fn at(&mut self, seconds: u64) -> (String, Option<u64>) {
        let ready = |number: usize| self.ready.borrow().contains(&number);
        let turn = self.starting.advance(self.began + Duration::from_secs(seconds), &ready);
        let names = turn.machines.iter().filter_map(|number| NAMES.get(*number).copied()).collect();
        (names, turn.again.map(|again| again.duration_since(self.began).as_secs()))
    }

    fn ready(&self, name: &str) {
        self.ready.borrow_mut().insert(NAMES.iter().position(|n| *n == name).unwrap());
    }
}

fn said(names: &str, again: Option<u64>) -> (String, Option<u64>) {
    (names.to_owned(), again)
}

#[test]
fn orders_follow_one_another_with_the_longest_delay_of_each() {
    let contents = NAMES.map(machine).to_vec();
    let orders = vec![startup("c", 2, 0), startup("a", 1, 5), startup("b", 1, 3), startup("d", 3, 9)];
    let mut start = Watched::new(&unit(&collection("all", contents, orders)));
    assert_eq!(start.at(0), said("ab", Some(3)));
    assert_eq!(start.at(4), said("", Some(5)));
    assert_eq!(start.at(5), said("cd", Some(14)), "c has no delay, so d follows at once");
    assert_eq!(start.at(14), said("ef", None), "those that nobody lists come last, together");
    assert_eq!(start.at(99), said("", None));
}

#[test]
fn a_guest_that_is_ready_shortens_the_wait() {
    let contents = vec![machine("a"), machine("b"), machine("c")];
    let waiting = |startup| Startup { waiting_for_guest: true, ..startup };
    let orders = vec![waiting(startup("a", 1, 60)), waiting(startup("b", 2, 0)), startup("c", 3, 0)];
    let mut start = Watched::new(&unit(&collection("all", contents.clone(), orders.clone())));
    assert_eq!(start.at(0), said("a", Some(60)));
    start.ready("a");
    assert_eq!(start.at(2), said("b", Some(122)), "no delay means until it is ready, but not for ever");
    start.ready("b");
    assert_eq!(start.at(3), said("c", None));

    let mut start = Watched::new(&unit(&collection("all", contents, orders)));
    assert_eq!(start.at(0), said("a", Some(60)));
    assert_eq!(start.at(60), said("b", Some(180)));
    assert_eq!(start.at(180), said("c", None));
}

#[test]
fn a_nested_collection_is_one_of_its_parents_items() {
    let inner = collection("inner", vec![machine("a"), machine("b")], vec![startup("a", 1, 4), startup("b", 2, 50)]);
    let contents = vec![inner, machine("c"), machine("d")];
    let orders = vec![startup("inner", 1, 10), startup("c", 1, 0), startup("d", 2, 0)];
    let mut start = Watched::new(&unit(&collection("all", contents, orders)));
    assert_eq!(start.at(0), said("ac", Some(4)));
    assert_eq!(start.at(4), said("b", Some(14)), "its own last delay waits for nobody; its parent's begins now");
    assert_eq!(start.at(14), said("d", None));
}

#[test]
fn what_shall_not_start_and_what_nobody_knows_is_left_out() {
    let contents = vec![machine("a"), machine("b"), collection("none", vec![], vec![])];
    let orders = vec![Startup { starts: false, ..startup("a", 1, 5) }, startup("nobody", 2, 5), startup("none", 3, 5)];
    let mut start = Watched::new(&unit(&collection("all", contents, orders)));
    assert_eq!(start.at(0), said("b", None));
    let empty = collection("all", vec![machine("elsewhere")], vec![]);
    assert_eq!(Unit::of(&empty, &|_| None), None);
}

fn stop_order(unit: &Unit) -> Vec<String> {
    let mut ended = BTreeSet::new();
    let mut turns = Vec::new();
    loop {
        let next = Stopping::new(unit).next(&|number| ended.contains(&number));
        if next.is_empty() {
            return turns;
        }
        turns.push(next.iter().filter_map(|number| NAMES.get(*number).copied()).collect());
        ended.extend(next);
    }
}

#[test]
fn machines_are_stopped_in_reverse() {
    let inner = collection("inner", vec![machine("a"), machine("b")], vec![startup("a", 1, 4), startup("b", 2, 0)]);
    let contents = vec![inner, machine("c"), machine("d"), machine("e")];
    let orders = vec![
        startup("inner", 1, 0),
        Startup { stop: StopAction::None, ..startup("c", 2, 0) },
        Startup { stop: StopAction::GuestShutdown, ..startup("d", 3, 0) },
    ];
    assert_eq!(stop_order(&unit(&collection("all", contents, orders))), ["e", "d", "b", "a", "c"]);
    assert_eq!(stop_order(&Unit::Machine(0)), ["a"]);
}
