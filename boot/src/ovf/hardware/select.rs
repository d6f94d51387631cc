//! Which items of a VirtualHardwareSection count: by configuration, and by bound (DSP0243 8.4, 9.8).

use std::collections::{HashMap, HashSet};

use super::super::codes;
use super::super::reader::Reader;
use super::super::units::shown;
use super::super::xml::Element;
use super::item::Item;

/// What an item with `ovf:bound` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Bound {
    /// What the machine is to have.
    Normal,
    /// The least that it can have.
    Least,
    /// The most that it can have.
    Greatest,
}

/// An item and what decides whether it counts.
struct Candidate<'d> {
    item: Item<'d>,
    /// It is for the chosen configuration, by name.
    chosen: bool,
    bound: Bound,
}

/// The items of a section that count, in its order.
///
/// An item for the chosen configuration replaces one for all that has the same InstanceID. Of items with the same InstanceID
/// that are bounds of a range, the normal one counts; without one, the least, which is the one that every host can give; then
/// the greatest.
pub fn items<'d>(section: Element<'d>, reader: &mut Reader<'_>) -> Vec<Item<'d>> {
    let is_item =
        |child: &Element<'d>| child.is_ovf() && matches!(child.name(), "Item" | "StorageItem" | "EthernetPortItem");
    let mut candidates: Vec<Candidate<'d>> = Vec::new();
    for element in section.children().filter(is_item) {
        if !reader.applies(element) {
            continue;
        }
        let bound = match element.word("bound") {
            Some("min") => Bound::Least,
            Some("max") => Bound::Greatest,
            _ => Bound::Normal,
        };
        let item = Item::of(element);
        if item.instance.is_none() {
            let message = format!("{} has no InstanceID", item.shown("the item"));
            reader.warn(codes::INSTANCE_ID_MISSING, element, message);
        }
        candidates.push(Candidate { item, chosen: element.word("configuration").is_some(), bound });
    }
    let candidates = by_configuration(candidates);
    by_bound(candidates, reader)
}

fn by_configuration(candidates: Vec<Candidate<'_>>) -> Vec<Candidate<'_>> {
    let chosen: HashSet<(String, Bound)> =
        candidates.iter().filter(|candidate| candidate.chosen).filter_map(Candidate::key).collect();
    let counts =
        |candidate: &Candidate<'_>| candidate.chosen || candidate.key().is_none_or(|key| !chosen.contains(&key));
    candidates.into_iter().filter(counts).collect()
}

impl Candidate<'_> {
    fn key(&self) -> Option<(String, Bound)> {
        Some((self.item.instance.as_deref()?.to_owned(), self.bound))
    }
}

fn by_bound<'d>(candidates: Vec<Candidate<'d>>, reader: &mut Reader<'_>) -> Vec<Item<'d>> {
    let mut best: HashMap<String, Bound> = HashMap::new();
    for (id, bound) in candidates.iter().filter_map(Candidate::key) {
        best.entry(id).and_modify(|best| *best = bound.min(*best)).or_insert(bound);
    }
    let counts = |candidate: &Candidate<'_>| {
        let best = candidate.item.instance.as_deref().and_then(|id| best.get(id));
        best.is_none_or(|best| *best == candidate.bound)
    };
    let items: Vec<Item<'d>> = candidates.into_iter().filter(counts).map(|candidate| candidate.item).collect();
    let mut seen = HashSet::new();
    for item in &items {
        if let Some(id) = item.instance.as_deref().filter(|id| !seen.insert(id.to_string())) {
            let message = format!("two items have the InstanceID \"{}\"; both are read", shown(id));
            reader.warn(codes::INSTANCE_ID_DUPLICATE, item.element, message);
        }
    }
    items
}
