//! The guard around the XML parser, and a cursor that knows how descriptors name things.

mod decode;
mod scan;

use std::borrow::Cow;

use roxmltree::{Document, Node, ParsingOptions};

use super::DescriptorError;
use super::dialect::is_ovf;
use super::units::{UnitProblem, shown};

pub use decode::decode;

/// Elements, texts and comments together.
const MAX_NODES: u32 = 500_000;
/// The namespace of `xsi:type`.
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Where the lines of a text begin.
pub struct Lines(Vec<usize>);

impl Lines {
    /// Of this text.
    pub fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(breaks).collect())
    }

    /// The line that the byte at this offset stands in, from 1.
    pub fn at(&self, offset: usize) -> u32 {
        u32::try_from(self.0.partition_point(|start| *start <= offset)).unwrap_or(u32::MAX)
    }
}

/// Parses a text that [`decode`] gave.
///
/// # Errors
/// When it is not well-formed, or beyond the limits.
pub fn parse<'t>(text: &'t str, lines: &Lines) -> Result<Document<'t>, DescriptorError> {
    scan::check(text, lines)?;
    // Nothing may stand before the declaration, but a line break often does.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|problem| {
        let (line, cause) = match &problem {
            roxmltree::Error::NodesLimitReached => (None, format!("it has more than {MAX_NODES} elements and texts")),
            roxmltree::Error::UnclosedRootNode | roxmltree::Error::UnexpectedEndOfStream => {
                (Some(lines.at(text.len())), "the XML ends before its last element does".to_owned())
            }
            roxmltree::Error::NoRootNode => (None, "the XML has no element".to_owned()),
            problem => (Some(problem.pos().row), format!("the XML is not well-formed: {}", plain(problem))),
        };
        let remedy = "get the package again, or correct the descriptor where this says";
        DescriptorError { line, element: None, cause, remedy: remedy.to_owned() }
    })
}

/// The parser's words on one line, without its ` at LINE:COLUMN`.
fn plain(problem: &roxmltree::Error) -> String {
    let words = problem.to_string();
    let words = words.rsplit_once(" at ").map_or(words.as_str(), |(words, _)| words);
    words.chars().take(200).flat_map(char::escape_debug).filter(|c| *c != '\\').collect()
}

/// An element of a descriptor.
#[derive(Clone, Copy)]
pub struct Element<'d> {
    node: Node<'d, 'd>,
    lines: &'d Lines,
}

impl<'d> Element<'d> {
    /// The outermost.
    pub fn root(document: &'d Document<'d>, lines: &'d Lines) -> Self {
        Self { node: document.root_element(), lines }
    }

