//! Properties: what an appliance can be told at its first start (DSP0243 9.5.1).
//!
//! [`Property::check`] says whether a value is one of the property's type. Values are never changed: the guest is told what was
//! written.

mod kind;
mod qualifiers;

use std::fmt;

use self::kind::Base;
use self::qualifiers::Qualifiers;
use super::units::shown;

/// The longest value, in characters. VMware's products take no longer one either.
pub const MAX_LENGTH: usize = 65_535;

/// A property with the value chosen for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Its whole name in the environment: `CLASS.KEY.INSTANCE`, without the parts that the product does not have.
    pub key: String,
    /// `ovf:type`, as written (`string`, `boolean`, `uint16`, a vendor's `ip`).
    pub kind: String,
    /// The value: set by the user, else of the chosen configuration, else the default.
    pub value: Option<String>,
    /// Whether the user set [`Self::value`].
    pub set: bool,
    /// Whether a user may set it.
    pub user_configurable: bool,
    /// Whether it must have a value before the machine starts.
    pub required: bool,
    /// Whether the value is not to be shown.
    pub password: bool,
    /// `ovf:qualifiers` and `vmw:qualifiers`, as written.
    pub qualifiers: String,
    /// `Label`.
    pub label: Option<String>,
    /// `Description`.
    pub description: Option<String>,
    /// The Category that it stands under.
    pub category: Option<String>,
    /// Its line in the descriptor.
    pub line: u32,
}

impl Property {
    /// Whether `value` may be this property's value.
    ///
    /// An empty value of a property that is not required means that it is not set, and is always allowed. Line breaks and tabs
    /// are allowed in text: an XML attribute can hold them as character references. Other control characters cannot be written
    /// in XML 1.0 at all, so the guest could not read its environment.
    ///
    /// # Errors
    /// When it is too long, cannot be written in the environment, or is not what its type and its qualifiers ask for.
    pub fn check(&self, value: &str) -> Result<(), PropertyProblem> {
        let problem = |reason| Err(PropertyProblem { key: shown(&self.key), reason });
        if let Some(reason) = unwritable(value) {
            return problem(reason);
        }
        if value.is_empty() {
            return if self.required { problem(PropertyReason::Missing) } else { Ok(()) };
        }
        let mut qualifiers = Qualifiers::parse(&self.qualifiers);
        let base = kind::parse(&self.kind, &mut qualifiers);
        let seen = (!self.secret()).then(|| shown(value));
        if let Some(wanted) = base.mismatch(value, &qualifiers) {
            return problem(PropertyReason::NotA { value: seen, wanted });
        }
        if matches!(base, Base::Text | Base::Unknown)
            && let Some(reason) = length(value, &qualifiers)
        {
            return problem(reason);
        }
        match &qualifiers.values {
            Some(values) if !values.iter().any(|allowed| base.equal(allowed, value)) => {
                problem(PropertyReason::NotAllowed { value: seen, allowed: few(values) })
            }
            _ => Ok(()),
        }
    }

    /// What in its declaration was not understood, for a warning: a type that is taken as text, qualifiers that are not obeyed,
    /// an expression that only VMware's platform could evaluate.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let mut qualifiers = Qualifiers::parse(&self.qualifiers);
        let key = shown(&self.key);
        match kind::parse(&self.kind, &mut qualifiers) {
            Base::Unknown => Some(format!(
                "property {key}: the type \"{}\" is not known here; any text is taken as its value",
                shown(&self.kind)
            )),
            Base::Expression if !self.set => Some(format!(
                "property {key}: its value is an expression that is not evaluated here; the guest gets it as it is written"
            )),
            _ => qualifiers
                .unknown
                .first()
                .map(|unknown| format!("property {key}: the qualifier \"{}\" is not known here", shown(unknown))),
        }
    }

    /// Whether its value is not to be shown: it is marked so, or it has VMware's type `password`.
    #[must_use]
    pub fn secret(&self) -> bool {
        let kind = self.kind.trim_start();
        self.password || kind.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("password"))
    }
}

impl Base {
    /// What would be right, if `value` is not.
    fn mismatch(self, value: &str, qualifiers: &Qualifiers) -> Option<String> {
        match self {
            Self::Integer(least, greatest) => {
                let bound = |text: &Option<String>| text.as_deref().and_then(kind::integer);
                let least = bound(&qualifiers.min_value).map_or(least, |bound| bound.max(least));
                let greatest = bound(&qualifiers.max_value).map_or(greatest, |bound| bound.min(greatest));
                let fits = kind::integer(value).is_some_and(|value| (least..=greatest).contains(&value));
                (!fits).then(|| format!("a whole number from {least} to {greatest}"))
            }
            Self::Real(magnitude) => {
                let bound = |text: &Option<String>| text.as_deref().and_then(kind::real);
                let (least, greatest) = (bound(&qualifiers.min_value), bound(&qualifiers.max_value));
                let fits = kind::real(value).is_some_and(|value| {
                    value.abs() <= magnitude
                        && least.is_none_or(|least| value >= least)
                        && greatest.is_none_or(|greatest| value <= greatest)
                });
                let from = least.map_or(String::new(), |least| format!(" from {least}"));
                let to = greatest.map_or(String::new(), |greatest| format!(" to {greatest}"));
                (!fits).then(|| format!("a number{from}{to}"))
            }
            Self::Boolean => {
                let fits = ["true", "false"].iter().any(|word| value.trim().eq_ignore_ascii_case(word));
                (!fits).then(|| "true or false".to_owned())
            }
            Self::Ip => (!kind::ip(value)).then(|| "an IP address".to_owned()),
            Self::Text | Self::Expression | Self::Unknown => None,
        }
    }

