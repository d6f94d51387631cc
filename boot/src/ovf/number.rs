//! Numbers as descriptors write them, kept exactly: no size ever becomes a float.

use super::units::{UnitProblem, shown};

/// No `u64`, however small its unit, is written with more digits than this, leading zeros apart.
const MAX_DIGITS: usize = 30;

/// A number that is not negative, as written in decimal: `digits / 10^decimals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    digits: u128,
    decimals: u32,
}

impl Number {
    /// Reads `1024`, `+5`, ` 2.50 `. Blanks around it, a plus sign, leading zeros and zeros behind the point mean nothing.
    ///
    /// # Errors
    /// For nothing at all, a number below zero, one of more digits than any size has, and for everything else that is not
    /// digits with at most one point between them: hexadecimal, exponents, thousands separators, `${}` that nobody replaced.
    pub fn parse(text: &str) -> Result<Self, UnitProblem> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(UnitProblem::Empty);
        }
        let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        // `.5` is a decimal number of XML Schema, `5.` as well; `.` is none.
        if !(all_digits(whole) && all_digits(fraction)) || (whole.is_empty() && fraction.is_empty()) {
            return Err(UnitProblem::NotANumber(shown(trimmed)));
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        if trimmed.starts_with('-') && !(whole.is_empty() && fraction.is_empty()) {
            return Err(UnitProblem::Negative(shown(trimmed)));
        }
        if whole.len() + fraction.len() > MAX_DIGITS {
            return Err(UnitProblem::TooBig(shown(trimmed)));
        }
        let decimals = u32::try_from(fraction.len()).unwrap_or(u32::MAX);
        let digits = whole.bytes().chain(fraction.bytes());
        let digits = digits.fold(0, |sum: u128, digit| sum * 10 + u128::from(digit - b'0'));
        Ok(Self { digits, decimals })
    }

    /// Its value, if it is a whole number (`4`, `4.0`).
    ///
    /// # Errors
    /// For a fraction, and from 2^64 on.
    pub fn whole(&self) -> Result<u64, UnitProblem> {
        self.scaled(1, 1)
    }

    /// The number times `numerator / denominator`, if that is a whole number.
    pub(super) fn scaled(self, numerator: u128, denominator: u128) -> Result<u64, UnitProblem> {
        let too_big = || UnitProblem::TooBig(self.to_string());
        // What can be cancelled is, first of all, so that an intermediate result is not too big where the final one is not.
        let tens = 10_u128.checked_pow(self.decimals).ok_or_else(too_big)?;
        let below = tens.checked_mul(denominator).ok_or_else(too_big)?;
        let common = gcd(numerator, below);
        let (above, below) = (numerator / common, below / common);
        let common = gcd(self.digits, below);
        let (digits, below) = (self.digits / common, below / common);
        if below != 1 {
            return Err(UnitProblem::Fraction(self.to_string()));
        }
        let product = digits.checked_mul(above).ok_or_else(too_big)?;
        u64::try_from(product).map_err(|_| too_big())
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self { digits: value.into(), decimals: 0 }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match 10_u128.checked_pow(self.decimals) {
            Some(tens) if tens > 1 => {
                let places = usize::try_from(self.decimals).unwrap_or_default();
                write!(f, "{}.{:0places$}", self.digits / tens, self.digits % tens)
            }
            _ => write!(f, "{}", self.digits),
        }
    }
}

/// The greatest common divisor; 1 where there is none, so that it can be divided by.
pub(super) fn gcd(one: u128, other: u128) -> u128 {
    let (mut one, mut other) = (one, other);
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one.max(1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, value) in [
            ("1024", 1024),
            ("  1024\n", 1024),
            ("+5", 5),
            ("1024.0", 1024),
            ("007", 7),
            ("0", 0),
            ("-0", 0),
            ("5.", 5),
        ] {
            assert_eq!(Number::parse(text).unwrap().whole(), Ok(value), "{text:?}");
        }
        assert_eq!(Number::parse("18446744073709551615").unwrap().whole(), Ok(u64::MAX));
        assert_eq!(Number::parse(&format!("{}1", "0".repeat(1000))).unwrap().whole(), Ok(1));
    }

    #[test]
    fn what_is_no_size_is_refused_for_what_it_is() {
        for text in ["", " ", "\t\n"] {
            assert_eq!(Number::parse(text), Err(UnitProblem::Empty), "{text:?}");
        }
        for text in [".", "+", "-", "+-5", "0x10", "1e3", "1,024", "1 024", "1.2.3", "NaN", "${disksize}", "٣", "4\0"]
        {
            assert!(matches!(Number::parse(text), Err(UnitProblem::NotANumber(_))), "{text:?}");
        }
        for text in ["-1", "-0.5", "-99999999999999999999999999999999999999999"] {
            assert!(matches!(Number::parse(text), Err(UnitProblem::Negative(_))), "{text:?}");
        }
        assert!(matches!(Number::parse(&"9".repeat(10_000)), Err(UnitProblem::TooBig(text)) if text.len() < 100));
        assert!(matches!(Number::parse("18446744073709551616").unwrap().whole(), Err(UnitProblem::TooBig(_))));
        assert!(matches!(Number::parse("0.5").unwrap().whole(), Err(UnitProblem::Fraction(text)) if text == "0.5"));
        assert_eq!(Number::parse("10.050").unwrap().to_string(), "10.05");
    }
}
