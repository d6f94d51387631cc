//! Which entry of a menu a variable names (grub-core/normal/menu.c, get_entry_number).

/// What an entry may be called by.
pub(super) struct Names<'e> {
    pub title: &'e str,
    pub id: &'e str,
}

/// The index of the entry that `value` names, up to the `>` that leads on into a submenu, and what stands behind that.
/// `ids_first`: as GRUB with `blscfg` does it, a name that begins with digits is a name.
pub(super) fn select<'v>(entries: &[Names<'_>], value: &'v str, ids_first: bool) -> (Option<usize>, Option<&'v str>) {
    let (name, rest) = split(value);
    let by_name = || entries.iter().position(|entry| entry.title == name || entry.id == name);
    let by_number = || {
        let (number, _) = leading_number(name.trim_start())?;
        usize::try_from(number).ok().filter(|index| *index < entries.len())
    };
    let is_number = leading_number(name.trim_start()).is_some();
    let found = match (is_number, ids_first) {
        (false, _) => by_name(),
        (true, false) => by_number(),
        (true, true) => by_name().or_else(by_number),
    };
    (found, rest)
}

/// Cuts a path at its first `>`, `>>` standing for one that is part of a name.
fn split(value: &str) -> (String, Option<&str>) {
    let mut name = String::new();
    let mut rest = value;
    while let Some(character) = rest.chars().next() {
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
        if character == '>' {
            match rest.strip_prefix('>') {
                Some(behind) => rest = behind,
                None => return (name, Some(rest).filter(|rest| !rest.is_empty())),
            }
        }
        name.push(character);
    }
    (name, None)
}

/// The number that a text begins with, in C's ways of writing it, and how many bytes it takes.
pub(super) fn leading_number(text: &str) -> Option<(u64, usize)> {
    let (radix, digits, skipped) = match text.as_bytes() {
        [b'0', b'x' | b'X', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => (16, rest, 2),
        [b'0', rest @ ..] if rest.first().is_some_and(u8::is_ascii_digit) => (8, rest, 1),
        bytes => (10, bytes, 0),
    };
    let mut value = 0_u64;
    let mut len = 0;
    for digit in digits.iter().map_while(|byte| char::from(*byte).to_digit(radix)) {
        value = value.saturating_mul(radix.into()).saturating_add(digit.into());
        len += 1;
    }
    (len > 0 || skipped > 0).then_some((value, len + skipped))
}
