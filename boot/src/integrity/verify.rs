//! All files of a package against their digests: what takes as long as reading them does.

use std::collections::{HashMap, HashSet};
use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Instant;

use ovum_disk::storage::{MAX_CHUNKS, Storage};

use super::digest::{Algorithm, Digest, hex};
use super::manifest::{Entry, Manifest};
use super::read::{Buffer, Source};
use crate::ovf::appliance::FileReference;
use crate::package::{Kind, Package, PackageError, PackageProblem, name};

/// The most threads that digest: each has a buffer of a MiB.
const MAX_THREADS: usize = 16;

/// How much of the host is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As many files at a time, as fast as they can be read.
    Full(NonZero<usize>),
    /// For the background: one file at a time, half of the time, and the page cache is left to others.
    Gentle,
}

/// What came of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCheck {
    /// Its name, as the manifest or the descriptor writes it.
    pub name: String,
    /// Its size in bytes, where it is there.
    pub size: Option<u64>,
    /// Its line in the manifest, from 1.
    pub line: Option<usize>,
    /// Whether the descriptor refers to it.
    pub is_referenced: bool,
    /// What came of it.
    pub state: FileState,
}

/// What a file is, compared with what is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileState {
    /// It has the digest that the manifest says.
    Right,
    /// It has another one; both in hexadecimal digits.
    Wrong {
        /// How the digest is made.
        algorithm: Algorithm,
        /// What the manifest says.
        expected: String,
        /// What it is.
        found: String,
    },
    /// It is not there.
    Missing,
    /// No digest is known of it.
    NotListed,
    /// It has another size than `ovf:size` says, in bytes.
    OtherSize {
        /// What the descriptor says.
        declared: u64,
        /// What it has.
        found: u64,
    },
    /// It cannot be read; in one line.
    Unreadable(String),
    /// The check was stopped before it was done.
    Stopped,
}

impl FileCheck {
    /// Whether the package is not what it should be.
    #[must_use]
    pub fn is_problem(&self) -> bool {
        !matches!(self.state, FileState::Right | FileState::NotListed | FileState::Stopped)
    }
}

/// What is to be read of a package. Holds names, and no open files.
#[derive(Debug)]
pub struct Plan<'p> {
    package: &'p Package,
    /// What is known before anything is read.
    checks: Vec<FileCheck>,
    /// What is to be read, by its place in `checks`; the largest first, so that threads end at the same time.
    tasks: Vec<Task>,
}

#[derive(Debug)]
struct Task {
    index: usize,
    size: u64,
    algorithm: Algorithm,
    expected: Vec<u8>,
}

impl<'p> Plan<'p> {
    /// What there is to check by `manifest`, and by the References of the descriptor, which are `files`.
    #[must_use]
    pub fn new(package: &'p Package, manifest: Option<&Manifest>, files: &[FileReference]) -> Self {
        let referenced = References::new(files);
        let mut plan = Self { package, checks: Vec::new(), tasks: Vec::new() };
        let mut seen = HashMap::new();
        for entry in manifest.iter().flat_map(|manifest| &manifest.entries) {
            plan.add_entry(entry, &referenced, &mut seen);
        }
        let listed: HashSet<String> = plan.checks.iter().flat_map(|check| meanings(&check.name)).collect();
        let mut said = HashSet::new();
        for file in files.iter().filter(|file| said.insert(file.href.as_str())) {
            plan.add_reference(file, &listed);
        }
        plan.add_others(&listed, &referenced);
        plan.tasks.sort_by_key(|task| std::cmp::Reverse(task.size));
        plan
    }

