//! Kernel arguments that make a boot shorter and change nothing of what the guest can do.
//!
//! An argument is here only when `cargo xtask bench boot --also` shows that it saves instructions, and when nothing gets
//! less safe by it. docs/performance.md has the figures, those of the arguments that were tried and save nothing as well.

use ovum_boot::cmdline::{Cmdline, CmdlineError};

/// The arguments.
///
/// * `cryptomgr.notests`: the kernel does not test its own ciphers against known answers at each start. They are the same
///   code at each start, and the tests take more than half of a stock kernel's boot. A kernel that is told `fips=1` tests
///   them all the same.
const ARGUMENTS: &[&str] = &["cryptomgr.notests"];

/// The arguments that `words`, the user's own, do not speak of.
pub(super) fn arguments(words: &str) -> Result<impl Iterator<Item = &'static str>, CmdlineError> {
    let user = Cmdline::new(words)?;
    let key = |argument: &'static str| argument.split_once('=').map_or(argument, |(key, _)| key);
    Ok(ARGUMENTS.iter().copied().filter(move |argument| !user.contains_key(key(argument))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_speaks_of_is_left_to_the_user() {
        let chosen = |words| arguments(words).unwrap().collect::<Vec<_>>();
        assert_eq!(chosen("quiet"), ["cryptomgr.notests"]);
        assert!(chosen("quiet cryptomgr.notests=0").is_empty());
        assert_eq!(chosen("-- cryptomgr.notests=0"), ["cryptomgr.notests"], "behind `--` it is init's");
        assert!(arguments("a\0b").is_err());
    }
}
