//! Properties that must have a value before a machine starts: asked for at a terminal, and refused without one.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use ovum_boot::ovf::Appliance;
use ovum_boot::ovf::appliance::Content;
use ovum_boot::ovf::property::Property;

use crate::failure::Failure;
use crate::report::printable;
use crate::terminal::Silent;

/// The longest answer that is read, in bytes.
const ANSWER_LIMIT: u64 = 64 << 10;

/// Values for the properties without which the machines cannot start, as the person at the terminal gives them. Only those
/// of the machine `id` matter, where one is named, and of what it is in.
///
/// # Errors
/// When a value is missing, and nobody is there to be asked.
pub fn ask(appliance: &Appliance, id: Option<&str>) -> Result<Vec<(String, String)>, Failure> {
    let mut missing = Vec::new();
    collect(&appliance.content, id, &mut missing);
    let asks = io::stdin().is_terminal() && io::stderr().is_terminal();
    if let (Some(first), false) = (missing.first(), asks) {
        let keys: Vec<_> = missing.iter().map(|property| property.key.as_str()).collect();
        let what = if keys.len() == 1 { "the property" } else { "properties" };
        return Err(Failure::usage(
            format!("{what} {} must have a value before the start", super::check::shortened(&keys)),
            format!("give it with --set {}=VALUE, or --set-file {}=FILE", first.key, first.key),
        ));
    }
    missing.into_iter().map(|property| Ok((property.key.clone(), answer(property)?))).collect()
}

/// The properties without value of all that `id` is or is in; of all, without an id. Whether the machine is there.
fn collect<'a>(content: &'a Content, id: Option<&str>, missing: &mut Vec<&'a Property>) -> bool {
    let before = missing.len();
    let (about, below) = match content {
        Content::System(system) => (&system.about, &[][..]),
        Content::Collection(collection) => (&collection.about, collection.contents.as_slice()),
    };
    let is_missing = |property: &&Property| property.required && property.value.as_deref().is_none_or(str::is_empty);
    missing.extend(about.properties.iter().filter(is_missing));
    let is_it = id.is_none_or(|id| content.id() == id);
    let below = below.iter().filter(|content| collect(content, id, missing)).count() > 0;
    if !is_it && !below {
        missing.truncate(before);
    }
    is_it || below
}

/// Asks until the answer can be the property's value.
fn answer(property: &Property) -> Result<String, Failure> {
    loop {
        let value = question(property).map_err(|error| {
            Failure::usage(
                format!("the terminal cannot be read: {error}"),
                format!("give --set {}=VALUE", property.key),
            )
        })?;
        match property.check(&value) {
            Ok(()) => return Ok(value),
            Err(problem) => crate::report::to_stderr(&format!("{}\n", printable(&problem.to_string()))),
        }
    }
}

fn question(property: &Property) -> io::Result<String> {
    let mut screen = io::stderr().lock();
    if let Some(description) = &property.description {
        writeln!(screen, "{}", printable(description))?;
    }
    let label = property.label.as_ref().filter(|label| **label != property.key);
    let label = label.map(|label| format!(" ({})", printable(label))).unwrap_or_default();
    write!(screen, "{}{label}: ", printable(&property.key))?;
    screen.flush()?;
    let silent = if property.password { Some(Silent::enter()?) } else { None };
    let mut answer = String::new();
    let read = io::stdin().lock().take(ANSWER_LIMIT).read_line(&mut answer)?;
    if silent.is_some() {
        writeln!(screen)?;
    }
    if read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer.trim_end_matches(['\r', '\n']).to_owned())
}
