//! StartupSection: the order in which the machines of a collection are started and stopped (DSP0243 9.7).

use std::collections::HashSet;

use super::appliance::{Content, Startup, StopAction};
use super::reader::Reader;
use super::units::shown;
use super::xml::Element;
use super::{DescriptorError, codes};

/// Reads the items of a section, in its order. `contents` is what they may name.
///
/// # Errors
/// When an item has no id, or a number that is none; when the section is not understood.
pub fn read(
    section: Element<'_>,
    contents: &[Content],
    reader: &mut Reader<'_>,
) -> Result<Vec<Startup>, DescriptorError> {
    if !reader.understands(section, &["Info", "Item"])? {
        return Ok(Vec::new());
    }
    let mut ids: HashSet<&str> = contents.iter().map(Content::id).collect();
    let mut items = Vec::new();
    for element in section.all("Item") {
        let id = element.word("id").ok_or_else(|| {
            element.attr_error(
                "id",
                "an item does not say whom it starts",
                "write the id of a machine of this collection",
            )
        })?;
        if !ids.remove(id) {
            let message =
                format!("\"{}\" is not in this collection, or is named twice; this item was ignored", shown(id));
            reader.warn(codes::STARTUP_ID, element, message);
            continue;
        }
        items.push(item(element, id, reader)?);
    }
    Ok(items)
}

fn item(element: Element<'_>, id: &str, reader: &mut Reader<'_>) -> Result<Startup, DescriptorError> {
    let number = |name: &str| {
        let value = element.number(name)?.unwrap_or(0);
        u32::try_from(value).map_err(|_| {
            let cause = format!("{value} is too big");
            element.attr_error(name, cause, format!("write a number up to {}", u32::MAX))
        })
    };
    let starts = match element.word("startAction") {
        Some("none") => false,
        None | Some("powerOn") => true,
        Some(other) => {
            let message = format!("the startAction \"{}\" is not known; powerOn is taken", shown(other));
            reader.warn(codes::STARTUP_VALUE, element, message);
            true
        }
    };
    let stop = match element.word("stopAction") {
        None | Some("powerOff") => StopAction::PowerOff,
        Some("guestShutdown") => StopAction::GuestShutdown,
        Some("none") => StopAction::None,
        Some(other) => {
            let message = format!("the stopAction \"{}\" is not known; powerOff is taken", shown(other));
            reader.warn(codes::STARTUP_VALUE, element, message);
            StopAction::PowerOff
        }
    };
    Ok(Startup {
        id: id.to_owned(),
        order: number("order")?,
        start_delay: number("startDelay")?,
        waiting_for_guest: element.boolean("waitingForGuest").unwrap_or(false),
        starts,
        stop_delay: number("stopDelay")?,
        stop,
    })
}
