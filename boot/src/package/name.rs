//! Names in packages: of members, and as descriptors refer to them.

/// A member's name as text. Names that are not UTF-8 were written before it became usual, in Latin-1 as a rule; either way,
/// no two names become one.
pub(crate) fn text(raw: &[u8]) -> String {
    match str::from_utf8(raw) {
        Ok(name) => name.to_owned(),
        Err(_) => raw.iter().copied().map(char::from).collect(),
    }
}

/// A relative path without `.` and doubled slashes.
///
/// # Errors
/// What is wrong with it, as the end of a sentence that begins with "its name".
pub(crate) fn plain(name: &str) -> Result<String, &'static str> {
    if name.starts_with('/') {
        return Err("is absolute");
    }
    if name.contains('\0') {
        return Err("has a NUL in it");
    }
    let components = name.split('/').filter(|component| !matches!(*component, "" | "."));
    let mut plain = String::with_capacity(name.len());
    for component in components {
        if component == ".." {
            return Err("leads out of the package (..)");
        }
        if !plain.is_empty() {
            plain.push('/');
        }
        plain.push_str(component);
    }
    if plain.is_empty() { Err("is empty") } else { Ok(plain) }
}

/// `name`, seen from the folder `here`: with `.` and `..` resolved, or nothing if it leads out, or is absolute.
pub(crate) fn resolve(here: &str, name: &str) -> Option<String> {
    if name.starts_with('/') {
        return None;
    }
    let mut path: Vec<&str> = here.split('/').filter(|component| !component.is_empty()).collect();
    for component in name.split('/') {
        match component {
            "" | "." => (),
            ".." => drop(path.pop()?),
            component => path.push(component),
        }
    }
    Some(path.join("/"))
}

/// The folder that the member `name` is in, and its name in there.
pub(crate) fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

/// Whether the last part of `name` has this ending, in any case. What macOS keeps beside files (`._NAME`) has none.
pub(crate) fn has_ending(name: &str, ending: &str) -> bool {
    let (_, file) = split(name);
    let is_it = file.rsplit_once('.').is_some_and(|(stem, of)| !stem.is_empty() && of.eq_ignore_ascii_case(ending));
    is_it && !file.starts_with("._")
}

/// The names under which a reference may be meant, most likely first: as written, decoded (RFC 3986, 2.1), encoded.
pub(crate) fn candidates(href: &str) -> Vec<String> {
    let mut names = vec![href.to_owned()];
    for name in [decoded(href), Some(encoded(href))].into_iter().flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// `%41` becomes `A`; a `%` without two digits behind it stands for itself. Nothing if that is not UTF-8.
fn decoded(href: &str) -> Option<String> {
    let digit =
        |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut bytes = Vec::with_capacity(href.len());
    let mut rest = href.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        match (byte, digit(after.first()), digit(after.get(1))) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(high << 4 | low);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// Everything that may not stand in the path of a URI (RFC 3986, 3.3) as `%XX`.
fn encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The scheme of a reference that is a whole URL (`http://...`).
pub(crate) fn scheme(href: &str) -> Option<&str> {
    let (scheme, rest) = href.trim_start().split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    (is_scheme && rest.starts_with("//")).then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_plain_relative_names() {
        assert_eq!(plain("./a//b/./c").unwrap(), "a/b/c");
        assert_eq!(plain("a\\b c").unwrap(), "a\\b c");
        for bad in ["/a", "../a", "a/../b", "a/..", "..", "", ".", "./", "a\0b"] {
            assert!(plain(bad).is_err(), "{bad:?}");
        }
        assert_eq!(text(b"d\xe9j\xe0"), "d\u{e9}j\u{e0}");
        assert_eq!(text("d\u{e9}".as_bytes()), "d\u{e9}");
    }

    #[test]
    fn references_are_resolved_inside() {
        assert_eq!(resolve("", "a/../b").unwrap(), "b");
        assert_eq!(resolve("x/y", "../a").unwrap(), "x/a");
        assert_eq!(resolve("x", "..").unwrap(), "");
        for out in ["../a", "a/../../b", "/a"] {
            assert_eq!(resolve("", out), None, "{out}");
        }
    }

    #[test]
    fn a_reference_may_be_percent_encoded_or_not() {
        assert_eq!(candidates("a.vmdk"), ["a.vmdk"]);
        assert_eq!(candidates("a b.vmdk"), ["a b.vmdk", "a%20b.vmdk"]);
        assert_eq!(candidates("a%20b"), ["a%20b", "a b", "a%2520b"]);
        assert_eq!(candidates("%24e%a-1"), ["%24e%a-1", "$e%a-1", "%2524e%25a-1"]);
        assert_eq!(candidates("%ff%"), ["%ff%", "%25ff%25"]);
        assert_eq!(candidates("\u{e9}"), ["\u{e9}", "%C3%A9"]);
    }

    #[test]
    fn urls_are_told_from_names() {
        assert_eq!(scheme("http://a/b"), Some("http"));
        assert_eq!(scheme("HTTPS://a"), Some("HTTPS"));
        assert_eq!(scheme("file:///etc/passwd"), Some("file"));
        for name in ["a.vmdk", "a:b", "C:\\a", "1://a", "", "a/b://c"] {
            assert_eq!(scheme(name), None, "{name}");
        }
        assert!(has_ending("sub/X.OVF", "ovf") && !has_ending("sub/._x.ovf", "ovf") && !has_ending(".ovf", "ovf"));
    }
}
