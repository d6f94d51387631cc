//! Units of quantities: the programmatic units of DSP0004 (annex C of version 2.5 and later) and the words that products
//! wrote before, and beside, the standard.
//!
//! ```text
//! unit     = [base] *( "/" base ) *( ("*" | "/") number [ "^" exponent ] )      byte * 2^20      hertz * 10^6
//! ```
//!
//! Blanks may stand anywhere or nowhere, letters may be large or small, and parentheses around a part are looked through.
//!
//! **MegaBytes are 2^20 bytes.** DSP0004 has one unit, `byte`, and says the factor in numbers, so there `byte * 10^6` and
//! `byte * 2^20` are what they look like. The words come from OVF 0.9 and from VMware's and oVirt's exporters, whose products
//! count memory and disks in powers of two and call these mega: to read 512 `MegaBytes` as 512,000,000 bytes would give a guest
//! less memory, and a disk fewer sectors, than it had where it was exported. VirtualBox reads them the same way. Hertz have
//! always been decimal: MegaHertz are 10^6.

use std::fmt;

use thiserror::Error;

use super::number::{Number, gcd};

/// No unit in the wild has more than three parts; more are an attack.
const MAX_PARTS: usize = 8;
/// How much of a text is shown in a message, in characters.
const MAX_SHOWN: usize = 40;

/// What a unit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Base {
    /// Bytes. Bits are eighths of them.
    Byte,
    /// Cycles per second.
    Hertz,
    /// Things: processors, cards.
    Count,
    /// Hundredths.
    Percent,
    /// Time, in seconds.
    Second,
    /// Bytes per second.
    BytePerSecond,
    /// Operations per second.
    CountPerSecond,
}

impl Base {
    /// Its name in messages, in the plural.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Byte => "bytes",
            Self::Hertz => "hertz",
            Self::Count => "a count",
            Self::Percent => "percent",
            Self::Second => "seconds",
            Self::BytePerSecond => "bytes per second",
            Self::CountPerSecond => "operations per second",
        }
    }

    fn per_second(self) -> Option<Self> {
        match self {
            Self::Byte => Some(Self::BytePerSecond),
            Self::Count => Some(Self::CountPerSecond),
            _ => None,
        }
    }
}

/// A unit: how many of its base it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// What it counts.
    pub base: Base,
    /// How many of them.
    pub factor: Factor,
}

/// A positive fraction in its lowest terms. A unit can be smaller than its base (`bit`, `second * 10^-3`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Factor {
    numerator: u128,
    denominator: u128,
}

impl Factor {
    const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// The product, if it can be held.
    fn times(self, numerator: u128, denominator: u128) -> Option<Self> {
        let numerator = self.numerator.checked_mul(numerator)?;
        let denominator = self.denominator.checked_mul(denominator)?;
        let common = gcd(numerator, denominator);
        (numerator > 0 && denominator > 0)
            .then(|| Self { numerator: numerator / common, denominator: denominator / common })
    }
}

impl Unit {
    /// `byte`.
    pub const BYTE: Self = Self { base: Base::Byte, factor: Factor::ONE };
    /// `byte * 2^20`.
    pub const MEBIBYTE: Self = Self { base: Base::Byte, factor: Factor { numerator: 1 << 20, denominator: 1 } };
    /// `hertz`.
    pub const HERTZ: Self = Self { base: Base::Hertz, factor: Factor::ONE };
    /// `hertz * 10^6`.
    pub const MEGAHERTZ: Self = Self { base: Base::Hertz, factor: Factor { numerator: 1_000_000, denominator: 1 } };
    /// `count`.
    pub const COUNT: Self = Self { base: Base::Count, factor: Factor::ONE };

    /// How many of its base `quantity` of this unit are: 2.5 of `byte * 2^30` are 2,684,354,560.
    ///
    /// # Errors
    /// When that is not a whole number, and from 2^64 on.
    pub fn times(self, quantity: &Number) -> Result<u64, UnitProblem> {
        quantity.scaled(self.factor.numerator, self.factor.denominator)
    }

    fn of(self, base: Base) -> Result<Self, UnitProblem> {
        if self.base == base { Ok(self) } else { Err(UnitProblem::OtherBase { found: self.base, wanted: base }) }
    }
}

