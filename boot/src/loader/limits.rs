//! What reading boot loaders' files may cost, and what was odd in them.

use std::cell::{Cell, RefCell};

/// The most steps that all scripts together may take.
const MAX_STEPS: usize = 50_000;
/// The most notes that are kept.
const MAX_NOTES: usize = 64;
/// The most bytes of a note that are kept.
const MAX_NOTE: usize = 300;

/// Counts steps and entries, and keeps notes.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    steps: Cell<usize>,
    entries: Cell<usize>,
    ended: RefCell<Option<String>>,
    notes: RefCell<Vec<String>>,
}

impl Limits {
    /// Counts a step; false if there may be no more.
    pub fn step(&self) -> bool {
        self.spend(1);
        self.ended.borrow().is_none()
    }

    /// Counts several steps.
    pub fn spend(&self, steps: usize) {
        self.steps.set(self.steps.get().saturating_add(steps));
        if self.steps.get() > MAX_STEPS {
            self.end("a boot loader's script does not end");
        }
    }

    /// Counts the bytes of a file that was read.
    pub fn read(&self, bytes: usize) {
        self.spend(bytes / 64);
    }

    /// Says that nothing may go on.
    pub fn end(&self, why: &str) {
        if self.ended.borrow().is_none() {
            self.note(why);
            *self.ended.borrow_mut() = Some(why.to_owned());
        }
    }

    /// Why nothing may go on.
    pub fn ended(&self) -> Option<String> {
        self.ended.borrow().clone()
    }

    /// Counts an entry of a menu; false if there may be no more.
    pub fn another_entry(&self, most: usize) -> bool {
        if self.entries.get() >= most {
            self.note(&format!("only the first {most} entries are looked at"));
            return false;
        }
        self.entries.set(self.entries.get() + 1);
        true
    }

    /// Keeps a note, once.
    pub fn note(&self, what: &str) {
        let what: String =
            what.chars().map(|character| if character.is_control() { ' ' } else { character }).take(MAX_NOTE).collect();
        let mut notes = self.notes.borrow_mut();
        if notes.len() < MAX_NOTES && !notes.contains(&what) {
            notes.push(what);
        }
    }

    /// All notes.
    pub fn notes(&self) -> Vec<String> {
        self.notes.borrow().clone()
    }
}
