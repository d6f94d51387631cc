//! Whole-VM tests, their harness and the KVM lab.
//!
//! A test says what guest it wants and what it expects ([`harness`]). The VMM runs on a [`host`]: this machine where its
//! KVM is a hardware one, the [`lab`] elsewhere. What boots is a stock [`kernel`] with an [`initramfs`] made here, out
//! of [`packages`] that are unpacked into the [`cache`]. Start reading at [`harness`], or at `tests/boot.rs`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this is a test tool: it prints, and it ends with a message when something is not as it should be"
)]

pub mod agent;
pub mod binaries;
pub mod cache;
pub mod failure;
pub mod foreign;
pub mod harness;
pub mod host;
pub mod initramfs;
pub mod kernel;
pub mod lab;
pub mod limited;
pub mod packages;
pub mod sys;
pub mod userspace;
