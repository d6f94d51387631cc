//! `test` and `[`: comparisons of texts, numbers and files (grub-core/commands/test.c).

/// What `test` asks about files.
pub(super) trait Files {
    /// The length of a file in bytes; `None` if there is none.
    fn file_len(&self, name: &str) -> Option<u64>;
    /// Whether it is a directory.
    fn is_directory(&self, name: &str) -> bool;
}

/// Whether the expression in `words` is true. What cannot be read is not.
pub(super) fn evaluate(words: &[String], files: &dyn Files) -> bool {
    let mut expression = Expression { words, files };
    let result = expression.either(0);
    result && expression.words.is_empty()
}

/// Parentheses may lie so deep in each other.
const MAX_DEPTH: usize = 16;

struct Expression<'w, 'f> {
    words: &'w [String],
    files: &'f dyn Files,
}

impl Expression<'_, '_> {
    fn next_is(&mut self, expected: &str) -> bool {
        match self.words {
            [first, rest @ ..] if first == expected => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }

    /// `... -o ...`
    fn either(&mut self, depth: usize) -> bool {
        let mut result = self.both(depth);
        while self.next_is("-o") {
            let other = self.both(depth);
            result |= other;
        }
        result
    }

    /// `... -a ...`. Expressions that follow each other must all hold; none at all holds.
    fn both(&mut self, depth: usize) -> bool {
        let mut result = true;
        loop {
            match self.words.first().map(String::as_str) {
                Some("-a") => self.words = self.words.get(1..).unwrap_or_default(),
                Some("-o" | ")") | None => return result,
                Some(_) => {
                    let other = self.one(depth);
                    result &= other;
                }
            }
        }
    }

    fn one(&mut self, depth: usize) -> bool {
        let mut inverted = false;
        while self.next_is("!") {
            inverted = !inverted;
        }
        inverted != self.primary(depth)
    }

    fn primary(&mut self, depth: usize) -> bool {
        if let [left, operator, right, rest @ ..] = self.words
            && let Some(result) = compare(left, operator, right)
        {
            self.words = rest;
            return result;
        }
        if depth < MAX_DEPTH && self.next_is("(") {
            let result = self.either(depth + 1);
            return self.next_is(")") && result;
        }
        if let [operator, name, rest @ ..] = self.words
            && let Some(result) = self.of_one(operator, name)
        {
            self.words = rest;
            return result;
        }
        match self.words {
            [text, rest @ ..] => {
                self.words = rest;
                !text.is_empty()
            }
            [] => false,
        }
    }

    fn of_one(&self, operator: &str, name: &str) -> Option<bool> {
        Some(match operator {
            "-n" => !name.is_empty(),
            "-z" => name.is_empty(),
            "-d" => self.files.is_directory(name),
            "-e" => self.files.file_len(name).is_some() || self.files.is_directory(name),
            "-f" => self.files.file_len(name).is_some(),
            "-s" => self.files.file_len(name).is_some_and(|len| len > 0),
            _ => return None,
        })
    }
}

fn compare(left: &str, operator: &str, right: &str) -> Option<bool> {
    let numbers = || (number(left), number(right));
    Some(match operator {
        "=" | "==" => left == right,
        "!=" => left != right,
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        ">=" => left >= right,
        "-eq" => numbers().0 == numbers().1,
        "-ne" => numbers().0 != numbers().1,
        "-lt" => numbers().0 < numbers().1,
        "-le" => numbers().0 <= numbers().1,
        "-gt" => numbers().0 > numbers().1,
        "-ge" => numbers().0 >= numbers().1,
        "-pgt" | "-plt" => {
            let (a, b) = (tail(left, right), tail(right, left));
            if operator == "-pgt" { a > b } else { a < b }
        }
        _ => return None,
    })
}

/// The number at the end of a text, behind what it has in common with the other: `vmlinuz-3`.
fn tail(text: &str, other: &str) -> i64 {
    let common = text.bytes().zip(other.bytes()).take_while(|(a, b)| a == b && !a.is_ascii_digit()).count();
    number(text.get(common..).unwrap_or_default())
}

/// A number as C reads it: a sign, then digits, until something else comes.
fn number(text: &str) -> i64 {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = super::select::leading_number(digits).map_or(0, |(value, _)| i64::try_from(value).unwrap_or(i64::MAX));
    if negative { -value } else { value }
}