    /// How many bytes will be read.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.tasks.iter().fold(0, |total, task| total.saturating_add(task.size))
    }

    fn add_entry(&mut self, entry: &Entry, referenced: &References, seen: &mut HashMap<(String, Algorithm), usize>) {
        let index = self.checks.len();
        let is_referenced = entry.name == self.package.descriptor_name() || referenced.has(&entry.name);
        let mut check = FileCheck {
            name: entry.name.clone(),
            size: None,
            line: Some(entry.line),
            is_referenced,
            state: FileState::Stopped,
        };
        match self.package.storage(&entry.name) {
            Ok(storage) => {
                check.size = Some(storage.size());
                // Else a short manifest could ask for the same disk a hundred thousand times.
                match seen.insert((storage.name(), entry.algorithm), entry.line) {
                    Some(line) => {
                        check.state = FileState::Unreadable(format!("it is listed in line {line} under another name"));
                    }
                    None => {
                        let (size, algorithm, expected) = (storage.size(), entry.algorithm, entry.digest.clone());
                        self.tasks.push(Task { index, size, algorithm, expected });
                    }
                }
            }
            Err(error) => check.state = state_of(&error),
        }
        self.checks.push(check);
    }

    fn add_reference(&mut self, file: &FileReference, listed: &HashSet<String>) {
        let is_listed = chunk_names(file).all(|name| is_any_of(&name, listed));
        let (size, state) = match self.package.file(file) {
            Ok(_) if is_listed => return,
            Ok(storage) => (Some(storage.size()), FileState::NotListed),
            // That was said already, of the line in the manifest.
            Err(error) if is_listed && !matches!(error.problem(), PackageProblem::OtherSize { .. }) => return,
            Err(error) => (None, state_of(&error)),
        };
        self.checks.push(FileCheck { name: file.href.clone(), size, line: None, is_referenced: true, state });
    }

    /// What lies in an archive and nobody mentions. Beside an .ovf, anything may lie.
    fn add_others(&mut self, listed: &HashSet<String>, referenced: &References) {
        if self.package.kind() == Kind::Folder {
            return;
        }
        let own = self.package.descriptor_name();
        for member in self.package.members().unwrap_or_default() {
            let is_its_own = ["mf", "cert"].iter().any(|ending| name::has_ending(&member.name, ending));
            if is_its_own || is_any_of(&member.name, listed) || referenced.has(&member.name) {
                continue;
            }
            let is_referenced = member.name == own;
            let state = FileState::NotListed;
            self.checks.push(FileCheck {
                name: member.name,
                size: Some(member.size),
                line: None,
                is_referenced,
                state,
            });
        }
    }

    /// What is known before anything is read: files that are missing, or have another size.
    #[must_use]
    pub fn checks(&self) -> &[FileCheck] {
        &self.checks
    }

    /// Reads all files and compares them, until `stop` is set. `progress` is told, on this thread, how many bytes are done.
    ///
    /// # Errors
    /// When the host gives no thread.
    pub fn run(self, pace: Pace, stop: &AtomicBool, progress: &mut dyn FnMut(u64)) -> io::Result<Vec<FileCheck>> {
        self.run_watched(pace, stop, progress, &mut |_| {})
    }

    /// As [`Plan::run`]; `found` is told, on this thread, of each file that was read, as soon as it was.
    ///
    /// # Errors
    /// When the host gives no thread.
    pub fn run_watched(
        mut self,
        pace: Pace,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(u64),
        found: &mut dyn FnMut(&FileCheck),
    ) -> io::Result<Vec<FileCheck>> {
        let threads = match pace {
            Pace::Full(threads) => threads.get().min(MAX_THREADS),
            Pace::Gentle => 1,
        };
        let next = AtomicUsize::new(0);
        let worker =
            Worker { package: self.package, tasks: &self.tasks, checks: &self.checks, next: &next, stop, pace };
        let (tell, told) = mpsc::channel();
        let states = thread::scope(|scope| {
            let mut started = Ok(());
            for number in 0..threads.min(self.tasks.len()) {
                let (worker, tell) = (&worker, tell.clone());
                let made = thread::Builder::new().name("verify".into()).spawn_scoped(scope, move || worker.work(&tell));
                match made {
                    Ok(_) => (),
                    // Fewer are slower, and that is all.
                    Err(_) if number > 0 => break,
                    Err(error) => started = Err(error),
                }
            }
            drop(tell);
            let mut done = 0_u64;
            let mut states = Vec::new();
            for message in told {
                match message {
                    Message::Read(bytes) => {
                        done = done.saturating_add(bytes);
                        progress(done);
                    }
                    Message::Done(index, state) => {
                        if let Some(check) = self.checks.get(index) {
                            found(&FileCheck { state: state.clone(), ..check.clone() });
                        }
                        states.push((index, state));
                    }
                }
            }
            started.map(|()| states)
        })?;
        for (index, state) in states {
            if let Some(check) = self.checks.get_mut(index) {
                check.state = state;
            }
        }
        Ok(self.checks)
    }
}

