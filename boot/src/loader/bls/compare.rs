//! The order of versions (Version Format Specification of the UAPI group).

use std::cmp::Ordering;

/// Compares versions, part by part: numbers by value, letters as letters, `~` before everything, even the end.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    loop {
        one = skip(one);
        other = skip(other);
        // `~` comes before the end, the other signs before all but the end, in this order.
        match step(&mut one, &mut other, b'~') {
            Some(Ordering::Equal) => continue,
            Some(order) => return order,
            None => {}
        }
        if one.is_empty() || other.is_empty() {
            return one.len().min(1).cmp(&other.len().min(1));
        }
        match b"-^.".iter().find_map(|sign| step(&mut one, &mut other, *sign)) {
            Some(Ordering::Equal) => continue,
            Some(order) => return order,
            None => {}
        }
        let numeric = one.first().is_some_and(u8::is_ascii_digit) || other.first().is_some_and(u8::is_ascii_digit);
        let is_in_part = |byte: &u8| if numeric { byte.is_ascii_digit() } else { byte.is_ascii_alphabetic() };
        let (first, rest) = split(one, is_in_part);
        let (second, other_rest) = split(other, is_in_part);
        let order = if numeric { compare_numbers(first, second) } else { first.cmp(second) };
        if order != Ordering::Equal {
            return order;
        }
        (one, other) = (rest, other_rest);
    }
}

/// What a sign at the start says: nothing if neither has it, equal if both have it, which is taken off then.
fn step(one: &mut &[u8], other: &mut &[u8], sign: u8) -> Option<Ordering> {
    match (one.strip_prefix(&[sign]), other.strip_prefix(&[sign])) {
        (Some(rest), Some(other_rest)) => {
            (*one, *other) = (rest, other_rest);
            Some(Ordering::Equal)
        }
        (Some(_), None) => Some(Ordering::Less),
        (None, Some(_)) => Some(Ordering::Greater),
        (None, None) => None,
    }
}

/// Compares names of files, without their ends.
pub(crate) fn compare_names(one: &str, other: &str) -> Ordering {
    compare(one, other).then_with(|| one.cmp(other))
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"~-^.".contains(&byte)
}

/// Leaves out what means nothing.
fn skip(bytes: &[u8]) -> &[u8] {
    let len = bytes.iter().take_while(|byte| !is_part(**byte)).count();
    bytes.get(len..).unwrap_or_default()
}

fn split(bytes: &[u8], part: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let len = bytes.iter().take_while(|byte| part(byte)).count();
    bytes.split_at(len)
}

/// Numbers of any length; none is less than any.
fn compare_numbers(one: &[u8], other: &[u8]) -> Ordering {
    let (_, a) = split(one, |byte| *byte == b'0');
    let (_, b) = split(other, |byte| *byte == b'0');
    (!one.is_empty()).cmp(&!other.is_empty()).then(a.len().cmp(&b.len())).then_with(|| a.cmp(b))
}
