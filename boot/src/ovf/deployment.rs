//! DeploymentOptionSection: configurations to choose from (DSP0243 9.8); NetworkSection (9.2).

use std::collections::HashSet;

use super::appliance::{Configuration, Network};
use super::reader::Reader;
use super::units::shown;
use super::xml::Element;
use super::{DescriptorError, codes};

/// How many names of a list are shown in a message.
const FEW: usize = 10;

/// Reads the configurations of one section.
///
/// # Errors
/// When a configuration has no id, or that of another, and when the section is not understood.
pub fn configurations(
    section: Element<'_>,
    list: &mut Vec<Configuration>,
    reader: &mut Reader<'_>,
) -> Result<(), DescriptorError> {
    if !reader.understands(section, &["Info", "Configuration"])? {
        return Ok(());
    }
    for element in section.all("Configuration") {
        let id = element.word("id").ok_or_else(|| {
            element.attr_error("id", "a configuration has no id", "give each configuration an id of its own")
        })?;
        if reader.configurations.insert(id.to_owned(), list.len()).is_some() {
            let cause = format!("another configuration has the id \"{}\" too", shown(id));
            return Err(element.attr_error("id", cause, "give each configuration an id of its own"));
        }
        list.push(Configuration {
            id: id.to_owned(),
            label: reader.text_of(element, "Label"),
            description: reader.text_of(element, "Description"),
            default: element.boolean("default").unwrap_or(false),
        });
    }
    Ok(())
}

/// Chooses: what the user says, else the default, else the first.
///
/// # Errors
/// When the user asks for one that is not there.
pub fn choose(list: &mut [Configuration], reader: &mut Reader<'_>) -> Result<Option<String>, DescriptorError> {
    let defaults = list.iter().filter(|configuration| configuration.default).count();
    // Exactly one is the default from here on: the first that says so, or the first of all.
    let first = list.iter().position(|configuration| configuration.default).unwrap_or(0);
    list.iter_mut().enumerate().for_each(|(index, configuration)| configuration.default = index == first);
    let default = list.get(first).map(|configuration| configuration.id.clone());
    if let Some(wanted) = &reader.choices.configuration {
        if reader.configurations.contains_key(wanted) {
            return Ok(Some(wanted.clone()));
        }
        let names: Vec<String> = list.iter().take(FEW).map(|configuration| shown(&configuration.id)).collect();
        let remedy = match names.len() {
            0 => "leave --config out".to_owned(),
            _ => format!("choose one of these: {}", names.join(", ")),
        };
        let cause = format!("there is no configuration \"{}\"", shown(wanted));
        return Err(DescriptorError { line: None, element: None, cause, remedy });
    }
    if let Some(default) = default.as_deref().filter(|_| defaults > 1) {
        let message = format!("{defaults} configurations are marked as the default; \"{}\" is taken", shown(default));
        reader.warn_at(codes::CONFIGURATION_DEFAULT, None, message);
    }
    Ok(default)
}

/// Reads the networks of one section.
///
/// # Errors
/// When a network has no name, and when the section is not understood.
pub fn networks(section: Element<'_>, list: &mut Vec<Network>, reader: &mut Reader<'_>) -> Result<(), DescriptorError> {
    if !reader.understands(section, &["Info", "Network"])? {
        return Ok(());
    }
    let mut names: HashSet<String> = list.iter().map(|network| network.name.clone()).collect();
    for element in section.all("Network") {
        if !reader.applies(element) {
            continue;
        }
        let name = element.word("name").ok_or_else(|| {
            element.attr_error("name", "a network has no name", "give each network a name of its own")
        })?;
        if !names.insert(name.to_owned()) {
            let message = format!("the network \"{}\" is declared twice; the first counts", shown(name));
            reader.warn(codes::NETWORK_DUPLICATE, element, message);
            continue;
        }
        list.push(Network { name: name.to_owned(), description: reader.text_of(element, "Description") });
    }
    Ok(())
}
