//! What narrows a property's values: `ovf:qualifiers` (DSP0243, 9.5.1, table of qualifiers) and VMware's `vmw:qualifiers`.
//!
//! ```text
//! MinLen(1),MaxLen(64)      ValueMap{"small", "large"}      MinValue(1),MaxValue(65535)      Ip      Ip("Network 1")
//! ```

/// More than this is not read: nobody writes so many.
const MAX_QUALIFIERS: usize = 64;
/// More values of a ValueMap than this are not read, so that a check stays cheap.
const MAX_VALUES: usize = 4096;

/// A property's qualifiers, read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Qualifiers {
    pub(super) min_len: Option<u64>,
    pub(super) max_len: Option<u64>,
    /// As written: for a real number it may have a fraction.
    pub(super) min_value: Option<String>,
    pub(super) max_value: Option<String>,
    /// The only values allowed, where there is such a list.
    pub(super) values: Option<Vec<String>>,
    /// VMware: an IP address.
    pub(super) ip: bool,
    /// What was not understood, as written.
    pub(super) unknown: Vec<String>,
}

impl Qualifiers {
    pub(super) fn parse(text: &str) -> Self {
        let mut qualifiers = Self::default();
        let mut rest = text;
        for _ in 0..MAX_QUALIFIERS {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';'));
            if rest.is_empty() {
                return qualifiers;
            }
            let (name, argument, after) = next(rest);
            if !qualifiers.take(name, argument) {
                let written = rest.len().checked_sub(after.len()).and_then(|length| rest.get(..length));
                qualifiers.unknown.push(written.unwrap_or(name).to_owned());
            }
            rest = after;
        }
        if !rest.is_empty() {
            qualifiers.unknown.push("...".to_owned());
        }
        qualifiers
    }

    fn take(&mut self, name: &str, argument: Option<&str>) -> bool {
        let number = || argument.and_then(|text| text.trim().parse().ok());
        match (name.to_ascii_lowercase().as_str(), argument) {
            ("minlen", Some(_)) => {
                self.min_len = number();
                self.min_len.is_some()
            }
            ("maxlen", Some(_)) => {
                self.max_len = number();
                self.max_len.is_some()
            }
            ("minvalue", Some(text)) => {
                self.min_value = Some(text.trim().to_owned());
                true
            }
            ("maxvalue", Some(text)) => {
                self.max_value = Some(text.trim().to_owned());
                true
            }
            ("valuemap", Some(text)) => {
                self.values = Some(values(text));
                true
            }
            ("ip", _) => {
                self.ip = true;
                true
            }
            // Passwords are marked by an attribute of their own as well.
            ("password", None) => true,
            _ => false,
        }
    }
}

/// The name, what stands in its parentheses or braces, and what follows. One that is not closed goes to the end.
fn next(text: &str) -> (&str, Option<&str>, &str) {
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '(' | '{' | ',' | ';')).unwrap_or(text.len());
    let (name, after) = text.split_at_checked(end).unwrap_or((text, ""));
    let open = after.trim_start();
    let close = match open.chars().next() {
        Some('(') => ')',
        Some('{') => '}',
        _ => return (name, None, after),
    };
    let inside = open.get(1..).unwrap_or_default();
    let mut quoted = false;
    let closed = inside.find(|c: char| {
        quoted ^= c == '"';
        !quoted && c == close
    });
    match closed {
        Some(at) => (name, inside.get(..at), inside.get(at + 1..).unwrap_or_default()),
        None => (name, None, ""),
    }
}

/// The values of a list: in quotes, or as they stand between commas.
pub(super) fn values(text: &str) -> Vec<String> {
    let mut quoted = false;
    text.split(|c: char| {
        quoted ^= c == '"';
        !quoted && c == ','
    })
    .take(MAX_VALUES)
    .map(str::trim)
    .map(|value| value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value).to_owned())
    .collect()
}
