//! Names of parents, as programs on Windows write them.

/// The text of UTF-16 `units` up to the first zero; `None` if there is none, or if it cannot be a file's name.
pub fn utf16(units: impl Iterator<Item = u16>) -> Option<String> {
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    let text = String::from_utf16(&units).ok()?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then_some(text)
}

/// Adds the names under which the file may be found that is called `name` on Windows: with slashes; and, for one that begins
/// at a drive, a server or a root, which mean nothing here, the last part of it.
pub fn add_windows(names: &mut Vec<String>, name: &str) {
    let name = name.replace('\\', "/");
    let is_absolute = name.starts_with('/') || name.get(1..2) == Some(":");
    let last = name.rsplit('/').next().filter(|last| is_absolute && !last.is_empty()).map(str::to_owned);
    for name in [Some(name), last].into_iter().flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_or_nothing() {
        let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
        assert_eq!(utf16(units("b\u{e4}se \u{1f600}\0rest").into_iter()).unwrap(), "b\u{e4}se \u{1f600}");
        assert_eq!(utf16([0xd800, 0x41].into_iter()), None, "half of a pair");
        assert_eq!(utf16(units("a\u{1b}[2J").into_iter()), None, "a terminal would obey it");
        assert_eq!(utf16(units("\0a").into_iter()), None);
    }

    #[test]
    fn absolute_names_are_also_tried_beside_the_image() {
        let mut names = Vec::new();
        add_windows(&mut names, ".\\sub\\base.vhd");
        add_windows(&mut names, "C:\\disks\\base.vhd");
        add_windows(&mut names, "\\\\server\\share\\base.vhd");
        assert_eq!(names, ["./sub/base.vhd", "C:/disks/base.vhd", "base.vhd", "//server/share/base.vhd"]);
    }
}
