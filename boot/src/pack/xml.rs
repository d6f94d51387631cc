//! Writing XML: elements on lines of their own, and nothing that could be taken for markup.

use std::fmt::Write as _;

/// Attributes, in the order in which they are written.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a str)];

/// A document that is being written.
#[derive(Debug)]
pub(super) struct Xml {
    text: String,
    /// The elements that are open.
    open: Vec<&'static str>,
}

impl Xml {
    /// A document with nothing in it yet.
    pub(super) fn new() -> Self {
        Self { text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".into(), open: Vec::new() }
    }

    /// Opens an element, writes what is in it with `inside`, and closes it.
    pub(super) fn element(&mut self, name: &'static str, attributes: Attributes<'_>, inside: impl FnOnce(&mut Self)) {
        self.start(name, attributes);
        self.text.push_str(">\n");
        self.open.push(name);
        inside(self);
        self.open.pop();
        self.indent();
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "</{name}>");
    }

    /// An element with nothing in it.
    pub(super) fn empty(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.start(name, attributes);
        self.text.push_str("/>\n");
    }

    /// An element with text in it.
    pub(super) fn text(&mut self, name: &'static str, text: &str) {
        self.start(name, &[]);
        self.text.push('>');
        self.escaped(text, false);
        let _ = writeln!(self.text, "</{name}>");
    }

    /// The document, whose elements are all closed.
    pub(super) fn finish(self) -> String {
        self.text
    }

    fn start(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.indent();
        let _ = write!(self.text, "<{name}");
        for (key, value) in attributes {
            let _ = write!(self.text, " {key}=\"");
            self.escaped(value, true);
            self.text.push('"');
        }
    }

    fn indent(&mut self) {
        self.text.extend(self.open.iter().map(|_| "  "));
    }

    /// `text`, of which a reader gets every character back: a parser would make a line's end of a carriage return, and
    /// blanks of all of them in an attribute (XML 1.0, 2.11 and 3.3.3).
    fn escaped(&mut self, text: &str, in_attribute: bool) {
        for letter in text.chars() {
            match letter {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' if in_attribute => self.text.push_str("&quot;"),
                '\r' => self.text.push_str("&#13;"),
                '\t' if in_attribute => self.text.push_str("&#9;"),
                '\n' if in_attribute => self.text.push_str("&#10;"),
                letter => self.text.push(letter),
            }
        }
    }
}

/// The first character of `text` that no XML document can hold (XML 1.0, 2.2).
pub(super) fn forbidden(text: &str) -> Option<char> {
    let is_allowed = |letter: &char| match letter {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        letter => *letter >= ' ',
    };
    text.chars().find(|letter| !is_allowed(letter))
}
