//! The types of properties: those of the standard (DSP0243, 9.5.1, table of property types) and those of VMware's products,
//! which may carry bounds of their own (`int(1..100)`, `string(..5)`, `string["a", "b"]`).

use std::net::IpAddr;

use super::qualifiers::{self, Qualifiers};

/// A type, read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Base {
    /// A whole number within bounds.
    Integer(i128, i128),
    /// A number whose magnitude is at most this.
    Real(f64),
    Boolean,
    Text,
    Ip,
    /// VMware: text that its platform makes from an expression.
    Expression,
    /// Nobody here knows it; text.
    Unknown,
}

/// The whole number types: name, least and greatest value. CIM's (DSP0004), then VMware's.
const INTEGERS: &[(&str, i128, i128)] = &[
    ("uint8", 0, u8::MAX as i128),
    ("uint16", 0, u16::MAX as i128),
    ("uint32", 0, u32::MAX as i128),
    ("uint64", 0, u64::MAX as i128),
    ("sint8", i8::MIN as i128, i8::MAX as i128),
    ("sint16", i16::MIN as i128, i16::MAX as i128),
    ("sint32", i32::MIN as i128, i32::MAX as i128),
    ("sint64", i64::MIN as i128, i64::MAX as i128),
    ("int", i32::MIN as i128, i32::MAX as i128),
];

/// Reads a type, and adds what it says in parentheses to the qualifiers.
pub(super) fn parse(kind: &str, qualifiers: &mut Qualifiers) -> Base {
    let kind = kind.trim();
    let end = kind.find(['(', '[', ':']).unwrap_or(kind.len());
    let (name, detail) = kind.split_at_checked(end).unwrap_or((kind, ""));
    let name = name.trim().to_ascii_lowercase();
    let base = match name.as_str() {
        "string" | "password" | "" => Base::Text,
        "boolean" | "bool" => Base::Boolean,
        "real32" => Base::Real(f64::from(f32::MAX)),
        "real64" | "real" => Base::Real(f64::MAX),
        "ip" => Base::Ip,
        "expression" => Base::Expression,
        _ => match INTEGERS.iter().find(|(integer, ..)| *integer == name) {
            Some((_, least, greatest)) => Base::Integer(*least, *greatest),
            None => return Base::Unknown,
        },
    };
    let inside = |open, close| detail.strip_prefix(open).and_then(|rest: &str| rest.trim_end().strip_suffix(close));
    if let Some(list) = inside('[', ']') {
        qualifiers.values.get_or_insert_with(|| qualifiers::values(list));
    } else if let Some((from, to)) = inside('(', ')').and_then(|range| range.split_once("..")) {
        let bound = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        if base == Base::Text {
            qualifiers.min_len = qualifiers.min_len.or_else(|| from.trim().parse().ok());
            qualifiers.max_len = qualifiers.max_len.or_else(|| to.trim().parse().ok());
        } else {
            qualifiers.min_value = qualifiers.min_value.take().or_else(|| bound(from));
            qualifiers.max_value = qualifiers.max_value.take().or_else(|| bound(to));
        }
    } else if !detail.is_empty() && base != Base::Ip {
        return Base::Unknown;
    }
    if qualifiers.ip && base == Base::Text { Base::Ip } else { base }
}

/// A whole number in decimal.
pub(super) fn integer(text: &str) -> Option<i128> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// A number in decimal, perhaps with a fraction and an exponent.
pub(super) fn real(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse().ok().filter(|value: &f64| plain && value.is_finite())
}

/// An address of IPv4 or IPv6.
pub(super) fn ip(text: &str) -> bool {
    text.trim().parse::<IpAddr>().is_ok()
}
