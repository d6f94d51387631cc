//! The Boot Loader Specification (uapi-group.org): entries in files, systemd-boot's settings, unified kernel images.

mod compare;
mod entry;
pub(super) mod pe;
pub(super) mod systemd_boot;
#[cfg(test)]
pub(super) mod tests;
pub(super) mod uki;

pub(super) use compare::{compare, compare_names};
pub(super) use entry::{Entry, read_folder};
