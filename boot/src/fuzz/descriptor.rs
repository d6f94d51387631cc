//! What `ovf_descriptor` runs.

use crate::ovf::appliance::{Content, Source};
use crate::ovf::property::Property;
use crate::ovf::{self, Appliance, Choices, codes};

/// Of configurations, properties and machines, this many are tried.
const FEW: usize = 4;

/// Reads `data` as a descriptor, then once more for each of its first configurations, and with values for its first
/// properties. Whatever the bytes are, nothing panics; a refusal is one line with a remedy of one line; and what is accepted
/// holds together: machines have vCPUs and memory, drives have disks that are there, and every id is there once.
pub fn descriptor(data: &[u8]) {
    let Some(appliance) = read(data, &Choices::default()) else { return };
    for configuration in appliance.configurations.iter().take(FEW) {
        let choices = Choices { configuration: Some(configuration.id.clone()), ..Choices::default() };
        if let Some(other) = read(data, &choices) {
            assert_eq!(other.configuration.as_ref(), Some(&configuration.id));
        }
    }
    let properties = appliance.systems().into_iter().flat_map(|system| &system.about.properties);
    for property in properties.filter(|property| property.user_configurable).take(FEW) {
        set(data, property);
    }
    let sections = ["Item".to_owned(), "ProductSection".to_owned()];
    let locales = vec!["de".to_owned(), "fr".to_owned()];
    let file = |href: &str| Some(href.as_bytes().to_vec());
    let choices =
        Choices { ignored_sections: sections.into(), locales, message_file: Some(&file), ..Choices::default() };
    read(data, &choices);
}

fn set(data: &[u8], property: &Property) {
    for value in ["", "1", "true", "\u{1}"] {
        let choices = Choices { properties: [(property.key.clone(), value.to_owned())].into(), ..Choices::default() };
        let Some(appliance) = read(data, &choices) else { continue };
        let mut all = Vec::new();
        appliance.content.visit(&mut |content| {
            let about = match content {
                Content::System(system) => &system.about,
                Content::Collection(collection) => &collection.about,
            };
            all.extend(&about.properties);
        });
        let is_set = |found: &&Property| found.key == property.key && found.set;
        assert!(all.into_iter().any(|found| is_set(&found) && found.value.as_deref() == Some(value)));
    }
}

fn read(data: &[u8], choices: &Choices<'_>) -> Option<Appliance> {
    match ovf::read(data, choices) {
        Ok(appliance) => {
            check(&appliance);
            Some(appliance)
        }
        Err(error) => {
            one_line(&error.to_string());
            one_line(&error.remedy);
            None
        }
    }
}

fn one_line(text: &str) {
    assert!(!text.is_empty() && text.len() < 4000 && !text.chars().any(char::is_control), "{text:?}");
}

fn check(appliance: &Appliance) {
    for warning in &appliance.warnings {
        assert!(codes::ALL.iter().any(|(code, _)| *code == warning.code), "{}", warning.code);
        one_line(&warning.message);
    }
    let mut ids = Vec::new();
    appliance.content.visit(&mut |content| ids.push(content.id().to_owned()));
    unlike(ids);
    unlike(appliance.disks.iter().map(|disk| disk.id.clone()).collect());
    unlike(appliance.files.iter().map(|file| file.id.clone()).collect());
    unlike(appliance.networks.iter().map(|network| network.name.clone()).collect());
    assert_eq!(appliance.configuration.is_some(), !appliance.configurations.is_empty());
    for system in appliance.systems().into_iter().take(FEW) {
        assert!(system.cpus > 0 && system.memory_bytes > 0);
        for drive in system.disks.iter().chain(&system.cdroms).take(FEW) {
            match &drive.source {
                Source::Disk(id) => chain(appliance, id),
                Source::File(id) => assert!(appliance.file(id).is_some(), "{id}"),
                Source::Empty => assert!(system.cdroms.iter().any(|cdrom| cdrom == drive)),
            }
        }
    }
}

/// A disk that a drive uses is there, with its file, and so are those that it holds changes to.
fn chain(appliance: &Appliance, id: &str) {
    let mut next = Some(id);
    for _ in 0..=64 {
        let Some(id) = next else { return };
        let disk = appliance.disk(id);
        assert!(disk.is_some(), "{id}");
        let Some(disk) = disk else { return };
        assert!(disk.file.as_ref().is_none_or(|file| appliance.file(file).is_some()), "{id}");
        next = disk.parent.as_deref();
    }
    assert!(next.is_none(), "the chain of {id} has no end");
}

fn unlike(mut ids: Vec<String>) {
    ids.sort();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count);
}
