//! bzip2 files, read at any place without being unpacked to anywhere.
//!
//! Every block can be unpacked on its own, once it is known where it begins and what is before it. The blocks are numbered
//! by nobody, so that is found out from front to back.

mod bits;
mod block;
mod place;
mod spec;
#[cfg(test)]
mod tests;

use super::unpack::Unpacked;
use place::Reader;

pub(crate) use spec::MAGIC;

/// What is in a bzip2 file; read-only.
///
/// The checksum of each block is checked when a read comes to its end, and so is that of a stream. However long the file is,
/// this takes less than 20 MiB of memory.
pub type Bzip2 = Unpacked<Reader>;