    /// Whether two values are the same of this type.
    fn equal(self, one: &str, other: &str) -> bool {
        match self {
            Self::Integer(..) => kind::integer(one).is_some_and(|value| kind::integer(other) == Some(value)),
            Self::Boolean => one.trim().eq_ignore_ascii_case(other.trim()),
            _ => one == other,
        }
    }
}

/// Why no environment could hold this value.
fn unwritable(value: &str) -> Option<PropertyReason> {
    let mut length = 0_usize;
    for (offset, character) in value.char_indices() {
        length = length.saturating_add(1);
        if matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}') {
            return Some(PropertyReason::ControlCharacter { code: character.into(), offset });
        }
    }
    (length > MAX_LENGTH).then_some(PropertyReason::Length { length, least: 0, greatest: Some(MAX_LENGTH as u64) })
}

/// Why its length is not one that is asked for.
fn length(value: &str, qualifiers: &Qualifiers) -> Option<PropertyReason> {
    let length = value.chars().count();
    let (least, greatest) = (qualifiers.min_len.unwrap_or(0), qualifiers.max_len);
    let fits = length as u64 >= least && greatest.is_none_or(|greatest| length as u64 <= greatest);
    (!fits).then_some(PropertyReason::Length { length, least, greatest })
}

/// The first few of a list, for a message.
fn few(values: &[String]) -> String {
    let mut words: Vec<String> = values.iter().take(8).map(|value| shown(value)).collect();
    if values.len() > words.len() {
        words.push("...".to_owned());
    }
    words.join(", ")
}

/// A value that a property cannot have: which property, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("property {key}: {reason}")]
pub struct PropertyProblem {
    /// The property's whole name.
    pub key: String,
    /// What is wrong with the value.
    pub reason: PropertyReason,
}

impl PropertyProblem {
    /// One line that says what to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        let key = &self.key;
        match &self.reason {
            PropertyReason::Missing => format!("give it one: --set {key}=VALUE"),
            PropertyReason::NotA { wanted, .. } => format!("set it to {wanted}: --set {key}=VALUE"),
            PropertyReason::NotAllowed { allowed, .. } => format!("set it to one of these: {allowed}"),
            PropertyReason::Length { length, greatest: Some(greatest), .. } if *length as u64 > *greatest => {
                format!("set it to at most {greatest} characters")
            }
            PropertyReason::Length { least, .. } => format!("set it to at least {least} characters"),
            PropertyReason::ControlCharacter { .. } => {
                "leave the character out, or give the text in base64 if the appliance takes that".to_owned()
            }
        }
    }
}

/// Why a value is not one of a property. A secret value is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyReason {
    /// It must have a value and has none.
    Missing,
    /// It is not of the property's type.
    NotA {
        /// The value, shortened, unless it is secret.
        value: Option<String>,
        /// What would be right.
        wanted: String,
    },
    /// It is none of those that the property lists.
    NotAllowed {
        /// The value, shortened, unless it is secret.
        value: Option<String>,
        /// The first few that are listed.
        allowed: String,
    },
    /// It is too long or too short. Lengths are in characters.
    Length {
        /// The value's.
        length: usize,
        /// The least.
        least: u64,
        /// The greatest, if there is one.
        greatest: Option<u64>,
    },
    /// It holds a character that XML 1.0 cannot (section 2.2).
    ControlCharacter {
        /// The character.
        code: u32,
        /// Where it stands, in bytes.
        offset: usize,
    },
}

impl fmt::Display for PropertyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name =
            |value: &Option<String>| value.as_ref().map_or("the value".to_owned(), |value| format!("\"{value}\""));
        match self {
            Self::Missing => f.write_str("it must have a value and has none"),
            Self::NotA { value, wanted } => write!(f, "{} is not {wanted}", name(value)),
            Self::NotAllowed { value, .. } => write!(f, "{} is none of the values that it can have", name(value)),
            Self::Length { length, greatest: Some(greatest), .. } if *length as u64 > *greatest => {
                write!(f, "the value has a length of {length}; at most {greatest} characters are allowed")
            }
            Self::Length { length, least, .. } => {
                write!(f, "the value has a length of {length}; at least {least} characters are needed")
            }
            Self::ControlCharacter { code, offset } => write!(
                f,
                "the value holds the character U+{code:04X} at offset {offset}, which the XML of the guest's environment cannot"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
