//! Making a new image from front to back.

mod create;
mod in_place;

use std::io;

pub use create::{Target, UnknownTarget, create};
pub use in_place::InPlace;

/// Turns a block of the disk into what is stored of it, without looking at anything else: it runs on many threads.
pub type Encode = fn(Vec<u8>) -> io::Result<Vec<u8>>;

/// A new image that is being written, block by block, in ascending order; blocks that are left out read as zero.
///
/// A writer writes its headers and tables so that an image whose writing was cut off is refused when it is opened, or at
/// least by a check.
pub trait Writer: Send {
    /// How many bytes of the disk a block has. The last block of the disk may be shorter.
    fn block_size(&self) -> usize;

    /// What is done to a block before it is put.
    fn encode(&self) -> Encode {
        Ok
    }

    /// Puts a block that was encoded, which begins at `offset` on the disk, a multiple of the block size.
    ///
    /// # Errors
    /// When the storage cannot be written.
    fn put(&mut self, offset: u64, encoded: &[u8]) -> io::Result<()>;

    /// Writes what is left and puts everything on stable storage. Nothing is put afterwards.
    ///
    /// # Errors
    /// When the storage cannot be written.
    fn finish(&mut self) -> io::Result<()>;
}
