//! The outermost element, and the steps in which it is read.

use super::about;
use super::appliance::{About, Appliance, Content, Dialect};
use super::content::Tree;
use super::deployment;
use super::dialect::{self, is_ovf};
use super::disks::Disks;
use super::properties::Properties;
use super::reader::Reader;
use super::units::shown;
use super::xml::{self, Element, Lines};
use super::{Choices, DescriptorError, codes, references, strings};

/// Reads a descriptor: see [`super::read`].
pub fn read(bytes: &[u8], choices: &Choices<'_>) -> Result<Appliance, DescriptorError> {
    let text = xml::decode(bytes)?;
    let lines = Lines::of(&text);
    let document = xml::parse(&text, &lines)?;
    envelope(Element::root(&document, &lines), choices)
}

fn envelope(root: Element<'_>, choices: &Choices<'_>) -> Result<Appliance, DescriptorError> {
    let mut reader = Reader::new(choices);
    let dialect = dialect::dialect(root, &mut reader)?;
    reader.is_ovirt = dialect == Dialect::Ovirt;
    let files = references::read(root, &mut reader)?;
    // Texts first, as everything may have them; then configurations, as everything may depend on them.
    reader.strings = strings::read(root, &files, &mut reader)?;
    let sections = |kinds: &'static [&'static str]| {
        root.children().filter(move |child| is_ovf(child.namespace()) && kinds.contains(&child.kind()))
    };
    let mut configurations = Vec::new();
    for section in sections(&["DeploymentOptionSection"]) {
        deployment::configurations(section, &mut configurations, &mut reader)?;
    }
    reader.configuration = deployment::choose(&mut configurations, &mut reader)?;
    let mut networks = Vec::new();
    for section in sections(&["NetworkSection"]) {
        deployment::networks(section, &mut networks, &mut reader)?;
    }
    let mut disks = Disks::default();
    for section in sections(&["DiskSection", "SharedDiskSection"]) {
        disks.read(section, &files, &mut reader)?;
    }
    let mut properties = Properties::default();
    let mut tree = Tree::new(&mut reader, &files, &mut disks, &mut properties, &networks);
    let element = only_content(root)?;
    let mut content = tree.read(element, None, 0)?;
    let around = around(root, &mut tree)?;
    add(&mut content, around);
    properties.settle(&mut reader)?;
    let disks = disks.finish(|key| properties.anywhere(key), &mut reader)?;
    properties.hand_over(&mut content);
    let mut appliance = Appliance {
        dialect,
        content,
        disks,
        networks,
        configurations,
        configuration: reader.configuration.take(),
        files: files.list,
        warnings: Vec::new(),
    };
    if appliance.systems().is_empty() {
        reader.warn(codes::SYSTEMS_MISSING, element, "there is no machine in the package");
    }
    appliance.warnings = std::mem::take(&mut reader.warnings);
    appliance.warnings.sort_by_key(|warning| warning.line);
    Ok(appliance)
}

fn is_content(child: &Element<'_>) -> bool {
    child.is_ovf() && matches!(child.kind(), "VirtualSystem" | "VirtualSystemCollection")
}

/// The one machine or collection (DSP0243 7.2).
fn only_content(root: Element<'_>) -> Result<Element<'_>, DescriptorError> {
    let mut contents = root.children().filter(is_content);
    let Some(first) = contents.next() else {
        if let Some(other) = root.children().find(|child| child.name() == "Content") {
            let kind = other.xsi_type().unwrap_or("nothing");
            let cause = format!("the content is a \"{}\", which is not known", shown(kind));
            return Err(other.error(cause, "write xsi:type=\"ovf:VirtualSystem_Type\""));
        }
        return Err(
            root.error("there is no VirtualSystem in it", "get the package again; this one describes no machine")
        );
    };
    match contents.next() {
        None => Ok(first),
        Some(second) => {
            let remedy = "put the machines into one VirtualSystemCollection";
            Err(second.error("the envelope has more than one VirtualSystem or VirtualSystemCollection", remedy))
        }
    }
}

/// Sections beside the content that are about the whole package, and those that nobody knows.
fn around<'d>(root: Element<'d>, tree: &mut Tree<'_, 'd, '_>) -> Result<About, DescriptorError> {
    let mut around = About::default();
    for child in root.children().filter(|child| !is_content(child)) {
        let known = [
            "References",
            "Strings",
            "DiskSection",
            "SharedDiskSection",
            "NetworkSection",
            "DeploymentOptionSection",
            "Info",
        ];
        if is_ovf(child.namespace()) && known.contains(&child.kind()) {
            continue;
        }
        if is_ovf(child.namespace()) && ["ProductSection", "EulaSection", "AnnotationSection"].contains(&child.kind()) {
            let message =
                format!("{} stands beside the machines, not in one; it is read as part of them", child.kind());
            tree.reader.warn(codes::SECTION_MISPLACED, child, message);
        }
        // The first scope is that of the content.
        about::section(child, &mut around, 0, tree)?;
    }
    Ok(around)
}

fn add(content: &mut Content, around: About) {
    let about = match content {
        Content::System(system) => &mut system.about,
        Content::Collection(collection) => &mut collection.about,
    };
    about.products.extend(around.products);
    about.eulas.extend(around.eulas);
    about.annotations.extend(around.annotations);
    about.environment_files.extend(around.environment_files);
    about.noted.extend(around.noted);
}
