//! The text in which LVM2 describes a group: sections in braces, values, lists, comments (lib/config/config.c).

/// Sections may lie so deep in each other.
const MAX_DEPTH: usize = 16;
/// The most values and sections that a text may have.
const MAX_NODES: usize = 65_536;

/// A section: names and what they stand for, in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Section(pub Vec<(String, Value)>);

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `name { ... }`.
    Section(Section),
    /// A number.
    Number(u64),
    /// A text in quotes.
    Text(String),
    /// `[ ... ]`.
    List(Vec<Self>),
}

impl Section {
    /// What `name` stands for.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The section of that name.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Self> {
        match self.get(name)? {
            Value::Section(section) => Some(section),
            _ => None,
        }
    }

    /// All sections in it, with their names.
    pub fn sections(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.0.iter().filter_map(|(name, value)| match value {
            Value::Section(section) => Some((name.as_str(), section)),
            _ => None,
        })
    }

    /// The number of that name.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.get(name)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The text of that name.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads a text.
///
/// # Errors
/// One line: what is wrong, and at which byte.
pub fn parse(text: &[u8]) -> Result<Section, String> {
    let mut parser = Parser { text, at: 0, nodes: 0 };
    let section = parser.section(0)?;
    match parser.peek() {
        None => Ok(section),
        Some(_) => Err(parser.wrong("a closing brace without an opening one")),
    }
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    nodes: usize,
}

impl Parser<'_> {
    fn wrong(&self, what: &str) -> String {
        format!("{what} at byte {}", self.at)
    }

    /// The next byte that is no blank and in no comment. A NUL ends the text.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at).copied().filter(|byte| *byte != 0)? {
                b'#' => self.skip(|byte| byte != b'\n'),
                byte if byte.is_ascii_whitespace() => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    fn skip(&mut self, part: impl Fn(u8) -> bool) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| part(**byte)).count();
    }

    fn count(&mut self) -> Result<(), String> {
        self.nodes += 1;
        if self.nodes > MAX_NODES { Err(self.wrong("too many values")) } else { Ok(()) }
    }

    /// What is in a section, up to its brace or the end.
    fn section(&mut self, depth: usize) -> Result<Section, String> {
        let mut section = Section::default();
        while let Some(byte) = self.peek() {
            if byte == b'}' {
                break;
            }
            self.count()?;
            let name = self.name()?;
            let value = match self.peek() {
                Some(b'=') => {
                    self.at += 1;
                    self.value()?
                }
                Some(b'{') if depth < MAX_DEPTH => {
                    self.at += 1;
                    let inner = self.section(depth + 1)?;
                    if self.peek() != Some(b'}') {
                        return Err(self.wrong("a section that does not end"));
                    }
                    self.at += 1;
                    Value::Section(inner)
                }
                Some(b'{') => return Err(self.wrong("sections too deep in each other")),
                _ => return Err(self.wrong("neither a value nor a section")),
            };
            section.0.push((name, value));
        }
        Ok(section)
    }

    fn name(&mut self) -> Result<String, String> {
        let start = self.at;
        self.skip(|byte| byte.is_ascii_alphanumeric() || b"_-.+/".contains(&byte));
        let name = self.text.get(start..self.at).filter(|name| !name.is_empty());
        name.map(|name| String::from_utf8_lossy(name).into_owned()).ok_or_else(|| self.wrong("no name"))
    }

    fn value(&mut self) -> Result<Value, String> {
        if self.peek() != Some(b'[') {
            return self.scalar();
        }
        self.at += 1;
        let mut list = Vec::new();
        loop {
            match self.peek() {
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::List(list));
                }
                Some(b',') => self.at += 1,
                _ => {
                    self.count()?;
                    list.push(self.scalar()?);
                }
            }
        }
    }

    fn scalar(&mut self) -> Result<Value, String> {
        match self.peek() {
            Some(b'"') => self.quoted().map(Value::Text),
            Some(b'0'..=b'9' | b'-' | b'.') => {
                let start = self.at;
                self.skip(|byte| byte.is_ascii_digit() || byte == b'-' || byte == b'.');
                let digits = self.text.get(start..self.at).unwrap_or_default();
                // Negative numbers and fractions say nothing that is needed here.
                let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                Ok(number.map_or_else(|| Value::Text(String::new()), Value::Number))
            }
            _ => Err(self.wrong("no value")),
        }
    }

    fn quoted(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            let byte = self.text.get(self.at).copied().ok_or_else(|| self.wrong("a text that does not end"))?;
            self.at += 1;
            match byte {
                b'"' => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
                b'\\' => {
                    bytes.extend(self.text.get(self.at));
                    self.at += 1;
                }
                byte => bytes.push(byte),
            }
        }
    }
}
