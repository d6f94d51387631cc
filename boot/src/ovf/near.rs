//! Names that a user may have meant.

use super::units::shown;

/// How many names are compared.
const MAX_NAMES: usize = 1000;
/// How long a name is compared, in characters.
const MAX_LENGTH: usize = 64;
/// How many are shown.
const FEW: usize = 5;

/// One line that names what there is, nearest to `wanted` first.
pub fn remedy<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> String {
    let wanted: Vec<char> = lower(wanted);
    let mut ranked: Vec<(usize, &str)> =
        names.take(MAX_NAMES).map(|name| (distance(&wanted, &lower(name)), name)).collect();
    ranked.sort();
    let total = ranked.len();
    let names: Vec<String> = ranked.iter().take(FEW).map(|(_, name)| shown(name)).collect();
    match total {
        0 => "leave it out; nothing in this package is for users to set".to_owned(),
        _ if total > FEW => format!("it has, among others: {}", names.join(", ")),
        _ => format!("it has: {}", names.join(", ")),
    }
}

fn lower(name: &str) -> Vec<char> {
    name.chars().take(MAX_LENGTH).flat_map(char::to_lowercase).collect()
}

/// How many characters have to be changed, added or taken away to get from one to the other (Levenshtein); a name that holds
/// the other is near to it.
fn distance(one: &[char], other: &[char]) -> usize {
    if !one.is_empty() && other.windows(one.len()).any(|part| part == one) {
        return 1;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, from) in one.iter().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        let mut next = vec![left];
        for (to, above) in other.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(from != to)).min(above + 1).min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_come_first() {
        let names = ["public-keys", "hostname", "user-data", "password", "seedfrom", "instance-id"];
        assert!(remedy("hostnam", names.into_iter()).contains(": hostname, "));
        assert!(remedy("pasword", names.into_iter()).contains(": password, "));
        assert!(remedy("KEYS", names.into_iter()).contains(": public-keys, "));
        assert_eq!(remedy("x", ["only"].into_iter()), "it has: only");
        assert!(remedy("x", [].into_iter()).starts_with("leave it out"));
    }

    #[test]
    fn distances_are_those_of_levenshtein() {
        let distance = |one: &str, other: &str| distance(&lower(one), &lower(other));
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("abc", "abc"), 1, "a name that holds the other is near, not equal");
    }
}