    /// Its name without a prefix.
    pub fn name(self) -> &'d str {
        self.node.tag_name().name()
    }

    /// Its name, short enough and clean enough for a message.
    pub fn shown(self) -> String {
        shown(self.name())
    }

    /// Its XML namespace.
    pub fn namespace(self) -> Option<&'d str> {
        self.node.tag_name().namespace()
    }

    /// Its line, from 1.
    pub fn line(self) -> u32 {
        self.lines.at(self.node.range().start)
    }

    /// Whether it is OVF's own: in one of the namespaces of OVF, or in none, as many writers have it.
    pub fn is_ovf(self) -> bool {
        is_ovf(self.namespace())
    }

    /// Whether it is OVF's element of this name.
    pub fn is(self, name: &str) -> bool {
        self.name() == name && self.is_ovf()
    }

    /// OVF's attribute of this name, with its prefix or without any.
    pub fn attr(self, name: &str) -> Option<&'d str> {
        let mut bare = None;
        for attribute in self.node.attributes().filter(|attribute| attribute.name() == name) {
            match attribute.namespace() {
                None => bare = Some(attribute.value()),
                namespace if is_ovf(namespace) => return Some(attribute.value()),
                Some(_) => {}
            }
        }
        bare
    }

    /// The same, without blanks around it; nothing where nothing is in it.
    pub fn word(self, name: &str) -> Option<&'d str> {
        self.attr(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// The attribute of this name in a namespace that `is_its` knows, or in none.
    pub fn attr_of(self, is_its: fn(&str) -> bool, name: &str) -> Option<&'d str> {
        let mut named = self.node.attributes().filter(|attribute| attribute.name() == name);
        named.find(|attribute| attribute.namespace().is_none_or(is_its)).map(|attribute| attribute.value())
    }

    /// `xsi:type`, without a prefix and without `_Type`: how OVF 0.9 and oVirt say what a `Section` or a `Content` is.
    pub fn xsi_type(self) -> Option<&'d str> {
        let value = self.node.attribute((XSI, "type"))?.trim();
        let local = value.rsplit_once(':').map_or(value, |(_, local)| local);
        Some(local.strip_suffix("_Type").unwrap_or(local))
    }

    /// What kind of section or content it is, however its dialect says that.
    pub fn kind(self) -> &'d str {
        match self.name() {
            "Section" | "Content" => self.xsi_type().unwrap_or(self.name()),
            name => name,
        }
    }

    /// `xml:lang`.
    pub fn language(self) -> Option<&'d str> {
        self.node.attribute((roxmltree::NS_XML_URI, "lang")).or_else(|| self.node.attribute("lang"))
    }

    /// Whether whoever does not understand it must not go on: `ovf:required`, which is true if it is not there.
    pub fn required(self) -> bool {
        self.boolean("required").unwrap_or(true)
    }

    /// A boolean attribute, as XML Schema and people write them; nothing, if it is something else.
    pub fn boolean(self, name: &str) -> Option<bool> {
        boolean(self.attr(name)?)
    }

    /// The elements directly in it.
    pub fn children(self) -> impl Iterator<Item = Self> {
        let lines = self.lines;
        self.node.children().filter(Node::is_element).map(move |node| Self { node, lines })
    }

    /// OVF's elements of this name directly in it.
    pub fn all(self, name: &str) -> impl Iterator<Item = Self> {
        self.children().filter(move |child| child.is(name))
    }

    /// The first of them.
    pub fn first(self, name: &str) -> Option<Self> {
        self.all(name).next()
    }

    /// The first element of this name directly in it, whatever its namespace.
    pub fn any(self, name: &str) -> Option<Self> {
        self.children().find(|child| child.name() == name)
    }

    /// The text directly in it, without blanks around it.
    pub fn text(self) -> Cow<'d, str> {
        let mut texts = self.node.children().filter(Node::is_text).filter_map(|node| node.text());
        let first = texts.next().unwrap_or_default();
        match texts.next() {
            None => Cow::Borrowed(first.trim()),
            Some(second) => {
                let whole: String = [first, second].into_iter().chain(texts).collect();
                Cow::Owned(whole.trim().to_owned())
            }
        }
    }

    /// The number of an attribute, a whole one; nothing, if it is not there or empty.
    ///
    /// # Errors
    /// When it is not a whole number below 2^64.
    pub fn number(self, name: &str) -> Result<Option<u64>, DescriptorError> {
        self.word(name)
            .map(|value| super::number::Number::parse(value).and_then(|number| number.whole()))
            .transpose()
            .map_err(|problem| self.wrong_value(name, &problem))
    }

    /// Says that something about it is wrong.
    pub fn error(self, cause: impl Into<String>, remedy: impl Into<String>) -> DescriptorError {
        DescriptorError {
            line: Some(self.line()),
            element: Some(self.shown()),
            cause: cause.into(),
            remedy: remedy.into(),
        }
    }

    /// Says that an attribute is wrong, or missing.
    pub fn attr_error(self, name: &str, cause: impl Into<String>, remedy: impl Into<String>) -> DescriptorError {
        let element = Some(format!("{} ovf:{name}", self.shown()));
        DescriptorError { element, ..self.error(cause, remedy) }
    }

    /// Says that an attribute's number or unit is wrong.
    pub fn wrong_value(self, name: &str, problem: &UnitProblem) -> DescriptorError {
        self.attr_error(name, problem.to_string(), problem.remedy())
    }
}

/// `true`, `1`, `yes`; `false`, `0`, `no`; in any case.
pub fn boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    let is_one_of = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(["true", "1", "yes"]) {
        return Some(true);
    }
    is_one_of(["false", "0", "no"]).then_some(false)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
