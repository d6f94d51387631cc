//! Tar archives, read where they lie: which member's bytes are where, from the headers alone.
//!
//! * [`header`]: the 512 bytes in front of each member (POSIX.1-1988 ustar, and what GNU made of it).
//! * [`pax`]: extended headers (POSIX.1-2001).
//! * [`walk`]: from header to header through an archive, with every check.
//!
//! This is our own and not the `tar` crate, because that one is made to unpack: it holds what an extension claims in memory,
//! and knows links, sparse files and owners. Here members are ranges of bytes and nothing else, whatever does not name one
//! is refused with its place, and where other readers disagree about what a header means, neither is believed.

mod error;
mod header;
mod pax;
mod walk;

pub use error::{TarError, TarProblem};
pub use walk::{Entry, MAX_MEMBERS, has_magic, is_tar, read};

/// Headers and data begin at multiples of this, in bytes (POSIX.1-1988, 10.1.1).
pub const BLOCK: u64 = 512;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
