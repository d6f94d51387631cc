//! Appliances: packages of machines.
//!
//! * [`pack`]: `ovum pack`.
//! * [`verify`]: `ovum verify`; [`verify_report`]: what it prints.

pub mod pack;
pub mod verify;
mod verify_report;
