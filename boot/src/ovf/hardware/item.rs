//! One item of virtual hardware: a CIM setting, whatever its class (RASD, SASD, EPASD; DSP0243 8.3).

use std::borrow::Cow;

use super::super::DescriptorError;
use super::super::dialect::{is_cim, is_known_vendor, is_ovf};
use super::super::number::Number;
use super::super::units::{UnitProblem, shown};
use super::super::xml::{Element, boolean};

/// An item that counts in the chosen configuration.
#[derive(Clone)]
pub struct Item<'d> {
    /// Where it stands.
    pub element: Element<'d>,
    /// `InstanceID`.
    pub instance: Option<Cow<'d, str>>,
    /// `ResourceType` (CIM_ResourceAllocationSettingData).
    pub kind: Option<u16>,
}

impl<'d> Item<'d> {
    /// Reads what all items have. Numbers of other things are read when they are needed.
    pub fn of(element: Element<'d>) -> Self {
        let mut item = Self { element, instance: None, kind: None };
        // OVF 0.9 and oVirt spell it in the other way.
        item.instance = item.field("InstanceID").or_else(|| item.field("InstanceId"));
        item.kind = match item.field("ResourceType") {
            Some(kind) => kind.parse().ok(),
            None if element.name() == "EthernetPortItem" => Some(10),
            None if element.name() == "StorageItem" => Some(17),
            None => None,
        };
        item
    }

    /// The text of a child, if there is any in it.
    pub fn field(&self, name: &str) -> Option<Cow<'d, str>> {
        let is_its = |child: &Element<'d>| {
            child.name() == name && (is_ovf(child.namespace()) || child.namespace().is_some_and(is_cim))
        };
        let mut found = self.element.children().filter(is_its).map(Element::text);
        found.find(|text| !text.is_empty())
    }

    /// The whole number in a child.
    ///
    /// # Errors
    /// When something else is in it.
    pub fn number(&self, name: &str) -> Result<Option<u64>, DescriptorError> {
        let value = self.field(name).map(|text| Number::parse(&text).and_then(|number| number.whole()));
        value.transpose().map_err(|problem| self.wrong(name, &problem))
    }

    /// A number that only orders things; nothing, where it is none that could.
    pub fn order(&self, name: &str) -> Option<u32> {
        self.field(name)?.parse().ok()
    }

    /// A boolean; nothing, where it is none.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        boolean(&self.field(name)?)
    }

    /// What people call it.
    pub fn name(&self) -> Option<String> {
        self.field("ElementName").or_else(|| self.field("Caption")).map(Cow::into_owned)
    }

    /// The same for messages: its name, else what it is.
    pub fn shown(&self, what: &str) -> String {
        match self.name() {
            Some(name) => format!("{what} \"{}\"", shown(&name)),
            None => what.to_owned(),
        }
    }

    /// Whether the guest needs it (`ovf:required`, which is true if it is not there).
    pub fn required(&self) -> bool {
        self.element.required()
    }

    /// A child that is not known here and may not be ignored (DSP0243 8.3, table 4): those of CIM's classes are known.
    pub fn stranger(&self) -> Option<Element<'d>> {
        self.element.children().find(|child| {
            let namespace = child.namespace();
            let known = is_ovf(namespace) || is_known_vendor(namespace) || namespace.is_some_and(is_cim);
            !known && child.required()
        })
    }

    /// The host resource that it names: of which kind, and its id. `ovf:/disk/ID` is the standard's form; `ovf:disk/ID`,
    /// `ovf://disk/ID`, `/disk/ID` and `disk/ID` are in use too.
    pub fn host_resource(&self) -> Option<HostResource<'d>> {
        let text = self.field("HostResource")?;
        let path = text.strip_prefix("ovf:").unwrap_or(&text).trim_start_matches('/');
        let id = |kind: &str| path.strip_prefix(kind).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned);
        let resource = id("disk").map(HostResource::Disk).or_else(|| id("file").map(HostResource::File));
        Some(resource.unwrap_or(HostResource::Other(text)))
    }

    /// Says that a child's value is wrong.
    pub fn wrong(&self, name: &str, problem: &UnitProblem) -> DescriptorError {
        self.error(name, problem.to_string(), problem.remedy())
    }

    /// Says that something about a child is wrong.
    pub fn error(&self, name: &str, cause: impl Into<String>, remedy: impl Into<String>) -> DescriptorError {
        let place = self.element.children().find(|child| child.name() == name).unwrap_or(self.element);
        let element = match self.name() {
            Some(title) => format!("{} \"{}\" {name}", self.element.shown(), shown(&title)),
            None => format!("{} {name}", self.element.shown()),
        };
        DescriptorError { element: Some(element), ..place.error(cause, remedy) }
    }
}

/// What backs a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostResource<'d> {
    /// A disk, by its id.
    Disk(String),
    /// A file, by its id.
    File(String),
    /// Something of the host that it came from.
    Other(Cow<'d, str>),
}
