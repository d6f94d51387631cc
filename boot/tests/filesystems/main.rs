//! Readers of file systems, judged by the tools that make them.
#![allow(missing_docs, clippy::print_stdout)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a test ends where it fails

mod btrfs;
mod compare;
mod ext;
mod fat;
mod iso9660;
mod sample;
#[cfg(feature = "test-support")]
mod seeds;
mod xfs;
