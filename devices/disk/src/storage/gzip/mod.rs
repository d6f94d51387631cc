//! gzip files (RFC 1952), read at any place without being unpacked to anywhere.

mod header;
mod place;
mod spec;
#[cfg(test)]
mod tests;

use super::unpack::Unpacked;
use place::Place;

pub(crate) use spec::MAGIC;

/// What is in a gzip file; read-only.
///
/// The checksum and length of each member are checked when a read comes to its end, from wherever it went on. However long
/// the file is, this takes less than 8 MiB of memory.
pub type Gzip = Unpacked<Place>;
