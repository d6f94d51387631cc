//! GRUB's shell: runs a script, and collects the menu that it makes (grub-core/script/execute.c).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::commands;
use super::device::{self, Location};
use super::lexer::{Piece, Word};
use super::syntax::{Command, Reader, Script};
use super::variables::Variables;
use crate::loader::Limits;
use crate::loader::system::System;

/// Calls, files and constructs may lie so deep in each other.
const MAX_DEPTH: usize = 48;
/// The most words that one command may have.
const MAX_WORDS: usize = 8192;
/// The most bytes that the words of one command may have together.
const MAX_WORD_BYTES: usize = 256 << 10;
/// So many bytes that are copied count as one step.
const BYTES_PER_STEP: usize = 64;

/// An entry of a menu, not yet run.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub title: String,
    pub id: String,
    /// What its script is given as `$1` and so on.
    pub arguments: Vec<String>,
    pub body: Script,
    pub submenu: bool,
}

/// What is loaded, to be started when the script is at its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Loaded {
    /// The kernel and the words behind it.
    pub kernel: Option<(Location, Vec<String>)>,
    pub initrds: Vec<Location>,
    /// What is loaded instead of a kernel, and what went wrong.
    pub other: Option<String>,
}

/// Where a script goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    /// Out of so many loops.
    Break(u32),
    /// On with the loop that is so many further out.
    Continue(u32),
    /// Out of the function.
    Return,
    /// The script is over: something boots, another menu takes its place, a limit is reached.
    End,
}

/// A shell at work.
#[derive(Debug)]
pub(super) struct Shell<'s> {
    pub system: &'s System,
    pub limits: &'s Limits,
    pub variables: Variables,
    pub functions: Arc<BTreeMap<String, Script>>,
    pub items: Vec<Item>,
    pub loaded: Loaded,
    /// `$1` and so on.
    pub arguments: Vec<String>,
    /// 0: the last command succeeded.
    pub status: i32,
    /// Whether `boot` was said.
    pub booted: bool,
    /// A file that took this one's place, to be read in a new shell with the exported variables.
    pub next_file: Option<Location>,
    /// Whether entries came from `blscfg`.
    pub has_bls: bool,
    depth: usize,
}

impl<'s> Shell<'s> {
    pub fn new(system: &'s System, limits: &'s Limits, variables: Variables) -> Self {
        Self {
            system,
            limits,
            variables,
            functions: Arc::default(),
            items: Vec::new(),
            loaded: Loaded::default(),
            arguments: Vec::new(),
            status: 0,
            booted: false,
            next_file: None,
            has_bls: false,
            depth: 0,
        }
    }

    /// A shell for what goes on within this one's world, an entry or another file, and leaves no traces here.
    pub fn inner(&self, variables: Variables) -> Self {
        self.limits.spend(variables.bytes() / BYTES_PER_STEP);
        let functions = self.functions.clone();
        Self {
            functions,
            depth: self.depth + 1,
            has_bls: self.has_bls,
            ..Self::new(self.system, self.limits, variables)
        }
    }

    /// What a variable has; nothing if there is none.
    pub fn value(&self, name: &str) -> &str {
        self.variables.get(name).unwrap_or_default()
    }

    /// Where a name of a file leads.
    pub fn locate(&self, name: &str) -> Option<Location> {
        device::locate(self.system, name, self.value("root"))
    }

    /// Says what went wrong, with the place of the configuration file.
    pub fn note(&self, what: &str) {
        self.limits.note(&format!("GRUB: {what}"));
    }

    /// Reads and runs a file.
    pub fn run_file(&mut self, file: &Location) -> Flow {
        match self.system.text(file.volume, &file.path) {
            Ok(text) => {
                self.limits.read(text.len());
                self.run_text(&text, &file.path)
            }
            Err(problem) => {
                self.note(&problem);
                self.status = 1;
                Flow::Next
            }
        }
    }

    /// Reads and runs a script, line by line.
    pub fn run_text(&mut self, text: &str, name: &str) -> Flow {
        self.deeper(|shell| {
            let mut reader = Reader::new(text);
            while let Some(line) = reader.line() {
                if !shell.limits.step() {
                    return Flow::End;
                }
                match line {
                    Ok(script) => match shell.run(&script) {
                        Flow::End => return Flow::End,
                        Flow::Return => return Flow::Next,
                        Flow::Next | Flow::Break(_) | Flow::Continue(_) => {}
                    },
                    Err(problem) => shell.note(&format!("{name}: {problem}")),
                }
            }
            Flow::Next
        })
    }

    /// Runs what may call itself; up to a limit.
    fn deeper(&mut self, run: impl FnOnce(&mut Self) -> Flow) -> Flow {
        if self.depth >= MAX_DEPTH {
            self.limits.end("a script of GRUB calls itself without end");
            return Flow::End;
        }
        self.depth += 1;
        let flow = run(self);
        self.depth -= 1;
        flow
    }

    /// Runs commands, one after the other.
    pub fn run(&mut self, script: &[Command]) -> Flow {
        for command in script {
            if !self.limits.step() {
                return Flow::End;
            }
            let flow = self.deeper(|shell| shell.command(command));
            if flow != Flow::Next {
                return flow;
            }
        }
        Flow::Next
    }

