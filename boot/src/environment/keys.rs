//! Public keys of SSH, and host names, as a user gives them.

use super::EnvironmentError;
use crate::ovf::units::shown;

/// The most keys that are taken.
const MAX_KEYS: usize = 256;
/// The longest line with a key, in bytes: an RSA key of 16,384 bits with its comment.
const MAX_KEY: usize = 8192;
/// How the type of a public key begins (RFC 4253, 6.6; RFC 5656, 3.1; OpenSSH, PROTOCOL.u2f).
const TYPES: [&str; 3] = ["ssh-", "ecdsa-sha2-", "sk-"];

/// The keys in the texts of `.pub` and `authorized_keys` files, one in each line that is not empty and no comment.
///
/// # Errors
/// For a line that holds no public key, and for a private key.
pub(super) fn public_keys(texts: &[String]) -> Result<Vec<&str>, EnvironmentError> {
    let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
    let mut keys: Vec<&str> = Vec::new();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.contains("PRIVATE KEY") {
            return Err(EnvironmentError::PrivateKey);
        }
        // Options may stand before the type, and a comment behind the key.
        let mut words = line.split_ascii_whitespace();
        let has_type = words.any(|word| TYPES.iter().any(|kind| word.starts_with(kind)));
        let has_key = words.next().is_some_and(|word| word.starts_with("AAAA"));
        if !(has_type && has_key) || line.len() > MAX_KEY || line.contains(char::is_control) || keys.len() >= MAX_KEYS {
            return Err(EnvironmentError::BadKey(shown(line)));
        }
        if !keys.contains(&line) {
            keys.push(line);
        }
    }
    if keys.is_empty() && !texts.is_empty() {
        return Err(EnvironmentError::BadKey(String::new()));
    }
    Ok(keys)
}

/// Whether `name` can be a host's name, perhaps with its domain (RFC 1123, 2.1).
///
/// # Errors
/// When it cannot.
pub(super) fn check_hostname(name: &str) -> Result<(), EnvironmentError> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() <= 253 && name.split('.').all(label) {
        return Ok(());
    }
    Err(EnvironmentError::BadHostname(shown(name)))
}
