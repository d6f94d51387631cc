//! What every part of the parser has at hand: the user's choices, translated texts, and a place for warnings.

use std::collections::HashMap;

use super::appliance::{Noted, Warning};
use super::strings::Strings;
use super::units::shown;
use super::xml::Element;
use super::{Choices, DescriptorError, codes};

/// How far values of properties may grow by references to each other, in bytes, all together.
const MAX_EXPANSION: usize = 16 << 20;

/// One reading of a descriptor.
pub struct Reader<'r> {
    /// What the user decided.
    pub choices: &'r Choices<'r>,
    /// The configuration that was chosen, or that is the default.
    pub configuration: Option<String>,
    /// The ids of all configurations.
    pub configurations: HashMap<String, usize>,
    /// Texts in other languages.
    pub strings: Strings,
    /// What was odd.
    pub warnings: Vec<Warning>,
    /// How much values of properties may still grow.
    pub expansion: usize,
    /// It is oVirt's: its sections have children of their own, without saying whether they are required.
    pub is_ovirt: bool,
}

impl<'r> Reader<'r> {
    /// Nothing read yet.
    pub fn new(choices: &'r Choices<'r>) -> Self {
        Self {
            choices,
            configuration: None,
            configurations: HashMap::new(),
            strings: Strings::default(),
            warnings: Vec::new(),
            expansion: MAX_EXPANSION,
            is_ovirt: false,
        }
    }

    /// Says that something about an element is odd.
    pub fn warn(&mut self, code: &'static str, element: Element<'_>, message: impl Into<String>) {
        self.warn_at(code, Some(element.line()), message);
    }

    /// Says that something is odd.
    pub fn warn_at(&mut self, code: &'static str, line: Option<u32>, message: impl Into<String>) {
        self.warnings.push(Warning { code, message: message.into(), line });
    }

    /// The text of an element in the language that the user prefers; nothing, where there is none.
    pub fn text(&mut self, element: Element<'_>) -> Option<String> {
        let inline = element.text();
        let Some(id) = element.word("msgid") else { return (!inline.is_empty()).then(|| inline.into_owned()) };
        let found = self.strings.find(id, &inline);
        if found.is_none() && !self.strings.incomplete {
            let message = format!("there is no text for the message \"{}\"", shown(id));
            self.warn(codes::MESSAGE_MISSING, element, message);
        }
        found
    }

    /// The text of OVF's child of this name.
    pub fn text_of(&mut self, element: Element<'_>, name: &str) -> Option<String> {
        element.first(name).and_then(|child| self.text(child))
    }

    /// Whether an element counts in the chosen configuration: `ovf:configuration`, a list of ids, which is for all if it is
    /// not there (DSP0243 9.8).
    pub fn applies(&mut self, element: Element<'_>) -> bool {
        let Some(list) = element.word("configuration") else { return true };
        if let Some(unknown) = list.split_whitespace().find(|id| !self.configurations.contains_key(*id)) {
            let message = format!("there is no configuration \"{}\" that this could belong to", shown(unknown));
            self.warn(codes::CONFIGURATION_UNKNOWN, element, message);
        }
        list.split_whitespace().any(|id| self.configuration.as_deref() == Some(id))
    }

    /// Whether the user said not to obey elements of this name.
    pub fn ignores(&self, name: &str) -> bool {
        self.choices.ignored_sections.iter().any(|ignored| ignored.rsplit(':').next() == Some(name))
    }

    /// What becomes of a section that is not understood, or cannot be obeyed: an error if it is required (DSP0243 7.3), unless
    /// the user said to pass over it.
    ///
    /// # Errors
    /// When the section is required.
    pub fn pass_over(&mut self, section: Element<'_>, name: &str, why: &str) -> Result<Noted, DescriptorError> {
        let name = shown(name);
        let noted = Noted { section: name.clone(), summary: format!("passed over: it {why}") };
        if self.ignores(section.kind()) {
            self.warn(
                codes::SECTION_IGNORED,
                section,
                format!("{name} is required and was passed over, as you said: it {why}"),
            );
            return Ok(noted);
        }
        if !section.required() {
            self.warn(codes::SECTION_OPTIONAL, section, format!("{name} was passed over: it {why}"));
            return Ok(noted);
        }
        let remedy =
            format!("add --ignore-section {name} to go on without it, if the guest can do without what it asks for");
        Err(DescriptorError {
            element: Some(name.clone()),
            ..section.error(format!("it is required, and {why}"), remedy)
        })
    }

    /// Whether each element directly in a section is known: OVF's of these names, or a vendor's whose extensions are known. One
    /// that is not known and required makes the whole section one that is not understood (DSP0243 7.3).
    pub fn stranger<'d>(&self, section: Element<'d>, known: &[&str]) -> Option<Element<'d>> {
        section.children().find(|child| {
            let is_known = (child.is_ovf() && (self.is_ovirt || known.contains(&child.name())))
                || super::dialect::is_known_vendor(child.namespace())
                || self.ignores(child.name());
            !is_known && child.required()
        })
    }

    /// The same with its consequence: whether the section is to be read.
    ///
    /// # Errors
    /// When it is not understood and required.
    pub fn understands(&mut self, section: Element<'_>, known: &[&str]) -> Result<bool, DescriptorError> {
        let Some(stranger) = self.stranger(section, known) else { return Ok(true) };
        let why =
            format!("has the element <{}> in it, in line {}, which is not known", stranger.shown(), stranger.line());
        self.pass_over(section, section.kind(), &why).map(|_| false)
    }
}
