//! A right package with bytes changed by chance, always the same chance.

use ovum_tests::limited::{self, Call, listing};

use crate::cases::{DISK, INSPECT, MINIMAL, RUN, VERIFY, lay_kernel};
use crate::integrity::right;
use crate::tar::Tar;

/// How many are tried. Each is a process or two.
const COUNT: u64 = 300;

/// xorshift64*: the same numbers on every machine.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }
}

/// What parsers of numbers, names and marks trip over.
const WORDS: [&str; 16] = [
    "<",
    ">",
    "&",
    "\"",
    "../",
    "-1",
    "18446744073709551615",
    "<!DOCTYPE x>",
    "<![CDATA[",
    "-->",
    "%00",
    "\0",
    "\u{feff}",
    "ovf:",
    "${a}",
    "</Item>",
];

fn mutate(bytes: &mut Vec<u8>, chance: &mut Chance) {
    let at = chance.below(bytes.len());
    match chance.below(7) {
        0 => bytes[at] = u8::try_from(chance.next() & 0xff).unwrap(),
        1 => bytes[at] ^= 1 << chance.below(8),
        2 => bytes.truncate(at.max(1)),
        3 => {
            let word = WORDS[chance.below(WORDS.len())];
            bytes.splice(at..at, word.bytes());
        }
        4 => {
            let end = (at + 1 + chance.below(64)).min(bytes.len());
            bytes.drain(at..end);
        }
        5 => {
            let end = (at + 1 + chance.below(600)).min(bytes.len());
            let copy = bytes[at..end].to_vec();
            let to = chance.below(bytes.len());
            bytes.splice(to..to, copy);
        }
        _ => {
            let other = chance.below(bytes.len());
            bytes.swap(at, other);
        }
    }
}

fn ends_well(call: &Call) -> Option<String> {
    match call.status {
        0 => None,
        1 | 3 if !call.errors.contains("panicked") => None,
        _ => call.refusal_lacks(""),
    }
}

#[test]
fn changed_by_chance_it_is_read_or_refused() {
    let archive = Tar::new().file("package.ovf", MINIMAL.as_bytes()).file("package.mf", right().as_bytes());
    let archive = archive.file("disk.vmdk", DISK).end();
    let folder = tempfile::tempdir().unwrap();
    lay_kernel(folder.path());
    let mut wrong = Vec::new();
    for seed in 1..=COUNT {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // Half of them in the descriptor alone: what changes a header of the archive is found before it is read.
        let (name, mut bytes) =
            if seed % 2 == 0 { ("package.ova", archive.clone()) } else { ("package.ovf", MINIMAL.as_bytes().to_vec()) };
        for _ in 0..=chance.below(4) {
            mutate(&mut bytes, &mut chance);
        }
        std::fs::write(folder.path().join(name), bytes).unwrap();
        std::fs::write(folder.path().join("disk.vmdk"), DISK).unwrap();
        let before = listing(folder.path()).unwrap();
        let commands = if seed % 10 < 2 { vec![INSPECT, VERIFY, RUN] } else { vec![INSPECT] };
        for command in commands {
            let problem = match limited::ovum(folder.path(), command.iter().copied().chain([name])) {
                Ok(call) => ends_well(&call),
                Err(failure) => Some(failure.to_string()),
            };
            wrong.extend(problem.map(|problem| format!("seed {seed}: {name}: {}: {problem}", command.join(" "))));
        }
        if listing(folder.path()).unwrap() != before {
            wrong.push(format!("seed {seed}: something was written"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
