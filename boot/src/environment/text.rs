//! Texts inside of other languages: XML attributes, YAML scalars; and base64 (RFC 4648, section 4).

/// The first character that XML 1.0 cannot hold (section 2.2, production 2), and its place in bytes.
pub(super) fn not_xml(text: &str) -> Option<(usize, char)> {
    text.char_indices()
        .find(|(_, c)| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'))
}

/// `text` inside of the quotes of an XML attribute. Line breaks and tabs become character references: as they are, a parser
/// would read blanks (XML 1.0, section 3.3.3).
pub(super) fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\t' => escaped.push_str("&#9;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// `text` as a double-quoted scalar of YAML (1.2.2, section 7.3.1), on one line.
pub(super) fn yaml(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // All of them are in the first plane, and not printable by YAML's rules (section 5.1) or line breaks by 1.1's.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// The bytes that `text` stands for, if it is base64; line breaks and blanks in it mean nothing. The empty text is none.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held, mut characters, mut padding) = (0_u32, 0_u32, 0_usize, 0_usize);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        characters += 1;
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    let whole = (characters + padding) % 4 == 0 && padding <= 2 && characters > 0;
    whole.then_some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn attributes_and_scalars_hold_any_text() {
        assert_eq!(xml("a<b>&\"c'\n\t\r\u{1f95a}"), "a&lt;b&gt;&amp;&quot;c&apos;&#10;&#9;&#13;\u{1f95a}");
        assert_eq!(not_xml("ab\u{1b}"), Some((2, '\u{1b}')));
        assert_eq!(not_xml("a\tb\r\n\u{7f}\u{10ffff}"), None);
        assert_eq!(
            yaml("a: \"b\"\\\n\0\u{7f}\u{85}\u{2028}ü\u{1f95a}"),
            "\"a: \\\"b\\\"\\\\\\n\\u0000\\u007f\\u0085\\u2028ü\u{1f95a}\""
        );
    }

    #[test]
    fn base64_is_read_strictly_but_for_line_breaks() {
        assert_eq!(base64("IyEvYmluL3NoCmVjaG8gImhpIHdvcmxkIgo=").unwrap(), b"#!/bin/sh\necho \"hi world\"\n");
        assert_eq!(base64(" Zm9v\nYmE=\r\n").unwrap(), b"fooba");
        assert_eq!(base64("Zg==").unwrap(), b"f");
        for text in ["", "  ", "=", "====", "Z", "Zg", "Zg=", "Zg===", "Z=g=", "Zm9v!", "#cloud-config\n", "Zm9vé"] {
            assert_eq!(base64(text), None, "{text:?}");
        }
    }
}
