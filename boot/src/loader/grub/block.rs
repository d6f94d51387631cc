//! GRUB's environment block: a file of 1024 bytes that keeps variables from boot to boot (grub-core/lib/envblk.c).

/// The file begins with this.
const MAGIC: &str = "# GRUB Environment Block\n";

/// The variables in a block, in order; none if it is no block.
pub(crate) fn read(text: &str) -> Vec<(String, String)> {
    let Some(body) = text.strip_prefix(MAGIC) else { return Vec::new() };
    let mut variables = Vec::new();
    let mut lines = Lines { rest: body };
    while let Some(line) = lines.next_line() {
        if line.starts_with('#') {
            continue;
        }
        if let Some((name, value)) = line.split_once('=') {
            variables.push((name.to_owned(), value.to_owned()));
        }
    }
    variables
}

/// Lines in which a backslash keeps what follows it from its meaning, the line's end among it.
struct Lines<'t> {
    rest: &'t str,
}

impl Lines<'_> {
    fn next_line(&mut self) -> Option<String> {
        if self.rest.is_empty() {
            return None;
        }
        let mut line = String::new();
        let mut characters = self.rest.chars();
        while let Some(character) = characters.next() {
            match character {
                '\n' => break,
                '\\' => line.extend(characters.next()),
                character => line.push(character),
            }
        }
        self.rest = characters.as_str();
        Some(line)
    }
}