/// Why a quantity has no value. The texts in it are shortened, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnitProblem {
    /// There is no number, or no unit.
    #[error("there is nothing where a number or a unit belongs")]
    Empty,
    /// Something else than a number.
    #[error("\"{0}\" is not a decimal number")]
    NotANumber(String),
    /// A number below zero.
    #[error("{0} is below zero")]
    Negative(String),
    /// A number with a fraction, after it was scaled by its unit.
    #[error("{0} is not a whole number in its unit")]
    Fraction(String),
    /// 2^64 and more.
    #[error("{0} is too big: the value does not fit into 64 bits")]
    TooBig(String),
    /// A unit that nobody here knows.
    #[error("\"{0}\" is not a unit that is known here")]
    UnknownUnit(String),
    /// A factor of a unit that is zero, or beyond all numbers.
    #[error("the factor of the unit \"{0}\" is out of range")]
    BadFactor(String),
    /// A unit of something else.
    #[error("the unit is one of {}, not of {}", found.name(), wanted.name())]
    OtherBase {
        /// What it counts.
        found: Base,
        /// What was to be counted.
        wanted: Base,
    },
}

impl UnitProblem {
    /// One line that says what to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Empty => "write a number, such as 1024".to_owned(),
            Self::NotANumber(text) if text.contains(['$', '{', '@']) => {
                "give the property that it stands for a value, or fill in the template that the file was made from"
                    .to_owned()
            }
            Self::NotANumber(_) => "write digits only, such as 1024, without separators and without a unit".to_owned(),
            Self::Negative(_) | Self::TooBig(_) => "write a number from 0 to 18446744073709551615 in all".to_owned(),
            Self::Fraction(_) => "write a whole number, in a smaller unit if need be".to_owned(),
            Self::UnknownUnit(_) | Self::BadFactor(_) => {
                "write a unit such as byte, byte * 2^20, hertz * 10^6 or count (DSP0004, programmatic units)".to_owned()
            }
            Self::OtherBase { wanted, .. } => format!("write a unit of {}", wanted.name()),
        }
    }
}

/// `quantity` of `unit` in bytes; without a unit, or with an empty one, in `default`.
///
/// # Errors
/// When it is not a whole number of bytes below 2^64.
pub fn bytes(quantity: &str, unit: Option<&str>, default: Unit) -> Result<u64, UnitProblem> {
    amount(quantity, unit, default, Base::Byte)
}

/// The same for any base, which the unit has to have.
///
/// # Errors
/// When it is not a whole number of `base` below 2^64.
pub fn amount(quantity: &str, unit: Option<&str>, default: Unit, base: Base) -> Result<u64, UnitProblem> {
    let unit = unit.filter(|text| !text.trim().is_empty()).map_or(Ok(default), parse)?;
    unit.of(base)?.times(&Number::parse(quantity)?)
}

/// Reads a unit. A number alone is that many things.
///
/// # Errors
/// When it is empty, or unknown, or has a factor that is zero or too big.
pub fn parse(text: &str) -> Result<Unit, UnitProblem> {
    let unknown = || UnitProblem::UnknownUnit(shown(text.trim()));
    let bad_factor = || UnitProblem::BadFactor(shown(text.trim()));
    let mut unit: Option<Unit> = None;
    for (index, (divides, part)) in parts(text).enumerate() {
        if index >= MAX_PARTS {
            return Err(unknown());
        }
        if part.is_empty() {
            return Err(if text.trim().is_empty() { UnitProblem::Empty } else { unknown() });
        }
        if let Some(word) = word(&part) {
            unit = Some(match (unit, divides) {
                (None, false) => word,
                (Some(before), true) if word == SECOND => {
                    Unit { base: before.base.per_second().ok_or_else(unknown)?, ..before }
                }
                _ => return Err(unknown()),
            });
            continue;
        }
        let (above, below) = power(&part).ok_or_else(unknown)?.ok_or_else(bad_factor)?;
        let (above, below) = if divides { (below, above) } else { (above, below) };
        let before = unit.unwrap_or(Unit::COUNT);
        unit = Some(Unit { factor: before.factor.times(above, below).ok_or_else(bad_factor)?, ..before });
    }
    unit.ok_or_else(unknown)
}

