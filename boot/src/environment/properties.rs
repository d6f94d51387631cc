//! The properties that a machine sees: its own, and those of the collection that it is in (DSP0243, 9.5 and 11.2).

use std::collections::{BTreeMap, BTreeSet};

use super::EnvironmentError;
use crate::ovf::appliance::{About, Appliance, Content};
use crate::ovf::units::shown;

/// The longest value, in bytes, after `${}` was replaced: what the longest value that a user can set may take in UTF-8.
const MAX_VALUE: usize = 4 * crate::ovf::property::MAX_LENGTH;
/// The most properties that a machine sees.
const MAX_PROPERTIES: usize = 16_384;

/// A property as the guest sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) key: String,
    /// Empty where nobody gave one.
    pub(super) value: String,
    /// Whether the user gave the value.
    pub(super) set: bool,
}

/// A machine with its siblings and what they inherit.
pub(super) struct Family<'a> {
    pub(super) own: &'a Content,
    /// The collection that they are in.
    pub(super) parent: Option<&'a Content>,
    pub(super) siblings: Vec<&'a Content>,
    /// What the parent sees as its own: DSP0243 hands down the properties of the immediate parent only.
    inherited: Vec<Seen>,
}

impl<'a> Family<'a> {
    /// The family of the machine `id`.
    pub(super) fn of(appliance: &'a Appliance, id: &str) -> Result<Self, EnvironmentError> {
        // Collections that are open: which, and which of its contents is next.
        let mut open: Vec<(&Content, std::slice::Iter<'_, Content>)> = Vec::new();
        let mut next = Some(&appliance.content);
        loop {
            match next {
                Some(content @ Content::System(system)) if system.id == id => {
                    let above: Vec<&Content> = open.iter().map(|(collection, _)| *collection).collect();
                    return Self::new(content, &above);
                }
                Some(collection @ Content::Collection(_)) => open.push((collection, contents(collection).iter())),
                _ => {}
            }
            while let Some((_, rest)) = open.last_mut() {
                next = rest.next();
                if next.is_some() {
                    break;
                }
                open.pop();
            }
            if open.is_empty() {
                return Err(EnvironmentError::NoSuchSystem { id: shown(id) });
            }
        }
    }

    fn new(own: &'a Content, above: &[&'a Content]) -> Result<Self, EnvironmentError> {
        // From the root down, so that each level's references find the values of the level above.
        let mut inherited = Vec::new();
        for collection in above {
            inherited = level(about(collection), &inherited)?;
        }
        let parent = above.last().copied();
        let siblings = parent.map_or(&[][..], contents).iter().filter(|sibling| !std::ptr::eq(*sibling, own)).collect();
        Ok(Self { own, parent, siblings, inherited })
    }

    /// What `content`, which is the machine or one of its siblings, sees.
    pub(super) fn properties(&self, content: &Content) -> Result<Vec<Seen>, EnvironmentError> {
        let mut seen = level(about(content), &self.inherited)?;
        let keys: BTreeSet<&str> = seen.iter().map(|property| property.key.as_str()).collect();
        let more: Vec<Seen> =
            self.inherited.iter().filter(|property| !keys.contains(property.key.as_str())).cloned().collect();
        seen.extend(more);
        if seen.len() > MAX_PROPERTIES {
            return Err(EnvironmentError::TooManyProperties(seen.len()));
        }
        Ok(seen)
    }
}

fn contents(content: &Content) -> &[Content] {
    match content {
        Content::Collection(collection) => &collection.contents,
        Content::System(_) => &[],
    }
}

/// What is said of a machine or collection.
pub(super) fn about(content: &Content) -> &About {
    match content {
        Content::System(system) => &system.about,
        Content::Collection(collection) => &collection.about,
    }
}

/// The properties of one level. The first of a key counts.
fn level(about: &About, parent: &[Seen]) -> Result<Vec<Seen>, EnvironmentError> {
    let above: BTreeMap<&str, &str> = parent.iter().map(|seen| (seen.key.as_str(), seen.value.as_str())).collect();
    let mut keys = BTreeSet::new();
    let mut seen = Vec::new();
    for property in about.properties.iter().filter(|property| keys.insert(&property.key)) {
        let value = property.value.as_deref().unwrap_or_default();
        let value = if property.set { Some(value.to_owned()) } else { replaced(value, &above) };
        let value = value.filter(|value| value.len() <= MAX_VALUE);
        let value = value.ok_or_else(|| EnvironmentError::TooLong { key: shown(&property.key) })?;
        seen.push(Seen { key: property.key.clone(), value, set: property.set });
    }
    Ok(seen)
}

/// A value whose `${KEY}` are the values of the collection above; others stay as they are. None: it is too long.
fn replaced(value: &str, above: &BTreeMap<&str, &str>) -> Option<String> {
    let mut result = String::new();
    let mut rest = value;
    while let Some((before, from)) = rest.split_once("${") {
        result.push_str(before);
        let found = from.split_once('}').and_then(|(key, after)| Some((above.get(key)?, after)));
        rest = match found {
            Some((text, after)) => {
                result.push_str(text);
                after
            }
            None => {
                result.push_str("${");
                from
            }
        };
        if result.len() > MAX_VALUE {
            return None;
        }
    }
    result.push_str(rest);
    Some(result)
}