    fn command(&mut self, command: &Command) -> Flow {
        match command {
            Command::Simple { words, block } => {
                let words = self.expand(words);
                self.simple(words, block.as_ref())
            }
            Command::If { arms, otherwise } => {
                for (condition, body) in arms {
                    let flow = self.run(condition);
                    if flow != Flow::Next {
                        return flow;
                    }
                    if self.status == 0 {
                        return self.run(body);
                    }
                }
                self.status = 0;
                otherwise.as_ref().map_or(Flow::Next, |body| self.run(body))
            }
            Command::For { name, words, body } => {
                for word in self.expand(words) {
                    self.set(name, &word);
                    match self.run(body) {
                        Flow::Next | Flow::Continue(0..=1) => {}
                        flow => return leave_loop(flow),
                    }
                }
                Flow::Next
            }
            Command::While { condition, until, body } => loop {
                let flow = self.run(condition);
                if flow != Flow::Next {
                    return flow;
                }
                if (self.status == 0) == *until {
                    self.status = 0;
                    return Flow::Next;
                }
                match self.run(body) {
                    Flow::Next | Flow::Continue(0..=1) => {}
                    flow => return leave_loop(flow),
                }
            },
            Command::Function { name, body } => {
                Arc::make_mut(&mut self.functions).insert(name.clone(), body.clone());
                self.status = 0;
                Flow::Next
            }
        }
    }

    /// Runs a command or a function, or gives a variable its value.
    pub fn simple(&mut self, mut words: Vec<String>, block: Option<&Script>) -> Flow {
        let inverted = words.first().is_some_and(|word| word == "!");
        if inverted {
            words.remove(0);
        }
        let Some((name, arguments)) = words.split_first() else { return Flow::Next };
        let flow = match commands::run(self, name, arguments, block) {
            Some(flow) => flow,
            None => match self.functions.get(name).cloned() {
                Some(body) => self.call(&body, arguments.to_vec()),
                None => {
                    match name.split_once('=') {
                        Some((name, value)) => self.set(name, value),
                        None => self.note(&format!("`{name}` is no command that is known")),
                    }
                    // GRUB says so on the screen, and goes on as if all were well.
                    self.status = 0;
                    Flow::Next
                }
            },
        };
        if inverted {
            self.status = i32::from(self.status == 0);
        }
        flow
    }

    /// Runs a function's or an entry's commands with arguments of its own.
    pub fn call(&mut self, body: &Script, arguments: Vec<String>) -> Flow {
        let outer = std::mem::replace(&mut self.arguments, arguments);
        self.status = 0;
        let flow = self.run(body);
        self.arguments = outer;
        if flow == Flow::End { Flow::End } else { Flow::Next }
    }

    pub fn set(&mut self, name: &str, value: &str) {
        if !self.variables.set(name, value) {
            self.limits.end("the variables of GRUB's script have too many bytes");
        }
    }

    /// Puts variables in, and splits at blanks what they have where they do not stand in quotes.
    fn expand(&self, words: &[Word]) -> Vec<String> {
        let mut expanded = Vec::new();
        let mut bytes = 0;
        for word in words {
            let mut current: Option<String> = None;
            for piece in &word.0 {
                bytes += match piece {
                    Piece::Bare(text) | Piece::Quoted(text) => {
                        current.get_or_insert_default().push_str(text);
                        text.len()
                    }
                    Piece::Variable { name, quoted } => self.put_in(name, *quoted, &mut current, &mut expanded),
                };
                if bytes > MAX_WORD_BYTES || expanded.len() > MAX_WORDS {
                    self.limits.end("a command of GRUB's script is too long");
                    return Vec::new();
                }
            }
            expanded.extend(current);
        }
        self.limits.spend(bytes / BYTES_PER_STEP);
        expanded
    }

    /// Puts in what a variable has, and says how many bytes that were.
    fn put_in(&self, name: &str, quoted: bool, current: &mut Option<String>, expanded: &mut Vec<String>) -> usize {
        let values: Vec<String> = match name {
            "@" => self.arguments.clone(),
            "*" if quoted => vec![self.arguments.join(" ")],
            "*" => self.arguments.clone(),
            "#" => vec![self.arguments.len().to_string()],
            "?" => vec![self.status.to_string()],
            name if name.starts_with(|character: char| character.is_ascii_digit()) => {
                let index = name.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                index.and_then(|index| self.arguments.get(index)).cloned().into_iter().collect()
            }
            name => self.variables.get(name).map(str::to_owned).into_iter().collect(),
        };
        let parts: Vec<&str> = if quoted {
            values.iter().map(String::as_str).collect()
        } else {
            values.iter().flat_map(|value| value.split_ascii_whitespace()).collect()
        };
        for (index, part) in parts.into_iter().enumerate() {
            if index > 0 {
                expanded.extend(current.take());
            }
            current.get_or_insert_default().push_str(part);
        }
        values.iter().map(String::len).sum()
    }
}

/// What `break` and `continue` mean for the loops around the one that they leave.
fn leave_loop(flow: Flow) -> Flow {
    match flow {
        Flow::Break(0..=1) => Flow::Next,
        Flow::Break(count) => Flow::Break(count - 1),
        Flow::Continue(count) => Flow::Continue(count.saturating_sub(1)),
        flow => flow,
    }
}
