//! Licences: shown, and accepted once for each package.
//!
//! What was accepted is remembered as an empty file, named by the digest of the package's descriptor, in the user's state
//! folder.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;

use ovum_boot::ovf::Appliance;
use ovum_boot::ovf::appliance::{About, Content};

use crate::failure::Failure;
use crate::folders;

/// The longest answer that is read.
const ANSWER_LIMIT: u64 = 100;

/// Sees to it that whoever starts `appliance` has accepted its licences. `digest` is that of its descriptor, in hex.
///
/// # Errors
/// When they were not accepted.
pub fn settle(appliance: &Appliance, digest: &str, accepted: bool) -> Result<(), Failure> {
    let eulas = of(appliance);
    let folder = folders::of_user("XDG_STATE_HOME", ".local/state");
    let memory = folder.map(|folder| folder.join("accepted-licences").join(digest));
    if eulas.is_empty() || memory.as_ref().is_some_and(|memory| memory.exists()) {
        return Ok(());
    }
    if !accepted && !ask(&eulas)? {
        return Err(Failure::usage(
            "the licence of this package was not accepted",
            "read it in a terminal and answer yes, or give --accept-eula",
        ));
    }
    if let Some(Err(error)) = memory.map(remember) {
        log::warn!("that the licence was accepted cannot be remembered: {error}");
    }
    Ok(())
}

/// The licences of all machines and collections, each text once.
fn of(appliance: &Appliance) -> Vec<&str> {
    let mut eulas: Vec<&str> = Vec::new();
    appliance.content.visit(&mut |content| {
        let about: &About = match content {
            Content::System(system) => &system.about,
            Content::Collection(collection) => &collection.about,
        };
        for eula in &about.eulas {
            if !eulas.contains(&eula.as_str()) {
                eulas.push(eula);
            }
        }
    });
    eulas
}

fn remember(file: PathBuf) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, "")
}

/// Shows the licences to the person at the terminal; without one, nobody can accept.
fn ask(eulas: &[&str]) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(false);
    }
    let question = || -> io::Result<bool> {
        let mut screen = io::stderr().lock();
        for eula in eulas {
            for line in eula.lines() {
                writeln!(screen, "{}", crate::report::printable(line))?;
            }
            writeln!(screen)?;
        }
        write!(screen, "Do you accept this licence? (yes/no) ")?;
        screen.flush()?;
        let mut answer = String::new();
        io::Read::take(io::stdin().lock(), ANSWER_LIMIT).read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    };
    question().map_err(|error| Failure::usage(format!("the terminal cannot be read: {error}"), "give --accept-eula"))
}
