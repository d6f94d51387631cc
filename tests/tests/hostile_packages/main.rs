//! Packages that importers were broken by, built here byte by byte: `ovum inspect`, `ovum verify` and `ovum run --dry-run`
//! refuse each in one line of cause that names the place and one line of remedy, within limits of time and memory, and write
//! nothing.
//!
//! * [`cases`]: what is asserted of every package.
//! * [`tar`][]: archives, block by block.
//! * [`descriptors`], [`names`], [`archives`], [`integrity`]: what is wrong with them.
//! * [`mutations`]: and everything else, by chance.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test ends where its expectation does not hold"
)]

mod archives;
mod cases;
mod descriptors;
mod integrity;
mod mutations;
mod names;
mod tar;
