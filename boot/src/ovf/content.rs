//! VirtualSystem and VirtualSystemCollection: the tree of machines (DSP0243 7.2, 9.4).

use std::collections::HashSet;

use super::about;
use super::appliance::{Collection, Content, Install, Network, System};
use super::disks::Disks;
use super::hardware;
use super::properties::Properties;
use super::reader::Reader;
use super::references::Files;
use super::startup;
use super::system_sections as sections;
use super::units::shown;
use super::vendor;
use super::xml::Element;
use super::{DescriptorError, codes};

/// How deep collections may stand in each other. Products allow fewer.
const MAX_NESTING: usize = 16;

/// The reading of a tree of machines.
pub struct Tree<'t, 'd, 'r> {
    /// Choices, texts, warnings.
    pub reader: &'t mut Reader<'r>,
    /// The files that sections may name.
    pub files: &'t Files,
    /// The disks that drives may name.
    pub disks: &'t mut Disks<'d>,
    /// Properties of all nodes.
    pub properties: &'t mut Properties<'d>,
    /// Names of the networks that cards may be plugged into.
    networks: HashSet<String>,
    ids: HashSet<String>,
    /// How many nodes had no id.
    nameless: u32,
}

impl<'t, 'd, 'r> Tree<'t, 'd, 'r> {
    /// Nothing read yet.
    pub fn new(
        reader: &'t mut Reader<'r>,
        files: &'t Files,
        disks: &'t mut Disks<'d>,
        properties: &'t mut Properties<'d>,
        networks: &[Network],
    ) -> Self {
        let networks = networks.iter().map(|network| network.name.clone()).collect();
        Self { reader, files, disks, properties, networks, ids: HashSet::new(), nameless: 0 }
    }

    /// Reads a VirtualSystem or a VirtualSystemCollection with all below it. `outer` is the scope of properties around it.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub fn read(
        &mut self,
        element: Element<'d>,
        outer: Option<usize>,
        depth: usize,
    ) -> Result<Content, DescriptorError> {
        let id = self.id(element)?;
        let scope = self.properties.enter(outer);
        if element.kind() == "VirtualSystem" {
            return Ok(Content::System(Box::new(self.system(element, id, scope)?)));
        }
        if depth >= MAX_NESTING {
            let cause = format!("collections are nested more than {MAX_NESTING} deep");
            return Err(element.error(cause, "put the machines into fewer collections"));
        }
        Ok(Content::Collection(self.collection(element, id, scope, depth)?))
    }

    fn id(&mut self, element: Element<'_>) -> Result<String, DescriptorError> {
        let id = match element.attr("id").filter(|id| !id.trim().is_empty()) {
            Some(id) => id.to_owned(),
            None => {
                self.nameless += 1;
                let id = format!("{}-{}", element.kind(), self.nameless);
                self.reader.warn(codes::ID_MISSING, element, format!("it has no id; it is called \"{id}\" here"));
                id
            }
        };
        if !self.ids.insert(id.clone()) {
            let cause = format!("another machine or collection has the id \"{}\" too", shown(&id));
            return Err(element.attr_error("id", cause, "give each machine and each collection an id of its own"));
        }
        Ok(id)
    }

    fn collection(
        &mut self,
        element: Element<'d>,
        id: String,
        scope: usize,
        depth: usize,
    ) -> Result<Collection, DescriptorError> {
        let mut collection = Collection { id, name: self.reader.text_of(element, "Name"), ..Collection::default() };
        let mut startups = Vec::new();
        for child in element.children() {
            match child.kind() {
                "Info" | "Name" if child.is_ovf() => {}
                "VirtualSystem" | "VirtualSystemCollection" if child.is_ovf() => {
                    collection.contents.push(self.read(child, Some(scope), depth + 1)?);
                }
                "StartupSection" if child.is_ovf() && !self.reader.ignores("StartupSection") => startups.push(child),
                _ => about::section(child, &mut collection.about, scope, self)?,
            }
        }
        for section in startups {
            collection.startup.extend(startup::read(section, &collection.contents, self.reader)?);
        }
        collection.startup.sort_by_key(|item| item.order);
        Ok(collection)
    }

    fn system(&mut self, element: Element<'d>, id: String, scope: usize) -> Result<System, DescriptorError> {
        let mut system = System { id, name: self.reader.text_of(element, "Name"), ..System::default() };
        let mut hardware_sections = Vec::new();
        let mut machine = None;
        let mut os = None;
        for child in element.children() {
            if let Some(section) = sections::vendors(child) {
                match section {
                    sections::Vendors::Machine => machine = Some(child),
                    sections::Vendors::BootOrder => vendor::boot_order(child, &mut system),
                    sections::Vendors::DirectBoot => {
                        system.direct_boot = sections::direct_boot(child, self.files, self.reader)?;
                    }
                }
                continue;
            }
            match child.kind() {
                "Info" | "Name" if child.is_ovf() => {}
                kind if child.is_ovf() && self.reader.ignores(kind) => {
                    about::section(child, &mut system.about, scope, self)?
                }
                "VirtualHardwareSection" if child.is_ovf() => hardware_sections.push(child),
                "OperatingSystemSection" if child.is_ovf() => os = Some(child),
                "InstallSection" if child.is_ovf() => {
                    if self.reader.understands(child, &["Info"])? {
                        let delay = sections::seconds(child, "initialBootStopDelay")?.unwrap_or(0);
                        system.install = Some(Install { initial_boot_stop_delay: delay });
                    }
                }
                "BootDeviceSection" if child.is_ovf() => sections::boot_devices(child, &mut system),
                _ => about::section(child, &mut system.about, scope, self)?,
            }
        }
        system.os = sections::operating_system(os, machine, self.reader)?;
        hardware::read(element, &hardware_sections, &mut system, &self.networks, self.reader, self.disks, self.files)?;
        vendor::machine(element, machine, &mut system);
        Ok(system)
    }
}