enum Message {
    /// So many more bytes.
    Read(u64),
    /// A file, by its place.
    Done(usize, FileState),
}

struct Worker<'w> {
    package: &'w Package,
    tasks: &'w [Task],
    checks: &'w [FileCheck],
    next: &'w AtomicUsize,
    stop: &'w AtomicBool,
    pace: Pace,
}

impl Worker<'_> {
    fn work(&self, tell: &Sender<Message>) {
        let mut buffer = Buffer::new();
        while let Some(task) = self.tasks.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let Some(check) = self.checks.get(task.index) else { return };
            let state = match self.package.storage(&check.name) {
                Err(error) => state_of(&error),
                Ok(storage) => match self.digest(storage.as_ref(), task.algorithm, &mut buffer, tell) {
                    Ok(None) => return,
                    Ok(Some(found)) if found == task.expected => FileState::Right,
                    Ok(Some(found)) => {
                        let (expected, found) = (hex(&task.expected), hex(&found));
                        FileState::Wrong { algorithm: task.algorithm, expected, found }
                    }
                    Err(error) => FileState::Unreadable(error.to_string()),
                },
            };
            // Nobody listens only when all is over.
            let _ = tell.send(Message::Done(task.index, state));
        }
    }

    /// The digest of all bytes, or nothing when it was stopped.
    fn digest(
        &self,
        storage: &dyn Storage,
        algorithm: Algorithm,
        buffer: &mut Buffer,
        tell: &Sender<Message>,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut digest = Digest::new(algorithm);
        let mut source = if self.pace == Pace::Gentle { Source::direct(storage) } else { Source::cached(storage) };
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let began = Instant::now();
            let piece = source.next(buffer)?;
            if piece.is_empty() {
                return Ok(Some(digest.finish()));
            }
            digest.update(piece);
            let _ = tell.send(Message::Read(piece.len() as u64));
            if self.pace == Pace::Gentle {
                thread::sleep(began.elapsed());
            }
        }
    }
}

fn state_of(error: &PackageError) -> FileState {
    match error.problem() {
        PackageProblem::NoSuchFile(_) => FileState::Missing,
        PackageProblem::OtherSize { declared, found, .. } => {
            FileState::OtherSize { declared: *declared, found: *found }
        }
        problem => FileState::Unreadable(problem.to_string()),
    }
}

/// The names of a file's chunks, or its own.
fn chunk_names(file: &FileReference) -> impl Iterator<Item = String> + '_ {
    let chunks = match (file.chunk_size, file.size) {
        (Some(chunk), Some(size)) if chunk > 0 => size.div_ceil(chunk).clamp(1, MAX_CHUNKS),
        // As many as are there; the first tells whether they are meant at all.
        (Some(_), _) => 1,
        (None, _) => 0,
    };
    let whole = (chunks == 0).then(|| file.href.clone());
    whole.into_iter().chain((0..chunks).map(|number| format!("{}.{number:09}", file.href)))
}

/// All names under which files of the descriptor may lie in the package.
struct References {
    whole: HashSet<String>,
    /// Those of files that are cut into chunks, without the chunks' numbers.
    chunked: HashSet<String>,
}

impl References {
    fn new(files: &[FileReference]) -> Self {
        let (chunked, whole): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.chunk_size.is_some());
        let names = |files: Vec<&FileReference>| files.iter().flat_map(|file| meanings(&file.href)).collect();
        Self { whole: names(whole), chunked: names(chunked) }
    }

    fn has(&self, name: &str) -> bool {
        let chunk = name.rsplit_once('.').filter(|(_, number)| number.bytes().all(|digit| digit.is_ascii_digit()));
        is_any_of(name, &self.whole) || chunk.is_some_and(|(name, _)| is_any_of(name, &self.chunked))
    }
}

/// The paths in the package that a name may stand for.
fn meanings(name: &str) -> Vec<String> {
    name::candidates(name).into_iter().map(|name| name::resolve("", &name).unwrap_or(name)).collect()
}

fn is_any_of(name: &str, names: &HashSet<String>) -> bool {
    names.contains(name) || meanings(name).iter().any(|name| names.contains(name))
}
