//! Where a user's files are (XDG Base Directory Specification 0.8).

use std::path::PathBuf;

/// Ovum's folder in the one that `variable` names, else in `below_home` in the user's home folder. Names that are not absolute
/// count as not set, as the specification says.
pub fn of_user(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute(variable).or_else(|| Some(absolute("HOME")?.join(below_home)))?;
    Some(folder.join("ovum"))
}