/// What stands between the operators, without blanks and parentheses, in small letters; whether a `/` is before it.
fn parts(text: &str) -> impl Iterator<Item = (bool, String)> {
    let mut rest = Some((false, text));
    std::iter::from_fn(move || {
        let (divides, from) = rest?;
        let end = from.find(['*', '/']).unwrap_or(from.len());
        let (part, after) = from.split_at_checked(end)?;
        rest = after.chars().next().and_then(|operator| Some((operator == '/', after.get(1..)?)));
        let kept = part.chars().filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')'));
        Some((divides, kept.take(MAX_SHOWN).flat_map(char::to_lowercase).collect()))
    })
}

/// `1024`, `2^20`, `10^-3` as a fraction. None: it is nothing of the kind; none within: it is out of range.
fn power(part: &str) -> Option<Option<(u128, u128)>> {
    let (base, exponent) = part.split_once('^').unwrap_or((part, "1"));
    let magnitude = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(base) || !digits(magnitude) {
        return None;
    }
    let value = || base.parse::<u64>().ok().map(u128::from)?.checked_pow(magnitude.parse().ok()?);
    let fraction = |value| if exponent.starts_with('-') { (1, value) } else { (value, 1) };
    Some(value().filter(|value| *value > 0).map(fraction))
}

const SECOND: Unit = Unit { base: Base::Second, factor: Factor::ONE };

/// A unit that is a word, in small letters: DSP0004's bases, and what products call their multiples.
fn word(word: &str) -> Option<Unit> {
    let simple = match word {
        "bit" | "bits" => Some((Base::Byte, 1, 8)),
        "count" | "counts" | "unit" | "units" => Some((Base::Count, 1, 1)),
        "percent" => Some((Base::Percent, 1, 1)),
        "second" | "seconds" => Some((Base::Second, 1, 1)),
        "minute" | "minutes" => Some((Base::Second, 60, 1)),
        "hour" | "hours" => Some((Base::Second, 3600, 1)),
        _ => None,
    };
    if let Some((base, numerator, denominator)) = simple {
        return Some(Unit { base, factor: Factor { numerator, denominator } });
    }
    let (prefix, base) = ["bytes", "byte", "b"]
        .into_iter()
        .find_map(|name| Some((word.strip_suffix(name)?, Base::Byte)))
        .or_else(|| ["hertz", "hz"].into_iter().find_map(|name| Some((word.strip_suffix(name)?, Base::Hertz))))?;
    let (thousands, always_binary) = match prefix {
        "" => (0, false),
        "kilo" | "k" => (1, false),
        "mega" | "m" => (2, false),
        "giga" | "g" => (3, false),
        "tera" | "t" => (4, false),
        "peta" | "p" => (5, false),
        "kibi" | "ki" => (1, true),
        "mebi" | "mi" => (2, true),
        "gibi" | "gi" => (3, true),
        "tebi" | "ti" => (4, true),
        "pebi" | "pi" => (5, true),
        _ => return None,
    };
    let step: u128 = match base {
        Base::Byte => 1024,
        _ if always_binary => return None,
        _ => 1000,
    };
    Some(Unit { base, factor: Factor { numerator: step.checked_pow(thousands)?, denominator: 1 } })
}

/// A text from a descriptor as it may stand in a message: short, on one line, without control characters.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

impl fmt::Display for Unit {
    /// As DSP0004 would write it, with the factor as one number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.base {
            Base::Byte => "byte",
            Base::Hertz => "hertz",
            Base::Count => "count",
            Base::Percent => "percent",
            Base::Second => "second",
            Base::BytePerSecond => "byte / second",
            Base::CountPerSecond => "count / second",
        })?;
        match (self.factor.numerator, self.factor.denominator) {
            (1, 1) => Ok(()),
            (numerator, 1) => write!(f, " * {numerator}"),
            (1, denominator) => write!(f, " / {denominator}"),
            (numerator, denominator) => write!(f, " * {numerator} / {denominator}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
